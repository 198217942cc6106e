"""The rung above what is needed: the whole history without what only shows something."""

from __future__ import annotations

import ast
from collections.abc import Collection

from rp_notebook.export.demand import Demand
from rp_notebook.export.plan import Plan
from rp_notebook.export.tables import BUILTINS, DISPLAY_MODULES, IPYTHON_NAMES, OUR_MODULE
from rp_notebook.export.timeline import Fact, Timeline
from rp_notebook.export.training import training_calls
from rp_notebook.export.trees import module_of


def take_whole(demand: Demand, handlers: Collection[str], plan: Plan) -> None:
    """Takes all that can run in a worker and does something, but for calls of the handler: jobs are no state."""
    facts = demand.timeline.facts
    able = {f.position for f in facts if _can_run(f, handlers) and (plan.trains or not training_calls(f))}
    able -= set(demand.left_out)
    before = 0
    while before != len(able):  # what is left out takes with it what needs it
        before = len(able)
        able = {place for place in able if _is_answered(facts[place], demand.timeline, able)}
    for place in sorted(able):
        names, effects = facts[place].names, facts[place].effects
        if names.defs or names.maydefs or effects.changed:
            demand.take(place, "the whole history was needed to answer the jobs as the notebook did")


def _can_run(fact: Fact, handlers: Collection[str]) -> bool:
    statement, names = fact.statement, fact.names
    if fact.plumbing or statement.partial or statement.guarded or statement.starts or fact.star or names.dels:
        return False
    if statement.cell.tries is not None:
        return False
    if isinstance(statement.node, ast.Import | ast.ImportFrom):
        return not _shows(statement.node)
    used = names.uses | names.deferred
    calls_handler = names.uses & set(handlers) and names.calls and not fact.is_code
    return not (used & (IPYTHON_NAMES | {OUR_MODULE}) or calls_handler)


def _shows(node: ast.Import | ast.ImportFrom) -> bool:
    return any(module_of(node, alias).split(".")[0] in DISPLAY_MODULES for alias in node.names)


def _is_answered(fact: Fact, timeline: Timeline, able: Collection[int]) -> bool:
    """Whether each name that it needs, then or when its functions are called, comes from statements that can run."""
    needed = [(name, fact.position) for name in fact.names.uses] + [
        (name, timeline.end) for name in fact.names.deferred
    ]
    for name, position in needed:
        places = timeline.reach(name, position).positions
        if not (set(places) <= set(able) if places else name in BUILTINS):
            return False
    return True
