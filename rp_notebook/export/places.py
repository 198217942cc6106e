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
    `last` are those that functions run in when a job calls them; `ran` says whether the cells ran here.
    """

    base: Path
    of_cell: Mapping[int, tuple[str, ...]]
    last: tuple[str, ...]
    ran: bool = True

    def found_from(self, cell: int, *, later: bool) -> tuple[str, ...]:
        """The folders that a relative path of a cell's code may begin at, the likeliest first."""
        own = self.of_cell.get(cell, ())
        return tuple(dict.fromkeys([*(self.last if later else ()), *own, str(self.base)]))

    @property
    def all(self) -> tuple[str, ...]:
        """Every folder that was the working directory, the latest first."""
        return tuple(dict.fromkeys([*self.last, *(f for own in reversed(list(self.of_cell.values())) for f in own)]))


def places_of(cells: Sequence[CellRun], folder: Path | None, *, ran: bool = True) -> Places:
    """The places of cells; `folder` is the notebook's where no cell says it, or where none of them `ran`."""
    known = [cell.cwd for cell in cells if cell.cwd]
    base = Path(known[0] if known and (ran or folder is None) else folder or Path.cwd())
    of_cell: dict[int, tuple[str, ...]] = {}
    before = str(base)
    for cell in cells:
        # A record has the directory at the cell's end: what stands before a %cd in it still ran in the one before.
        after = cell.cwd or before
        of_cell[cell.number] = tuple(dict.fromkeys((after, before)))
        before = after
    return Places(base, MappingProxyType(of_cell), (before,), ran)


def walked(cells: Sequence[CellRun]) -> tuple[CellRun, ...]:
    """The cells of a notebook that was not run, each with the directory that the `%cd` lines above lead to."""
    found: list[CellRun] = []
    now = cells[0].cwd if cells else ""
    noted: dict[str, str] = {}  # names that were given the directory, as it was then
    for cell in cells:
        for node in _statements(cell.text) if "cd " in cell.text or "dir" in cell.text or "cwd" in cell.text else ():
            if isinstance(node, ast.Assign) and ast.unparse(node.value).endswith(("getcwd()", "Path.cwd()")):
                noted |= {target.id: now for target in node.targets if isinstance(target, ast.Name)}
            target = _entered(node, noted)
            if target is not None:
                now = os.path.normpath(Path(now) / os.path.expanduser(target))  # noqa: PTH111 (a text, as the shell has it)
        found.append(replace(cell, cwd=now))
    return tuple(found)


def _statements(text: str) -> Sequence[ast.stmt]:
    try:
        return tree_of(python_of(peeled(text)[1])).body
    except (SyntaxError, ValueError):
        return ()


def _entered(node: ast.stmt, noted: Mapping[str, str]) -> str | None:
    """The directory that a statement goes to."""
    call = node.value if isinstance(node, ast.Expr) else None
    command = command_in(call) if call is not None else None
    if command is not None and command[0] == "cd":
        words = [word for word in command[1].split() if not word.startswith("-")]
        return " ".join(words).strip("'\"") if words else None
    if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("chdir") and call.args:
        match call.args[0]:
            case ast.Constant(value=str() as text):
                return text
            case ast.Name(id=name):
                return noted.get(name)
    return None
