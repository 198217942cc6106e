"""From executed cells to the statements that a handler needs, each with the reason."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.cleaning import Cleaned, cleaned
from rp_notebook.export.declarations import declarations
from rp_notebook.export.demand import Demand
from rp_notebook.export.diagnoses import problems, remarks
from rp_notebook.export.flat_cells import without_tryouts
from rp_notebook.export.live import Live, displayed, sourceless
from rp_notebook.export.names import Names, names_in
from rp_notebook.export.narrowing import narrowed
from rp_notebook.export.outputs import without_history
from rp_notebook.export.overrides import NO_OVERRIDES, Overrides, ask_for_kept, left_out, override_findings
from rp_notebook.export.program import NO_EFFECTS, Program
from rp_notebook.export.project import NO_PROJECT, Project
from rp_notebook.export.state import take_state
from rp_notebook.export.statements import History, Statement, history_of
from rp_notebook.export.summaries import summarised
from rp_notebook.export.surroundings import Surroundings, surroundings
from rp_notebook.export.timeline import Fact, Timeline, facts_of
from rp_notebook.export.vault import Vault
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.finding import Finding

GONE = "was not needed at a first look"


@dataclass(frozen=True)
class Kept:
    """A statement that the worker needs.

    `cell` is the execution count (0: it stands in no cell), `line` and `last_line` its lines in the cell, from 1;
    `text` is what goes into the module, `numbers` the line in the cell of each line of it. `guarded` ones run only in
    the worker itself, under `if __name__ == "__main__":`, and stood there with `indent` before them. `position` is
    when it ran among all statements, `asked_by` the position of the one that needs it (None: the worker itself),
    `touches` the variables that it binds or changes.
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
    """What a handler needs of a notebook, in the order of execution, and what there is to say about it."""

    kept: tuple[Kept, ...]
    dropped: tuple[Dropped, ...]
    findings: tuple[Finding, ...]
    surroundings: Surroundings


def slice_cells(
    cells: Sequence[CellRun],
    declaration: Declaration,
    live: Live | None = None,
    vault: Vault | None = None,
    *,
    overrides: Overrides = NO_OVERRIDES,
    project: Project = NO_PROJECT,
) -> Slice:
    """The statements that a declared handler needs. Nothing is run; `live` adds what the kernel knows.

    `vault` comes to hold the secrets that stood in the cells, `overrides` are statements to keep or to leave out,
    `project` has more names for the tables. Raises `ExportRefused` with the findings when the worker would be wrong: a
    needed name that no cell defines, that only IPython has, that comes from a magic, that was left out, or that comes
    from a statement that failed.
    """
    vault = vault or Vault({})
    history, told = without_history(history_of(cells), live.out if live is not None else None)
    clean = cleaned(history, vault, live.namespace if live is not None else {})
    history = clean.history
    overrides += project.overrides
    asked = _Asked(clean, declaration, _handlers(cells, declaration), live, overrides, project)
    first = settled = asked.of(history.statements)
    before = len(history.statements)
    while not settled.missing and len(settled.kept) < before:  # what dropped statements made doubtful goes, too
        before = len(settled.kept)
        settled = asked.of([history.statements[place] for place in sorted({*settled.kept, *settled.blocked})])
    demand, facts, program = settled, settled.timeline.facts, settled.timeline.program
    frozen, said = sourceless(demand, live)
    said = [*said, *override_findings(demand, overrides, first.timeline.facts)]
    refused = [*problems(demand, history, live), *(f for f in said if f.severity == "error")]
    rewritten = [f for place in sorted({*demand.kept, *clean.left_out}) for f in clean.findings.get(place, ())]
    refused += [finding for finding in rewritten if finding.severity == "error"]
    if refused:
        raise ExportRefused(_told(refused, vault))
    findings = [*told, *said, *rewritten, *remarks(demand, program, declaration)]
    own = [_kept(facts[place], demand.kept[place], demand.asked_by[place]) for place in sorted(demand.kept)]
    units = [facts[place].statement.unit for place in sorted(demand.kept)]
    joined = narrowed(own, units, [facts[p] for p in sorted(demand.kept)], demand.through_star)
    prelude = tuple(Kept(0, None, 0, 0, text, reason, (0,) * (text.count("\n") + 1)) for text, reason in frozen)
    around = surroundings(clean.wanted, clean.settings, [facts[place] for place in sorted(demand.kept)])
    said = _told(dict.fromkeys(findings), vault)
    return Slice((*prelude, *joined), _dropped(first, set(demand.kept)), tuple(said), around)


@dataclass(frozen=True)
class _Asked:
    """A handler and all that ran. `read` has the names of statements by position, so that each is read once."""

    clean: Cleaned
    declaration: Declaration
    handlers: set[str]
    live: Live | None
    overrides: Overrides
    project: Project
    read: dict[int, Names] = field(default_factory=dict)

    def of(self, statements: Sequence[Statement]) -> Demand:
        """What the handler needs, where of all statements only these ran."""
        program = summarised(statements, self.handlers, self.project)
        found = facts_of(statements, program, self.read, loaded=self.live is not None)
        cleaned_facts = _without_plumbing(found, self.clean)
        ran = {fact.position: fact for fact in without_tryouts(displayed(cleaned_facts, self.live))}
        gone = (Fact(each, Names(), NO_EFFECTS, GONE) for each in self.clean.history.statements)
        facts = [ran.get(fact.position, fact) for fact in gone]
        demand = Demand(Timeline(facts, program), left_out(facts, self.overrides))
        _ask(demand, self.declaration, self.clean.history)
        ask_for_kept(demand, self.overrides)
        _work(demand, program)
        return demand


def _told(findings: Iterable[Finding], vault: Vault) -> list[Finding]:
    return [replace(finding, message=vault.without(finding.message)) for finding in findings]


def _without_plumbing(facts: Sequence[Fact], clean: Cleaned) -> tuple[Fact, ...]:
    gone = clean.left_out
    return tuple(replace(f, plumbing=gone[f.position]) if f.position in gone else f for f in facts)


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


def _kept(fact: Fact, reason: str, asked_by: int | None) -> Kept:
    s = fact.statement
    place = (s.cell.number, s.cell.cell_id, s.line, s.last_line)
    return Kept(*place, s.text, reason, s.numbers, s.guarded, s.indent, fact.position, asked_by, fact.touches)


def _dropped(first: Demand, kept: Container[int]) -> tuple[Dropped, ...]:
    return tuple(
        Dropped(s.cell.number, s.cell.cell_id, s.line, s.last_line, _text(fact), reason, fact.position, fact.touches)
        for fact in first.timeline.facts
        for s, reason in ((fact.statement, _why_not(fact, first.left_out.get(fact.position))),)
        if fact.position not in kept and s.cell.number
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


def _why_not(fact: Fact, said: str | None) -> str:
    if said is not None:
        return f"left out by {said}"
    if fact.plumbing:
        return fact.plumbing
    names = sorted(fact.names.defs | fact.names.maydefs)
    if names:
        return f"nothing needed uses {', '.join(f'`{name}`' for name in names[:5])}"
    roots = sorted({root for root, _, _ in fact.effects.changed if ":" not in root})
    return f"nothing needed uses {', '.join(f'`{r}`' for r in roots)}" if roots else "only shows something"
