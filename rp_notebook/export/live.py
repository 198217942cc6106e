"""What a running kernel adds: what a bare call answered, and values that no cell defines."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType, ModuleType
from typing import Any

from rp_notebook.export.cutting import root_name
from rp_notebook.export.demand import Demand
from rp_notebook.export.program import LIKELY, MUST, WEAK
from rp_notebook.export.tables import BARE_MUTATORS, IPYTHON_MODULES, IPYTHON_NAMES
from rp_notebook.export.timeline import Fact

VALUES = frozenset({"builtins", "numpy", "pandas", "polars", "pyarrow"})  # modules whose objects are looked at


@dataclass(frozen=True)
class Live:
    """What a running kernel knows: its namespace, what its cells displayed by execution count (`Out`), its secrets.

    `secrets` are those of environment variables, by value.
    """

    namespace: Mapping[str, Any]
    out: Mapping[int, Any]
    secrets: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def displayed(facts: Sequence[Fact], live: Live | None) -> tuple[Fact, ...]:
    """The facts with the doubt about last lines settled: None or the receiver was a command, else it was a look."""
    if live is None:
        return tuple(facts)
    return tuple(_settled(fact, live) if fact.statement.shown else fact for fact in facts)


def _settled(fact: Fact, live: Live) -> Fact:
    number = fact.statement.cell.number
    answer = live.out.get(number)
    roots = {root for root, _, _ in fact.effects.changed}
    command = number not in live.out or any(answer is live.namespace.get(root, fact) for root in roots)
    doubted = () if command else _looked_at(fact, answer)
    changed = frozenset(
        (root, WEAK if root in doubted else tier if tier != LIKELY else MUST if command else WEAK, deep)
        for root, tier, deep in fact.effects.changed
    )
    return replace(fact, effects=replace(fact.effects, changed=changed))


def _looked_at(fact: Fact, answer: object) -> tuple[str, ...]:
    """What a method was called on that some libraries' objects change by, and whose answer is a value of its own."""
    call = getattr(fact.statement.node, "value", None)
    method = call.func if isinstance(call, ast.Call) else None
    shown = type(answer).__module__.split(".")[0] in VALUES
    return (root_name(method),) if shown and isinstance(method, ast.Attribute) and method.attr in BARE_MUTATORS else ()


def sourceless(demand: Demand, live: Live | None) -> list[tuple[str, str]]:
    """Imports for needed names that no cell defines and that a module has, with the reason; they are then found."""
    lines: list[tuple[str, str]] = []
    if live is None:
        return lines
    for name, missing in sorted(demand.missing.items()):
        if name not in live.namespace or name in IPYTHON_NAMES or missing.deleted is not None:
            continue
        text = _import_of(name, live.namespace[name])
        if text is not None:
            del demand.missing[name]
            lines.append((text, f"defines `{name}`, which no cell does"))
    return lines


def _import_of(name: str, value: object) -> str | None:
    if isinstance(value, ModuleType):
        real = value.__name__
        if real.split(".")[0] in IPYTHON_MODULES:
            return None
        return f"import {real}" if real == name else f"import {real} as {name}"
    module, qualified = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(qualified, str) or not qualified.isidentifier():
        return None
    if module == "__main__" or getattr(sys.modules.get(module), qualified, None) is not value:
        return None
    return f"from {module} import {qualified}" + (f" as {name}" if qualified != name else "")
