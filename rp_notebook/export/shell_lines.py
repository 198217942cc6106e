"""The shell commands of a notebook: `!` lines, line magics that are commands, and cells for a shell."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rp_notebook.export.cells import CellRun
from rp_notebook.export.magics import command_in
from rp_notebook.export.slicing import Dropped, Kept
from rp_notebook.export.tables import AUTOMAGICS
from rp_notebook.export.trees import walk

_SHELL_CELLS = frozenset({"bash", "sh", "script", "!", "sx", "system", "capture", "time"})
_SHELL_MAGICS = frozenset({"system", "sx", "!"})
_ENDS = frozenset(";&|()")
_WRAPPERS = frozenset({"sudo", "time", "nohup", "env", "exec", "command", "yes"})
_ASSIGNED = re.compile(r"\w+=\S*")
_NAMES = re.compile(r"\{(\w+)\}|\$\{?(\w+)\}?")


@dataclass(frozen=True)
class Command:
    """One command: its words, and the execution count of its cell. `outputs` are the files that it was sent to."""

    cell: int
    words: tuple[str, ...]
    outputs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What runs."""
        return self.words[0].rpartition("/")[2]

    @property
    def text(self) -> str:
        """The command as one line."""
        return shlex.join(self.words)


def commands_of(
    cells: Sequence[CellRun], statements: Iterable[Kept | Dropped], values: Mapping[str, str]
) -> tuple[Command, ...]:
    """The commands of a notebook, by cell; `values` are the variables that may stand in them as `{name}`."""
    found: list[Command] = []
    for statement in statements:
        if "get_ipython()" in statement.text:
            found += [c for text in _in_statement(statement.text) for c in _split(text, statement.cell, values)]
    for cell in cells:
        # In blocks they are no statements of their own.
        lines = [line.strip() for line in cell.text.splitlines() if line[:1].isspace() and line.strip().startswith("!")]
        found += [command for line in lines for command in _split(line[1:], cell.number, values)]
        if cell.text.lstrip().startswith("%%"):
            found += [c for text in _in_cell(cell.text) for c in _split(text, cell.number, values)]
    return tuple(sorted(found, key=lambda command: command.cell))


def _in_statement(text: str) -> Iterator[str]:
    try:
        tree = ast.parse(text)
    except SyntaxError:  # it stood in a block
        return
    for node in walk(tree):
        command = command_in(node) if isinstance(node, ast.Call) else None
        if command is not None and command[0] in _SHELL_MAGICS:
            yield command[1]
        elif command is not None and command[0] in AUTOMAGICS:
            yield " ".join(command)


def _in_cell(text: str) -> Iterator[str]:
    first, _, body = text.lstrip().partition("\n")
    if first[2:].split()[:1] and first[2:].split()[0] in _SHELL_CELLS - {"capture", "time"}:
        yield body


def _split(text: str, cell: int, values: Mapping[str, str]) -> Iterator[Command]:
    filled = _NAMES.sub(lambda found: values.get(found[1] or found[2], found[0]), text.replace("\\\n", " "))
    for line in filled.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        lexer.commenters = ""
        try:
            words = list(lexer)
        except ValueError:  # an open quote: a text over several lines
            continue
        comment = next((n for n, word in enumerate(words) if word.startswith("#")), len(words))
        yield from _commands(words[:comment], cell)


def _commands(words: list[str], cell: int) -> Iterator[Command]:
    now: list[str] = []
    outputs: list[str] = []
    is_output = False
    for word in [*words, ";"]:
        if word and set(word) <= _ENDS:
            while now and (now[0] in _WRAPPERS or _ASSIGNED.fullmatch(now[0])):
                del now[0]
            if now:
                yield Command(cell, tuple(now), tuple(outputs))
            now, outputs, is_output = [], [], False
        elif set(word) <= set("<>&"):
            is_output = ">" in word
        elif is_output:
            outputs.append(word)
            is_output = False
        else:
            now.append(word)
