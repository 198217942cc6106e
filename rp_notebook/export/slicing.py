"""The statements that a handler needs, out of everything that ran."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Sequence
from dataclasses import dataclass

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.statements import Statement, statements
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.finding import Finding

KNOWN = frozenset({*dir(builtins), "__name__", "__file__", "__doc__"})
NOTEBOOK_NAMES = frozenset({"get_ipython", "display", "In", "Out", "exit", "quit"})
END = 10**9


@dataclass(frozen=True)
class Kept:
    """A statement of the slice, with why it is needed; lines count from 1 in its cell."""

    cell: int
    cell_id: str | None
    first: int
    last: int
    text: str
    reason: str
    node: ast.stmt


@dataclass(frozen=True)
class Dropped:
    """A statement that is not needed, with why."""

    cell: int
    cell_id: str | None
    first: int
    last: int
    text: str
    reason: str


@dataclass(frozen=True)
class Slice:
    """What is kept, in execution order, what is dropped, and what there is to say."""

    kept: tuple[Kept, ...]
    dropped: tuple[Dropped, ...]
    findings: tuple[Finding, ...] = ()


def slice_cells(cells: Sequence[CellRun], declaration: Declaration) -> Slice:
    """The slice of `declaration`'s handler. Raises `ExportRefused` for a name that nothing defines."""
    ran = statements(cells, declaration.function)
    config = ast.parse(declaration.start_config, mode="eval")
    roots = {node.id for node in ast.walk(config) if isinstance(node, ast.Name)} - KNOWN
    demand = _Demand(ran, declaration.function)
    for name in sorted(roots - {"current"}):
        demand.name(name, END, f"is what `{declaration.name}` is started with")
    demand.settle()
    if demand.refusals:
        raise ExportRefused(demand.refusals)
    kept, dropped = [], []
    for at, each in enumerate(ran):
        place = (each.cell.number, each.cell.cell_id, each.first, each.last, each.text)
        if at in demand.kept:
            kept.append(Kept(*place, demand.kept[at], each.node))
        else:
            dropped.append(Dropped(*place, each.problem or "nothing that the handler needs comes from it"))
    return Slice(tuple(kept), tuple(dropped))


class _Demand:
    """The work list: names that are needed at a position, until nothing is added."""

    def __init__(self, ran: Sequence[Statement], function: str) -> None:
        self._ran = ran
        self._function = function
        self._asked: set[tuple[str, int]] = set()
        self._names: dict[str, int] = {}
        self.kept: dict[int, str] = {}
        self.refusals: list[Finding] = []

    def name(self, name: str, before: int, why: str, at: Statement | None = None) -> None:
        if (name, before) in self._asked or name in KNOWN:
            return
        self._asked.add((name, before))
        self._names[name] = max(self._names.get(name, 0), before)
        found = False
        for index in range(min(before, len(self._ran)) - 1, -1, -1):
            each = self._ran[index]
            if name not in each.defines or each.problem is not None:
                continue
            self._keep(index, why)
            found = True
            if each.certain and not _same_package(each.node):
                break
        if not found:
            self._refuse(name, at)

    def settle(self) -> None:
        """Adds the statements that change what is needed, until there are no more."""
        before = -1
        while before != len(self.kept):
            before = len(self.kept)
            for index, each in enumerate(self._ran):
                if index in self.kept or each.problem is not None:
                    continue
                touched = sorted(name for name in each.changes if self._names.get(name, 0) > index)
                if touched and any(self._defined_before(name, index) for name in touched):
                    self._keep(index, f"changes `{touched[0]}`")

    def _defined_before(self, name: str, index: int) -> bool:
        return any(name in self._ran[at].defines for at in self.kept if at < index)

    def _keep(self, index: int, why: str) -> None:
        if index in self.kept:
            return
        each = self._ran[index]
        self.kept[index] = why
        label = next(iter(sorted(each.defines)), "a statement")
        for name in sorted(each.needs - {""}):
            if name not in each.defines or self._is_bound_before(name, index):
                self.name(name, index, f"is used by `{label}`", each)
        for name in sorted(each.later):
            self.name(name, END, f"is used by `{label}()`", each)

    def _is_bound_before(self, name: str, index: int) -> bool:
        return any(name in each.defines for each in self._ran[:index])

    def _refuse(self, name: str, at: Statement | None) -> None:
        cell, line = (at.cell.number, at.first) if at is not None else (None, None)
        if name in NOTEBOOK_NAMES:
            message, fix = f"`{name}` exists only in a notebook", "take it out of the handler and what it calls"
            self.refusals.append(Finding("RPS110", "error", message, fix, cell, line))
            return
        opaque = next((each for each in self._ran if name in each.defines), None)
        if opaque is not None:
            message, fix = f"`{name}` comes from {opaque.problem}", "give it a plain Python value in a cell"
            self.refusals.append(Finding("RPS112", "error", message, fix, opaque.cell.number, opaque.first))
            return
        message, fix = f"no cell defines `{name}`", "define it in a cell, or run the cell that does"
        self.refusals.append(Finding("RPS109", "error", message, fix, cell, line))


def _same_package(node: ast.stmt) -> bool:
    """`import a.b` binds `a` and hides no other part of it."""
    return isinstance(node, ast.Import) and any("." in alias.name and not alias.asname for alias in node.names)
