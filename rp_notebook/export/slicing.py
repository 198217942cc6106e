"""From executed cells to the statements that a handler needs, each with the reason."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.declarations import declarations
from rp_notebook.export.demand import Demand
from rp_notebook.export.diagnoses import problems, remarks
from rp_notebook.export.flat_cells import without_tryouts
from rp_notebook.export.frozen_names import Freezer
from rp_notebook.export.live import Live, displayed, sourceless
from rp_notebook.export.names import names_in
from rp_notebook.export.narrowing import narrowed
from rp_notebook.export.outputs import without_history
from rp_notebook.export.plan import NEEDED, Plan
from rp_notebook.export.program import LIKELY, WEAK, Program
from rp_notebook.export.rewriting import rewritten
from rp_notebook.export.state import take_state
from rp_notebook.export.statements import History, history_of
from rp_notebook.export.summaries import summarised
from rp_notebook.export.timeline import Fact, Timeline, facts_of
from rp_notebook.export.training import stops
from rp_notebook.export.whole import take_whole
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.finding import Finding


@dataclass(frozen=True)
class Kept:
    """A statement that the worker needs.

    `cell` is the execution count (0: it stands in no cell), `line` and `last_line` its lines in the cell, from 1;
    `text` is what goes into the module, `numbers` the line in the cell of each line of it. `guarded` ones run only in
    the worker itself, under `if __name__ == "__main__":`, and stood there with `indent` before them.
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


@dataclass(frozen=True)
class Dropped:
    """A statement that the worker does not need, and why; fields as in `Kept`."""

    cell: int
    cell_id: str | None
    line: int
    last_line: int
    text: str
    reason: str


@dataclass(frozen=True)
class Slice:
    """What a handler needs of a notebook, in the order of execution, and what there is to say about it.

    `files` hold values that the statements read.
    """

    kept: tuple[Kept, ...]
    dropped: tuple[Dropped, ...]
    findings: tuple[Finding, ...]
    files: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))


def slice_cells(
    cells: Sequence[CellRun], declaration: Declaration, live: Live | None = None, plan: Plan = NEEDED
) -> Slice:
    """The statements that a declared handler needs. Nothing is run; `live` adds what the kernel knows.

    Raises `ExportRefused` with the findings when the worker would be wrong: a needed name that no cell defines, that
    only IPython has, that comes from a magic or from a statement that failed, and whose value cannot be written.
    """
    history, told = without_history(history_of(cells))
    handlers, freezer = _handlers(cells, declaration), Freezer(plan, live, declaration.function)
    later: History | None = history
    while later is not None:  # each name whose value is written asks for less, or for other names
        history = later
        program = summarised(history.statements, handlers)
        facts = without_tryouts(displayed(facts_of(history.statements, program, loaded=live is not None), live))
        demand = Demand(Timeline(facts, program), LIKELY if plan.rung == "needed" else WEAK, freezer.spared(facts))
        _ask(demand, declaration, history, plan)
        _work(demand, program)
        if plan.rung == "full":
            take_whole(demand, handlers, plan)
            _work(demand, program)
        imports = sourceless(demand, live)
        later = freezer.next_history(history, demand, program)
    refused = problems(demand, history, live)
    pieces = [rewritten(facts[place], demand.kept[place]) for place in sorted(demand.kept)]
    refused += [f for piece in pieces for f in piece.findings if f.severity == "error"]
    kept_facts = [facts[place] for place in sorted(demand.kept)]
    trained = stops(demand, plan)
    refused += [f for f in trained if f.severity == "error"]
    refused += freezer.refusals(refused)
    if refused:
        raise ExportRefused(refused)
    findings = [*told, *freezer.findings(kept_facts), *(f for piece in pieces for f in piece.findings)]
    findings += [*trained, *remarks(demand, program, declaration)]
    kept = [_kept(piece.fact, piece.reason) for piece in pieces]
    joined = narrowed(kept, [fact.statement.unit for fact in kept_facts], kept_facts, demand.through_star)
    prelude = tuple(Kept(0, None, 0, 0, text, reason, (0,) * (text.count("\n") + 1)) for text, reason in imports)
    files = MappingProxyType(freezer.files(kept_facts))
    return Slice((*prelude, *joined), _dropped(facts, demand), tuple(dict.fromkeys(findings)), files)


def _handlers(cells: Sequence[CellRun], declaration: Declaration) -> set[str]:
    known = [*declarations(cells).values(), declaration]
    return {d.function for d in known if d.function.isidentifier()}


def _ask(demand: Demand, declaration: Declaration, history: History, plan: Plan) -> None:
    for name in sorted(plan.demands):
        demand.ask(name, demand.timeline.end, "a job")
    for text in (declaration.function, declaration.start_config):
        names = names_in(text)
        for name in sorted(names.uses | names.deferred):
            demand.ask(name, demand.timeline.end, "the worker")
    demand.ask("runpod", demand.timeline.end, "the worker", soft=True)
    starting = [s.cell for s in history.statements if s.starts and s.guarded]
    for fact in demand.timeline.facts if starting and declaration.config is not None else ():
        if fact.statement.guarded and fact.statement.cell is starting[-1] and not fact.plumbing:
            demand.take(fact.position, "stands before the start of the worker")


def _work(demand: Demand, program: Program) -> None:
    before = -1
    while before != len(demand.kept):
        before = len(demand.kept)
        demand.settle()
        demand.take_dotted()
        demand.ask_for_hints()
        demand.settle()
        take_state(demand, program)
        demand.settle()
    for fact in demand.timeline.facts:  # it holds for all that ran after it
        node = fact.statement.node
        if (
            isinstance(node, ast.ImportFrom)
            and node.module == "__future__"
            and max(demand.kept, default=0) > fact.position
        ):
            demand.take(fact.position, "how later cells were compiled")


def _kept(fact: Fact, reason: str) -> Kept:
    s = fact.statement
    return Kept(s.cell.number, s.cell.cell_id, s.line, s.last_line, s.text, reason, s.numbers, s.guarded, s.indent)


def _dropped(facts: Sequence[Fact], demand: Demand) -> tuple[Dropped, ...]:
    return tuple(
        Dropped(s.cell.number, s.cell.cell_id, s.line, s.last_line, _text(fact), _why_not(fact))
        for fact in facts
        for s in (fact.statement,)
        if fact.position not in demand.kept and not s.frozen and s.unit >= 0
    )


def _text(fact: Fact) -> str:
    statement = fact.statement
    if statement.alias is None:
        return statement.text
    return ast.unparse(replace_names(statement.node, statement.alias))


def replace_names(node: ast.stmt, alias: ast.alias) -> ast.stmt:
    """The import of one name only."""
    if isinstance(node, ast.ImportFrom):
        return ast.ImportFrom(node.module, [alias], node.level)
    return ast.Import([alias])


def _why_not(fact: Fact) -> str:
    if fact.plumbing:
        return fact.plumbing
    names = sorted(fact.names.defs | fact.names.maydefs)
    if names:
        return f"nothing needed uses {', '.join(f'`{name}`' for name in names[:5])}"
    roots = sorted({root for root, _, _ in fact.effects.changed if ":" not in root})
    return f"nothing needed uses {', '.join(f'`{r}`' for r in roots)}" if roots else "only shows something"
