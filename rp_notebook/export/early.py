"""What only the making of a module reads: it is needed as it was then, and not as it is at last."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rp_notebook.export.cutting import COMPOUND
from rp_notebook.export.tables import IPYTHON_NAMES
from rp_notebook.export.trees import immediate, walk

if TYPE_CHECKING:
    from rp_notebook.export.demand import Demand
    from rp_notebook.export.live import Live
    from rp_notebook.export.timeline import Fact, Timeline

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.GeneratorExp, ast.ClassDef)


def read_later(fact: Fact, handed_on: frozenset[str]) -> frozenset[str]:
    """The names that a definition reads at last even where nothing at last calls it.

    Those are all, unless it is a plain function that is never more than called: then those of the functions in it.
    """
    node, names = fact.statement.node, fact.names
    if not isinstance(node, ast.FunctionDef) or node.decorator_list or node.name in handed_on:
        return names.deferred
    inner = [
        part for child in node.body for part in walk(child) if isinstance(part, (*_SCOPES, ast.Yield, ast.YieldFrom))
    ]
    if any(isinstance(part, ast.Yield | ast.YieldFrom) for part in inner):
        return names.deferred
    return names.deferred & {n.id for part in inner for n in walk(part) if isinstance(n, ast.Name)}


def handed_on(facts: Iterable[Fact]) -> frozenset[str]:
    """The functions that are more than called, or in other words than their names: others may call them at any time."""
    facts = [fact for fact in facts if fact.statement.alias is None]
    functions = {fact.statement.node.name for fact in facts if isinstance(fact.statement.node, ast.FunctionDef)}
    found: set[str] = set()
    for fact in facts:
        named = functions & (fact.names.uses | fact.names.deferred | fact.names.soft) - found
        if named:
            nodes = walk(fact.statement.node)
            called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
            called |= {
                id(item) for node in immediate(fact.statement.node) for item in getattr(node, "decorator_list", ())
            }
            loads = [node for node in nodes if isinstance(node, ast.Name) and node.id in named]
            found |= named - {node.id for node in loads} | {node.id for node in loads if id(node) not in called}
    return frozenset(found)


def read_by_callees(timeline: Timeline, fact: Fact) -> tuple[frozenset[str], frozenset[str]]:
    """The names that functions read which a statement hands to what it calls, and those that are gone at last."""
    now = frozenset[str]() if fact.is_code or not fact.names.calls else fact.names.deferred
    there = {name for name in now if timeline.reach(name, fact.position).positions}
    return now, frozenset(name for name in there if not timeline.reach(name, timeline.end).positions)


def read_by_patches(timeline: Timeline, fact: Fact) -> frozenset[str]:
    """The names that methods read which a class was given later."""
    node = fact.statement.node
    if not isinstance(node, ast.ClassDef) or not timeline.program.patches:
        return frozenset()
    changes = timeline.changes(node.name, timeline.end, known=[fact.position])
    patches = [timeline.facts[place] for place, _ in timeline.sharing.changes_in(changes)]
    return frozenset().union(*(patch.names.deferred for patch in patches))


def done_without(demand: Demand, live: Live | None) -> frozenset[str]:
    """The names that no statement defines and that the kernel did without: they stand in branches that it did not take.

    A statement ran to its end there although the name was bound to nothing.
    """
    timeline = demand.timeline
    return frozenset(
        name
        for name, missing in demand.missing.items()
        if live is not None and missing.user is not None and not missing.late and name not in IPYTHON_NAMES
        if isinstance(timeline.facts[missing.user].statement.node, COMPOUND)
        if name not in live.namespace or timeline.reach(name, timeline.end).positions
    )
