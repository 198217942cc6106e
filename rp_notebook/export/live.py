"""What a running kernel adds: what a bare call answered, and values that no cell defines."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType, ModuleType
from typing import Any

from rp_notebook.export.demand import Demand
from rp_notebook.export.program import LIKELY, MUST, WEAK
from rp_notebook.export.tables import IPYTHON_MODULES, IPYTHON_NAMES
from rp_notebook.export.timeline import Fact


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
    changed = frozenset(
        (root, tier if tier != LIKELY else MUST if command else WEAK, deep) for root, tier, deep in fact.effects.changed
    )
    return replace(fact, effects=replace(fact.effects, changed=changed))


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
