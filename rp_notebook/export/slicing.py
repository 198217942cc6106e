"""From executed cells to the statements that a handler needs, each with the reason."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.cleaning import Cleaned, cleaned
from rp_notebook.export.declarations import declarations
from rp_notebook.export.demand import Demand
from rp_notebook.export.diagnoses import problems, remarks
from rp_notebook.export.flat_cells import without_tryouts
from rp_notebook.export.live import Live, displayed, sourceless
from rp_notebook.export.names import names_in
from rp_notebook.export.narrowing import narrowed
from rp_notebook.export.outputs import without_history
from rp_notebook.export.program import Program
from rp_notebook.export.state import take_state
from rp_notebook.export.statements import History, history_of
from rp_notebook.export.summaries import summarised
from rp_notebook.export.surroundings import Surroundings, surroundings
from rp_notebook.export.timeline import Fact, Timeline, facts_of
from rp_notebook.export.vault import Vault
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
    """What a handler needs of a notebook, in the order of execution, and what there is to say about it."""

    kept: tuple[Kept, ...]
    dropped: tuple[Dropped, ...]
    findings: tuple[Finding, ...]
    surroundings: Surroundings


def slice_cells(
    cells: Sequence[CellRun], declaration: Declaration, live: Live | None = None, vault: Vault | None = None
) -> Slice:
    """The statements that a declared handler needs. Nothing is run; `live` adds what the kernel knows.

    `vault` comes to hold the secrets that stood in the cells. Raises `ExportRefused` with the findings when the worker
    would be wrong: a needed name that no cell defines, that only IPython has, that comes from a magic or from a
    statement that failed.
    """
    vault = vault or Vault({})
    history, told = without_history(history_of(cells))
    clean = cleaned(history, vault, live.namespace if live is not None else {})
    history = clean.history
    program = summarised(history.statements, _handlers(cells, declaration))
    facts = facts_of(history.statements, program, loaded=live is not None)
    facts = without_tryouts(displayed(_without_plumbing(facts, clean), live))
    demand = Demand(Timeline(facts, program))
    _ask(demand, declaration, history)
    _work(demand, program)
    frozen, said = sourceless(demand, live)
    refused = [*problems(demand, history, live), *(f for f in said if f.severity == "error")]
    rewritten = [f for place in sorted({*demand.kept, *clean.left_out}) for f in clean.findings.get(place, ())]
    refused += [finding for finding in rewritten if finding.severity == "error"]
    if refused:
        raise ExportRefused(_told(refused, vault))
    findings = [*told, *said, *rewritten, *remarks(demand, program, declaration)]
    kept = [_kept(facts[place], demand.kept[place]) for place in sorted(demand.kept)]
    units = [facts[place].statement.unit for place in sorted(demand.kept)]
    joined = narrowed(kept, units, [facts[p] for p in sorted(demand.kept)], demand.through_star)
    prelude = tuple(Kept(0, None, 0, 0, text, reason, (0,) * (text.count("\n") + 1)) for text, reason in frozen)
    around = surroundings(clean.wanted, clean.settings, [facts[place] for place in sorted(demand.kept)])
    return Slice((*prelude, *joined), _dropped(facts, demand), tuple(_told(dict.fromkeys(findings), vault)), around)


def _told(findings: Iterable[Finding], vault: Vault) -> list[Finding]:
    return [replace(finding, message=vault.without(finding.message)) for finding in findings]


def _without_plumbing(facts: Sequence[Fact], clean: Cleaned) -> tuple[Fact, ...]:
    left_out = clean.left_out
    return tuple(replace(f, plumbing=left_out[f.position]) if f.position in left_out else f for f in facts)


def _handlers(cells: Sequence[CellRun], declaration: Declaration) -> set[str]:
    known = [*declarations(cells).values(), declaration]
    return {d.function for d in known if d.function.isidentifier()}


def _ask(demand: Demand, declaration: Declaration, history: History) -> None:
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
        if fact.position not in demand.kept and s.cell.number
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
