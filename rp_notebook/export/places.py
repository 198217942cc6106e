"""Where a notebook's relative paths lead: its folder, the directory of each cell, and where imports were searched."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from rp_notebook.export.cells import CellRun, python_of
from rp_notebook.export.magics import command_in, peeled
from rp_notebook.export.trees import tree_of


@dataclass(frozen=True)
class Places:
    """Folders of this machine. `base` is the notebook's; `of_cell` are those that a cell may have run in, by number;
    `last` are those that functions run in when a job calls them.
    """

    base: Path
    of_cell: Mapping[int, tuple[str, ...]]
    last: tuple[str, ...]

    def found_from(self, cell: int, *, later: bool) -> tuple[str, ...]:
        """The folders that a relative path of a cell's code may begin at, the likeliest first."""
        own = self.of_cell.get(cell, ())
        return tuple(dict.fromkeys([*(self.last if later else ()), *own, str(self.base)]))

    @property
    def all(self) -> tuple[str, ...]:
        """Every folder that was the working directory, the latest first."""
        return tuple(dict.fromkeys([*self.last, *(f for own in reversed(list(self.of_cell.values())) for f in own)]))


def places_of(cells: Sequence[CellRun], folder: Path | None) -> Places:
    """The places of executed cells; `folder` is the notebook's where no cell says it."""
    known = [cell.cwd for cell in cells if cell.cwd]
    base = Path(known[0] if known else folder or Path.cwd())
    of_cell: dict[int, tuple[str, ...]] = {}
    before = str(base)
    for cell in cells:
        # A record has the directory at the cell's end: what stands before a %cd in it still ran in the one before.
        after = cell.cwd or before
        of_cell[cell.number] = tuple(dict.fromkeys((after, before)))
        before = after
    return Places(base, MappingProxyType(of_cell), (before,))


def walked(cells: Sequence[CellRun]) -> tuple[CellRun, ...]:
    """The cells of a notebook that was not run, each with the directory that the `%cd` lines above lead to."""
    found: list[CellRun] = []
    now = cells[0].cwd if cells else ""
    for cell in cells:
        if "cd " in cell.text or "chdir" in cell.text:
            for target in _entered(cell.text):
                now = os.path.normpath(Path(now) / os.path.expanduser(target))  # noqa: PTH111 (a text, as the shell has it)
        found.append(replace(cell, cwd=now))
    return tuple(found)


def _entered(text: str) -> list[str]:
    try:
        tree = tree_of(python_of(peeled(text)[1]))
    except (SyntaxError, ValueError):
        return []
    found = []
    for node in tree.body:
        call = node.value if isinstance(node, ast.Expr) else None
        command = command_in(call) if call is not None else None
        if command is not None and command[0] == "cd":
            words = [word for word in command[1].split() if not word.startswith("-")]
            found += [" ".join(words).strip("'\"")] if words else []
        elif isinstance(call, ast.Call) and ast.unparse(call.func).endswith("chdir") and call.args:
            value = call.args[0]
            found += [value.value] if isinstance(value, ast.Constant) and isinstance(value.value, str) else []
    return found
