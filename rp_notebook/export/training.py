"""Statements that train, or compute for long: a worker would do it again at each cold start, so the export stops."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence

from rp_notebook.export.demand import Demand
from rp_notebook.export.plan import Plan
from rp_notebook.export.tables import LOADERS, TRAINERS
from rp_notebook.export.timeline import Fact
from rp_notebook.export.trees import immediate
from rp_notebook.jobs.finding import Finding

LONG_S = 30.0  # facts/slicing.md 2.12; below it, computing anew is cheaper than keeping a file
# What takes long at its first run only, or is a load: the worker's own start pays for these in any case.
_FETCHES = LOADERS | {"load", "load_dataset", "snapshot_download", "hf_hub_download", "urlretrieve", "sleep"}


def stops(demand: Demand, plan: Plan, freezes: Callable[[str], bool]) -> list[Finding]:
    """A refusal for each kept statement that trains or takes long; warnings when the plan allows it.

    `freezes` tells whether the present value of a name can be exported instead.
    """
    found: dict[str, Finding] = {}  # by the text: a cell that ran again says it once, where it ran last
    for place in sorted(demand.kept):
        fact = demand.timeline.facts[place]
        calls = training_calls(fact)
        if calls:
            said = f"the worker would train at every cold start: {', '.join(calls)}()"
        elif took := _long(fact, demand.timeline.facts):
            said = f"the worker would compute this at every cold start; the cell took {took:.0f} s"
        else:
            continue
        name = _made(demand, place)
        fix = f"%runpod export DIR --freeze {name} exports what came of it; --train does it in the worker"
        if not freezes(name):
            fix = f"save `{name}` to a file as its library does, and load it from there; --train does it in the worker"
        statement = fact.statement
        severity = "warning" if plan.trains else "error"
        found[statement.text] = Finding("RPS132", severity, said, fix, statement.cell.number, statement.line)  # type: ignore[arg-type] # one of the two
    return [*found.values()]


def _made(demand: Demand, place: int) -> str:
    """What a statement trains: of all that may share something with it, what it names itself and jobs read."""
    asked_for = demand.asked_for.get(place, "NAME")
    touched = demand.timeline.facts[place].touches
    if asked_for in touched:
        return asked_for
    read = {name for kept in demand.kept for name in demand.timeline.facts[kept].names.deferred}
    return min(touched & read, default=asked_for)


def training_calls(fact: Fact) -> list[str]:
    """The functions by which a statement trains something when it runs; none for definitions."""
    node = fact.statement.node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return []
    return sorted({_leaf(call) for call in _calls(node) if _trains(call)})


def _trains(call: ast.Call) -> bool:
    leaf = _leaf(call)
    if leaf == "train":  # `model.train()` only switches a mode; `trainer.train()` and `model.train(data=...)` train
        return bool(call.args or call.keywords or "rainer" in ast.unparse(call.func))
    if leaf == "step":
        return "opt" in ast.unparse(call.func).lower()
    return leaf in TRAINERS


def _long(fact: Fact, facts: Sequence[Fact]) -> float:
    """The seconds of the cell, where they are long and no other statement of it can have taken them."""
    cell = fact.statement.cell
    if cell.seconds <= LONG_S or not _works(fact):
        return 0.0
    working = [other for other in facts if other.statement.cell is cell and _works(other)]
    return cell.seconds if working == [fact] else 0.0


def _works(fact: Fact) -> bool:
    node = fact.statement.node
    if fact.statement.alias is not None or fact.is_code or fact.statement.frozen:
        return False
    calls = [*_calls(node)]
    return bool(calls) and not any(_leaf(call) in _FETCHES for call in calls)


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    return (part for part in immediate(node) if isinstance(part, ast.Call))


def _leaf(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
