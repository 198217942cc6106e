"""From executed cells to the statements that a handler needs, each with the reason."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.cleaning import Cleaned, cleaned
from rp_notebook.export.declarations import declarations
from rp_notebook.export.demand import Demand
from rp_notebook.export.diagnoses import problems, remarks
from rp_notebook.export.early import done_without
from rp_notebook.export.frozen_names import Freezer
from rp_notebook.export.live import Live, sourceless
from rp_notebook.export.narrowing import narrowed, spelled
from rp_notebook.export.outputs import without_history
from rp_notebook.export.overrides import NO_OVERRIDES, Overrides, override_findings
from rp_notebook.export.plan import NEEDED, Plan
from rp_notebook.export.project import NO_PROJECT, Project
from rp_notebook.export.rereading import history_of
from rp_notebook.export.settling import Asked
from rp_notebook.export.surroundings import Surroundings, surroundings
from rp_notebook.export.timeline import Fact
from rp_notebook.export.training import stops
from rp_notebook.export.vault import Vault
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.finding import Finding


@dataclass(frozen=True)
class Kept:
    """A statement that the worker needs.

    `cell` is the execution count (0: it stands in no cell), `line` and `last_line` its lines in the cell, from 1;
    `text` is what goes into the module, `numbers` the line in the cell of each line of it. `guarded` ones run only in
    the worker itself, under `if __name__ == "__main__":`, and stood there with `indent` before them. `position` is
    when it ran among all statements, `asked_by` the position of the one that needs it (None: the worker itself),
    `touches` the variables that it binds or changes. A `sure` one is needed; the others only may change what is.
    """

    cell: int
    cell_id: str | None
    line: int
    last_line: int
    text: str
    reason: str
    numbers: tuple[int, ...] = ()
    guarded: bool = False
    indent: str = ""
    position: int = -1
    asked_by: int | None = None
    touches: frozenset[str] = frozenset()
    sure: bool = True


@dataclass(frozen=True)
class Dropped:
    """A statement that the worker does not need, and why; fields as in `Kept`."""

    cell: int
    cell_id: str | None
    line: int
    last_line: int
    text: str
    reason: str
    position: int = -1
    touches: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Slice:
    """What a handler needs of a notebook, in the order of execution, and what there is to say about it.

    `files` hold values that the statements read, `unread` are names in branches that the kernel did not take.
    """

    kept: tuple[Kept, ...]
    dropped: tuple[Dropped, ...]
    findings: tuple[Finding, ...]
    surroundings: Surroundings
    files: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    unread: frozenset[str] = frozenset()


def slice_cells(
    cells: Sequence[CellRun],
    declaration: Declaration,
    live: Live | None = None,
    vault: Vault | None = None,
    *,
    plan: Plan = NEEDED,
    overrides: Overrides = NO_OVERRIDES,
    project: Project = NO_PROJECT,
) -> Slice:
    """The statements that a declared handler needs. Nothing is run; `live` adds what the kernel knows.

    `vault` comes to hold the secrets that stood in the cells, `plan` says how much is taken, `overrides` are statements
    to keep or to leave out, `project` has more names for the tables. Raises `ExportRefused` with the findings when the
    worker would be wrong: a needed name that no cell defines, that only IPython has, that comes from a magic, that was
    left out, or that comes from a statement that failed, and whose value cannot be written.
    """
    vault = vault or Vault(live.secrets if live is not None else {})
    history, told = without_history(history_of(cells), live.out if live is not None else None)
    clean = cleaned(history, vault, live.namespace if live is not None else {})
    overrides += project.overrides
    freezer = Freezer(plan, live, declaration.function, vault)
    handlers = _handlers(cells, declaration)
    later: Cleaned | None = clean
    while later is not None:  # each name whose value is written asks for less, or for other names
        clean = later
        first, demand = Asked(clean, declaration, handlers, live, overrides, project, plan, freezer).settled()
        imports = sourceless(demand, live)
        later = freezer.next_history(clean, first, demand)
    facts = demand.timeline.facts
    said = [*override_findings(demand, overrides, first.timeline.facts), *stops(demand, plan, freezer.can)]
    said += [f for place in sorted({*demand.kept, *clean.left_out}) for f in clean.findings.get(place, ())]
    refused = [*problems(demand, clean.history, live, freezer.unwritten), *(f for f in said if f.severity == "error")]
    refused += freezer.refusals(refused)
    if refused:
        raise ExportRefused(_told(refused, vault))
    kept = [facts[place] for place in sorted(demand.kept)]
    findings = [*told, *freezer.findings(kept), *said, *remarks(demand, demand.timeline.program, declaration)]
    own = [_kept(fact, demand) for fact in kept]
    joined = narrowed(own, [fact.statement.unit for fact in kept], kept, demand.through_star)
    prelude = tuple(Kept(0, None, 0, 0, text, reason, (0,) * (text.count("\n") + 1)) for text, reason in imports)
    around = surroundings(clean.wanted, clean.settings, kept)
    dropped, said = _dropped(first, set(demand.kept)), _told(dict.fromkeys(findings), vault)
    unread = done_without(demand, live)
    return Slice((*prelude, *joined), dropped, tuple(said), around, freezer.files(kept), unread)


def _told(findings: Iterable[Finding], vault: Vault) -> list[Finding]:
    return [replace(finding, message=vault.without(finding.message)) for finding in findings]


def _handlers(cells: Sequence[CellRun], declaration: Declaration) -> set[str]:
    known = [*declarations(cells).values(), declaration]
    return {d.function for d in known if d.function.isidentifier()}


def _kept(fact: Fact, demand: Demand) -> Kept:
    s, position = fact.statement, fact.position
    place = (s.cell.number, s.cell.cell_id, s.line, s.last_line)
    return Kept(
        *place,
        s.text,
        demand.kept[position],
        s.numbers,
        s.guarded,
        s.indent,
        position,
        demand.asked_by[position],
        fact.touches,
        sure=position not in demand.doubtful,
    )


def _dropped(first: Demand, kept: Container[int]) -> tuple[Dropped, ...]:
    return tuple(
        Dropped(s.cell.number, s.cell.cell_id, s.line, s.last_line, _text(fact), reason, fact.position, fact.touches)
        for fact in first.timeline.facts
        for s, reason in ((fact.statement, _why_not(fact, first.left_out.get(fact.position))),)
        if fact.position not in kept and s.cell.number and not s.is_ours and fact.plumbing != "%runpod"
    )


def _text(fact: Fact) -> str:
    statement = fact.statement
    if statement.alias is None:
        return statement.text
    assert isinstance(statement.node, ast.Import | ast.ImportFrom)
    return spelled(statement.node, [statement.alias])


def _why_not(fact: Fact, said: str | None) -> str:
    if said is not None:
        return f"left out by {said}"
    if fact.plumbing:
        return "a shell line: only what it installs counts" if fact.plumbing == "%!" else fact.plumbing
    names = sorted(fact.names.defs | fact.names.maydefs)
    if names:
        return f"nothing needed uses {', '.join(f'`{name}`' for name in names[:5])}"
    roots = sorted({root for root, _, _ in fact.effects.changed if ":" not in root})
    return f"nothing needed uses {', '.join(f'`{r}`' for r in roots)}" if roots else "only shows something"
