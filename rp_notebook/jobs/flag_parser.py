"""How the flags of a command are read, told and completed."""

from __future__ import annotations

import argparse
from typing import NamedTuple, NoReturn

from rp_notebook.errors import BadDeclaration, meant


class Taken(NamedTuple):
    """What a flag, or a place without one, takes: its name, what the help calls it, and the only values, if named."""

    dest: str
    metavar: str
    choices: tuple[str, ...]


class FlagParser(argparse.ArgumentParser):
    """An argument parser that never ends the process: a mistake is a `BadDeclaration` with the usage in it."""

    def error(self, message: str) -> NoReturn:
        words = message.replace(":", " ").split()
        flags = [flag for flag in self.spelled if flag not in words]
        hints = [hint for word in words if word.startswith("--") and (hint := meant(word, flags))]
        raise BadDeclaration(f"{'; '.join([message, *hints])} ({' '.join(self.format_usage().split())})")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            said = filter(None, (error.message, meant(str(value), map(str, action.choices or ()))))
            raise argparse.ArgumentError(action, "; ".join(said)) from None

    @property
    def spelled(self) -> list[str]:
        """Every flag in its long form."""
        return [name for name in self._option_string_actions if name.startswith("--")] + ["--help"]

    @property
    def positional(self) -> Taken | None:
        """What stands without a flag."""
        return next((_taken(action) for action in self._actions if not action.option_strings), None)

    def taken_after(self, word: str) -> Taken | None:
        """What follows this flag; None where it takes nothing, or is none."""
        action = self._option_string_actions.get(word)
        return None if action is None or action.nargs == 0 else _taken(action)


def _taken(action: argparse.Action) -> Taken:
    return Taken(action.dest, str(action.metavar or ""), tuple(map(str, action.choices or ())))
