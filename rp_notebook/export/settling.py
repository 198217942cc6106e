"""Settles what a handler needs of all that ran, and what of it was in doubt only."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rp_notebook.export.cleaning import Cleaned
from rp_notebook.export.demand import Demand
from rp_notebook.export.flat_cells import without_tryouts
from rp_notebook.export.frozen_names import Freezer
from rp_notebook.export.hints import ask_for_hints
from rp_notebook.export.live import Live, displayed
from rp_notebook.export.names import Names, names_in
from rp_notebook.export.overrides import Overrides, ask_for_kept, left_out
from rp_notebook.export.plan import Plan
from rp_notebook.export.program import LIKELY, NO_EFFECTS, WEAK, Program
from rp_notebook.export.project import Project
from rp_notebook.export.state import take_state
from rp_notebook.export.statements import History, Statement
from rp_notebook.export.summaries import summarised
from rp_notebook.export.timeline import Fact, Timeline, facts_of
from rp_notebook.export.whole import take_whole
from rp_notebook.jobs.declaration import Declaration

NO_NAMES = Names()
GONE = "was not needed at a first look"


@dataclass(frozen=True)
class Asked:
    """A handler, all that ran, and how much of it is taken.

    `read` has the names of statements by position, so that each is read once.
    """

    clean: Cleaned
    declaration: Declaration
    handlers: set[str]
    live: Live | None
    overrides: Overrides
    project: Project
    plan: Plan
    freezer: Freezer
    read: dict[int, Names] = field(default_factory=dict)

    def settled(self) -> tuple[Demand, Demand]:
        """What the handler needs at a first look at all that ran, and what is left of it in the end."""
        first = settled = self._of(self.clean.history.statements)
        before = len(self.clean.history.statements)
        while not settled.missing and len(settled.kept) < before:  # what dropped statements made doubtful goes, too
            before = len(settled.kept)
            places = sorted({*settled.kept, *settled.blocked})
            settled = self._of([self.clean.history.statements[place] for place in places])
        return first, settled

    def _of(self, statements: Sequence[Statement]) -> Demand:
        """What the handler needs, where of all statements only these ran."""
        program = summarised(statements, self.handlers, self.project)
        found = facts_of(statements, program, self.read, loaded=self.live is not None)
        cleaned_facts = _without_plumbing(found, self.clean)
        ran = {fact.position: fact for fact in without_tryouts(displayed(cleaned_facts, self.live))}
        whole = self.clean.history.statements
        facts = [ran.get(each.position) or Fact(each, NO_NAMES, NO_EFFECTS, GONE) for each in whole]
        tier = LIKELY if self.plan.rung == "needed" else WEAK
        demand = Demand(Timeline(facts, program), left_out(facts, self.overrides), tier, self.freezer.spared(facts))
        _ask(demand, self.declaration, self.clean.history, self.plan)
        ask_for_kept(demand, self.overrides)
        _work(demand, program)
        if self.plan.rung == "full":
            take_whole(demand, self.handlers, self.plan)
            _work(demand, program)
        return demand


def _without_plumbing(facts: Sequence[Fact], clean: Cleaned) -> tuple[Fact, ...]:
    gone = clean.left_out
    return tuple(replace(f, plumbing=gone[f.position]) if f.position in gone else f for f in facts)


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
        ask_for_hints(demand)
        demand.settle()
        take_state(demand, program)
        demand.settle()
    for fact in demand.timeline.imports:  # it holds for all that ran after it
        node = fact.statement.node
        if (
            isinstance(node, ast.ImportFrom)
            and node.module == "__future__"
            and max(demand.kept, default=0) > fact.position
        ):
            demand.take(fact.position, "how later cells were compiled")
