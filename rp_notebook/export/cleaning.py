"""The history as a worker can run it: without secrets, without questions to a person, without what only shows things.

This comes before anything is decided: what is left out here is not there to be needed, and what is rewritten is read
by the slicer as it will be written.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from rp_notebook.export.asking import Question, asks_inside, environment_setters, login, questions, typed, widgets_of
from rp_notebook.export.cells import CellRun
from rp_notebook.export.comments import running_texts, without_named_secrets
from rp_notebook.export.givings import ENVIRONMENT, imports_of
from rp_notebook.export.inlining import inlined
from rp_notebook.export.magics import magic_of
from rp_notebook.export.notebook_only import without_showing
from rp_notebook.export.replacing import Found, edits_of, secret_texts
from rp_notebook.export.splicing import Edit, retold, spliced
from rp_notebook.export.statements import History, Statement
from rp_notebook.export.surroundings import is_of_the_machine, magic_setting, only_sets
from rp_notebook.export.tables import RUNTIME_ENV
from rp_notebook.export.trees import walk
from rp_notebook.export.vault import Vault
from rp_notebook.jobs.finding import Finding, Severity
from rp_notebook.jobs.masking import may_hold_secrets

_ASKS = re.compile(r"input\s*\(|getpass|askpass|pwinput|userdata|get_secret|login|mount\(|upload\(|prompt|Prompt")
_LONG_TEXT = re.compile(r"""["'][A-Za-z0-9+/=_-]{24,200}["']""")


@dataclass(frozen=True)
class Cleaned:
    """The history without what a worker cannot have; the rest is by the position of a statement in it.

    `findings` are what was done to a statement, `left_out` why one can never be part of a worker, `wanted` the
    variables that one set, which the endpoint has to set now, and `settings` those for the Dockerfile.
    """

    history: History
    findings: Mapping[int, tuple[Finding, ...]]
    left_out: Mapping[int, str]
    wanted: Mapping[int, tuple[str, ...]]
    settings: Mapping[str, str]


def cleaned(history: History, vault: Vault, values: Mapping[str, object] = MappingProxyType({})) -> Cleaned:
    """Cleans the statements of a history; `vault` comes to hold the secrets that stood in them.

    `values` are the kernel's: what somebody typed is a secret, too.
    """
    work = _Work(history.statements, vault, values)
    for place in range(len(history.statements)):
        work.collect(place)
    for place in range(len(history.statements)):
        work.clean(place)
    statements, readers = inlined(work.statements, work.answers)
    for place, reader in readers.items():
        work.note(reader, *work.findings.pop(place, ()))
    shift = int(any(ENVIRONMENT in s.text for s in work.changed()))
    if shift:
        cell = CellRun(0, "import os")
        node = ast.parse(cell.text).body[0]
        assert isinstance(node, ast.Import)
        first = Statement(0, cell, node, cell.text, (0,), 0, alias=node.names[0])
        moved = (replace(s, position=s.position + 1, unit=s.unit + 1) for s in statements)
        statements = [first, *moved]
    return Cleaned(
        replace(history, statements=tuple(statements)),
        {place + shift: tuple(found) for place, found in work.findings.items()},
        {place + shift: why for place, why in work.left_out.items()},
        {place + shift: names for place, names in work.wanted.items()},
        work.settings,
    )


class _Work:
    """The cleaning of one history, a statement at a time."""

    def __init__(self, statements: Sequence[Statement], vault: Vault, values: Mapping[str, object]) -> None:
        self.original = statements
        self.values = values
        self.statements = list(statements)
        self.vault = vault
        self.imports = imports_of(s.node for s in statements if "import" in s.text)
        self.own = frozenset(s.node.name for s in statements if isinstance(s.node, ast.FunctionDef | ast.ClassDef))
        self.widgets = widgets_of(statements, self.imports) if "ipywidgets" in str(self.imports.values()) else {}
        self.setters = environment_setters((s.node for s in statements if "environ" in s.text), self.imports)
        self.findings: dict[int, list[Finding]] = {}
        self.left_out: dict[int, str] = {}
        self.wanted: dict[int, tuple[str, ...]] = {}
        self.settings: dict[str, str] = {}
        self.answers: dict[int, Question] = {}
        self.suspects: set[int] = set()

    def changed(self) -> Iterator[Statement]:
        return (new for new, old in zip(self.statements, self.original, strict=True) if new is not old)

    def collect(self, place: int) -> None:
        """Puts the secrets of a statement into the vault, so that they are known wherever else they stand."""
        statement = self.statements[place]
        if not may_hold_secrets(statement.text, self.vault.secrets) and not _LONG_TEXT.search(statement.text):
            return
        self.suspects.add(place)
        if (magic := magic_of(statement.node)) is not None:
            for key, value in magic_setting(magic).items():
                for secret in self.vault.found_in(value, key):
                    self.vault.variable(secret, key, "", "")
            return
        secret_texts(statement.node, self.imports, self.vault, frozenset())

    def clean(self, place: int) -> None:
        statement = self.statements[place]
        if (magic := magic_of(statement.node)) is not None:
            self._clean_magic(place, magic)
            return
        if statement.alias is None or "tqdm" in statement.text:
            self.statements[place], found = without_showing(statement, self.imports, self.own)
            self.note(place, *found)
        asked = self._asked(place)
        skip = frozenset(id(part) for one in asked for part in walk(one.node))
        secrets = self._secrets(place, skip)
        hidden = {id(one.node) for one in asked} | {id(one.node) for one in secrets}
        keys = only_sets(self.statements[place].node, self.imports, hidden, self.setters)
        if keys or self._logs_in(place):
            self._leave_out(place, keys)
        elif asked or secrets:
            self._rewrite(place, asked, secrets)
        self._scrub(place)

    def _asked(self, place: int) -> list[Question]:
        statement = self.statements[place]
        if not (self.widgets and ".value" in statement.text) and not _ASKS.search(statement.text):
            return []
        for call in asks_inside(statement.node, self.imports, self.own):
            message = f"`{ast.unparse(call)}` asks a person, and nobody answers in a worker"
            line = statement.numbers[call.lineno - 1]
            fix = "read it from the job's input or the environment"
            self.note(place, Finding("RPS120", "warning", message, fix, statement.cell.number, line))
        return questions(statement, self.imports, self.widgets, self.own)

    def _secrets(self, place: int, skip: frozenset[int]) -> list[Found]:
        statement = self.statements[place]
        if not self._may_hold(place):
            return []
        return secret_texts(statement.node, self.imports, self.vault, skip)

    def _logs_in(self, place: int) -> bool:
        node = self.statements[place].node
        return isinstance(node, ast.Expr) and login(node, self.imports) is not None

    def _leave_out(self, place: int, keys: tuple[str, ...]) -> None:
        if not keys:
            variable = login(self.statements[place].node, self.imports)
            keys = (variable,) if variable else ()
            message = "a login that asks a person is left out"
            code = "RPS120"
        else:
            message, code = f"a secret is set in {', '.join(keys)}; it is left out", "RPS121"
        self.left_out[place] = (
            f"{'sets a secret' if code == 'RPS121' else 'asks a person'}: the endpoint's variables do it"
        )
        self.wanted[place] = keys
        fix = f"set {', '.join(keys)} on the endpoint" if keys else "a worker needs another way to these files"
        self.note(place, self._finding(place, code, "warning", message, fix))
        self._rewrite_quietly(place)

    def _rewrite_quietly(self, place: int) -> None:
        # Nobody will read this but in a report: it only has to be without the secret.
        statement = self.statements[place]
        self.statements[place] = retold(statement, self.vault.without(statement.text))

    def _rewrite(self, place: int, asked: Sequence[Question], secrets: list[Found]) -> None:
        statement = self.statements[place]
        edits: list[Edit] = [(one.node, one.text) for one in asked]
        variables = sorted({variable for one in secrets for variable in one.variables.values()})
        try:
            edits += edits_of(secrets, statement.text, len(statement.indent))
            self.statements[place] = spliced(statement, edits)
        except SyntaxError:
            self._refuse(place)
            return
        for one in asked:
            kind = "secret" if one.secret else "value"
            message = f"a {kind} that was typed in or chosen becomes the variable {one.variable}"
            self.note(place, self._finding(place, "RPS120", "warning", message, f"set {one.variable} on the endpoint"))
            for value in typed(statement.node, one, self.values):
                self.vault.know(value, one.variable)
        if len(asked) == 1 and not secrets:
            self.answers[place] = asked[0]
        if variables:
            message = f"a secret in the code becomes the variable {', '.join(variables)}"
            fix = f"set {', '.join(variables)} on the endpoint"
            self.note(place, self._finding(place, "RPS121", "warning", message, fix))

    def _scrub(self, place: int) -> None:
        """Masks what is left: comments, docstrings, and secrets where nothing else can stand."""
        statement = self.statements[place]
        if not self._may_hold(place):
            return
        text = self.vault.without(without_named_secrets(statement))
        if text == statement.text:
            return
        changed = retold(statement, text)
        if running_texts(changed.node) != running_texts(statement.node):
            self._refuse(place)
        self.statements[place] = changed

    def _refuse(self, place: int) -> None:
        message = "a secret stands where no variable can stand instead"
        self.note(place, self._finding(place, "RPS121", "error", message, "read it from os.environ in the cell"))

    def _clean_magic(self, place: int, magic: tuple[str, str]) -> None:
        statement = self.statements[place]
        for key, value in magic_setting(magic).items():
            if self.vault.found_in(value, key):
                self._leave_out(place, (key,))
                return
            if is_of_the_machine(key):
                self.left_out[place] = "says something of this machine only"
            elif key.startswith(RUNTIME_ENV) and not self._is_read(key):
                self.left_out[place] = "is set in the Dockerfile"
                self.settings[key] = value
            else:
                self.statements[place] = retold(statement, f"os.environ[{key!r}] = {value!r}")
            return
        self._rewrite_quietly(place)

    def _is_read(self, key: str) -> bool:
        return any(key in s.text for s in self.original if magic_of(s.node) is None)

    def _may_hold(self, place: int) -> bool:
        text = self.statements[place].text
        return place in self.suspects or any(secret in text for secret in self.vault.secrets)

    def _finding(self, place: int, code: str, severity: Severity, message: str, fix: str) -> Finding:
        statement = self.statements[place]
        return Finding(code, severity, message, fix, statement.cell.number, statement.line)

    def note(self, place: int, *found: Finding) -> None:
        if found:
            self.findings.setdefault(place, []).extend(found)
