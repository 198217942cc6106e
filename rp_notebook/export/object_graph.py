"""What a live value is made of, and what it leads to."""

from __future__ import annotations

import gc
import sys
from collections.abc import Collection, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

OBJECTS = 3_000  # how far the graph of an object is followed, and how deep
DEPTH = 3


def is_module(value: Any) -> bool:
    """Whether a value is a module of torch; torch is not imported for that."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def parts(value: Any) -> Iterator[Any]:
    """A value and what plain containers in it hold, as far as it can change; of a view also what it looks at."""
    if isinstance(value, Mapping):
        yield value
        for item in value.values():
            yield from parts(item)
    elif isinstance(value, list | tuple | set):
        yield value
        for item in value:
            yield from parts(item)
    elif hasattr(value, "dtype"):
        while value is not None:
            yield value
            value = getattr(value, "base", None) if not isinstance(value, memoryview) else None


def reaches(value: Any, wanted: Collection[int]) -> bool:
    """Whether an object is, or refers within a few steps to, one of these."""
    seen: set[int] = set()
    level = [value]
    for _ in range(DEPTH + 1):
        following: list[Any] = []
        for each in level:
            if id(each) in seen or isinstance(each, ModuleType | type | FunctionType) or len(seen) > OBJECTS:
                continue
            seen.add(id(each))
            if id(each) in wanted:
                return True
            following += gc.get_referents(each)
        level = following
    return False
