"""Finders of modules that do not find some: for a process that must not see all that is installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def hide(names: frozenset[str], modules: frozenset[str]) -> None:
    """From now on this process finds neither the distributions of these names nor the top modules."""
    if names or modules:
        sys.meta_path[:] = [_Without(finder, names, modules) for finder in sys.meta_path]
        for name in [name for name in sys.modules if name.partition(".")[0] in modules]:
            del sys.modules[name]


class _Without:
    """A finder as another, but for what is hidden."""

    def __init__(self, finder: Any, names: frozenset[str], modules: frozenset[str]) -> None:
        self._finder, self._names, self._modules = finder, names, modules

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name in self._modules:
            return None
        found: ModuleSpec | None = self._finder.find_spec(name, path, target)
        return found

    def find_distributions(self, *context: Any, **more: Any) -> Iterator[Any]:
        find = getattr(self._finder, "find_distributions", None)
        for one in find(*context, **more) if find is not None else ():
            if _canonical(one.metadata["Name"]) not in self._names:
                yield one

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)


def _canonical(name: str | None) -> str:
    # As packaging has it, which may be hidden itself.
    return "-".join(part for part in (name or "").lower().replace("_", "-").replace(".", "-").split("-") if part)
