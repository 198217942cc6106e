"""Why a statement is part of the worker, or is not: the way from the handler to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from rp_notebook.errors import BadInput
from rp_notebook.export.magics import magic_of
from rp_notebook.export.overrides import override
from rp_notebook.export.result import ExportResult
from rp_notebook.export.slicing import Dropped, Kept
from rp_notebook.export.trees import tree_of

HEAD = 60  # characters of a statement that are shown
KEPT, DROPPED = "+", "-"

_MODULE_LINE = re.compile(r"(?:handler\.py:)?(\d+)")


@dataclass(frozen=True)
class Explained:
    """A statement, and what leads to it: from the handler itself down to what is asked for, each with its reason."""

    statement: Kept | Dropped
    way: tuple[Kept, ...] = ()


def explained(result: ExportResult, asked: str) -> tuple[Explained, ...]:
    """What there is to say about `12` (a line of handler.py), `In[7]`, `In[7-9]` or a name, in the order it ran.

    Raises `BadInput` for a line that is our own, and for a cell or a name that has no statement.
    """
    line = _MODULE_LINE.fullmatch(asked)
    found = [_at(result, int(line[1]))] if line is not None else list(_of(result, asked))
    if not found:
        raise BadInput(f"no statement is of {asked}: %runpod why without a word lists them all")
    by_position = {kept.position: kept for kept in result.kept if kept.position >= 0}
    return tuple(Explained(each, _way(each, by_position) if isinstance(each, Kept) else ()) for each in found)


def listed(result: ExportResult) -> tuple[Explained, ...]:
    """Every statement, kept or dropped, in the order in which it ran."""
    statements: list[Kept | Dropped] = sorted([*result.kept, *result.dropped], key=lambda each: each.position)
    return tuple(Explained(each) for each in statements)


def lines_of(explained: Sequence[Explained]) -> list[str]:
    """The text of explanations: a line each, or the way to it, one step deeper each."""
    found = []
    for each in explained:
        statement = each.statement
        if isinstance(statement, Dropped):
            found.append(f"{DROPPED} {place(statement)}: {head(statement)}  ({statement.reason})")
        elif not each.way:
            found.append(f"{KEPT} {place(statement)}: {head(statement)}  ({statement.reason})")
        for depth, step in enumerate(each.way):
            sign = KEPT if step is statement else " "
            found.append(f"{sign} {'  ' * depth}{place(step)}: {head(step)}  ({step.reason})")
    return found


def place(statement: Kept | Dropped) -> str:
    """Where a statement stands, as a person would look for it."""
    if not statement.cell:
        return "in no cell"
    last = f"-{statement.last_line}" if statement.last_line > statement.line else ""
    return f"In[{statement.cell}] line {statement.line}{last}"


def head(statement: Kept | Dropped) -> str:
    """The first line of a statement that says something."""
    lines = [line.strip() for line in _typed(statement.text).split("\n")]
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return first if len(first) <= HEAD else first[: HEAD - 1] + "…"


def _typed(text: str) -> str:
    """A command of IPython as a person types it; any other statement as it is."""
    try:
        command = magic_of(tree_of(text).body[0]) if text.startswith("get_ipython()") else None
    except SyntaxError:
        return text
    if command is None:
        return text
    return f"!{command[1]}" if command[0] == "!" else f"%{command[0]} {command[1]}".rstrip()


def _at(result: ExportResult, number: int) -> Kept:
    if not 1 <= number <= len(result.lines):
        raise BadInput(f"handler.py would have {len(result.lines)} lines; a cell is asked for as In[{number}]")
    source = result.lines[number - 1]
    text = result.module.split("\n")[number - 1].strip()
    for kept in result.kept:
        if source is not None and (kept.cell, source[1] in kept.numbers) == (source[0], True):
            return kept
    for kept in result.kept:  # a value that was frozen stands in no cell
        if not kept.cell and kept.text.strip() == text:
            return kept
    raise BadInput(f"line {number} of handler.py is our own: {text or 'an empty line'}")


def _of(result: ExportResult, asked: str) -> Iterator[Kept | Dropped]:
    wanted = override(asked, "")
    for each in listed(result):
        statement = each.statement
        if wanted.name:
            met = any(fnmatchcase(name, wanted.name) for name in statement.touches)
        else:
            met = wanted.first <= statement.cell <= wanted.last
        if met:
            yield statement


def _way(kept: Kept, by_position: dict[int, Kept]) -> tuple[Kept, ...]:
    way = [kept]
    while way[0].asked_by is not None and way[0].asked_by in by_position:
        way.insert(0, by_position[way[0].asked_by])
    return tuple(way)
