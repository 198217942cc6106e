"""Where a notebook's relative paths lead: its folder, the directory of each cell, and where imports were searched."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from rp_notebook.export.cells import CellRun, python_of
from rp_notebook.export.magics import command_in, peeled
from rp_notebook.export.paths import Scope
from rp_notebook.export.slicing import Dropped, Kept


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
        tree = ast.parse(python_of(peeled(text)[1]))
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


def is_search_path(node: ast.stmt) -> ast.Call | None:
    """The call of a statement that only adds folders to `sys.path`."""
    call = node.value if isinstance(node, ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
        adds = call.func.attr in ("append", "insert", "extend") and ast.unparse(call.func.value) == "sys.path"
        if adds or ast.unparse(call.func) in ("site.addsitedir",):
            return call
    return None


def searched(statements: Iterable[Kept | Dropped], scope: Scope, places: Places) -> tuple[str, ...]:
    """The folders that statements, kept or not, added to the search path of imports, the first to be searched first."""
    first: list[str] = []
    last: list[str] = []
    for statement in statements:
        if "sys.path" not in statement.text and "addsitedir" not in statement.text:
            continue
        try:
            body = ast.parse(statement.text).body
        except SyntaxError:  # it stood in a block
            continue
        for call in [
            c
            for node in body
            for inner in ast.walk(node)
            if isinstance(inner, ast.stmt)
            for c in [is_search_path(inner)]
            if c
        ]:
            given = [
                item for arg in call.args for item in (arg.elts if isinstance(arg, ast.List | ast.Tuple) else [arg])
            ]
            for text in (t.text for item in given for t in scope.texts(item) if t.whole):
                at = places.found_from(statement.cell, later=False)
                folders = [os.path.normpath(Path(cwd) / text) for cwd in at]
                found = next((f for f in folders if Path(f).is_dir()), None)
                if found is not None:
                    (first if ast.unparse(call.func).endswith("insert") else last).append(found)
    return tuple(dict.fromkeys([*reversed(first), *last]))
