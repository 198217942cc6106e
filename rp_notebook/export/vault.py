"""The secrets that an export came upon, and the environment variable that a worker reads each from."""

from __future__ import annotations

from collections.abc import Mapping

from rp_notebook.export.secret_texts import may_spread, secrets_of, variable_of
from rp_notebook.jobs.masking import scrubbed


class Vault:
    """Gives each secret a variable and takes secrets out of texts; `known` are secrets by value, with theirs."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = dict(known)
        self._variables: dict[str, str] = {}
        self._places: dict[str, tuple[str, str, str]] = {}
        self._typed: dict[str, str] = {}

    @property
    def secrets(self) -> dict[str, str]:
        """What must stand in no file: each secret with its variable."""
        return self._known | {secret: name for secret, name in self._variables.items() if may_spread(secret)}

    @property
    def variables(self) -> frozenset[str]:
        """The variables of the secrets that stood in the code."""
        return frozenset(self._variables.values())

    @property
    def given(self) -> dict[str, str]:
        """What stood in the code or was typed in, by the variable that it is read from now. Never to be written."""
        return self._typed | {name: secret for secret, name in self._variables.items()}

    def know(self, secret: str, variable: str) -> None:
        """Adds a secret that somebody typed in, where it is long enough to be looked for."""
        self._typed[variable] = secret
        if may_spread(secret):
            self._known[secret] = variable

    def found_in(self, text: str, name: str) -> list[str]:
        """The secrets in a text that is given to `name`, the longest first."""
        return secrets_of(text, name, self.secrets)

    def variable(self, secret: str, name: str, callee: str, target: str) -> str:
        """The variable for a secret; another secret in the same place (a cell that was edited) has the same one."""
        if secret not in self._variables:
            place = (name, callee, target)
            wanted = self._known.get(secret) or variable_of(secret, name, callee)
            variable, number = wanted, 1
            while self._places.get(variable, place) != place:
                number += 1
                variable = f"{wanted}_{number}"
            self._places[variable] = place
            self._variables[secret] = variable
        return self._variables[secret]

    def without(self, text: str) -> str:
        """A text with `***` in place of every secret."""
        return scrubbed(text, self.secrets)
