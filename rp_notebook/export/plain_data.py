"""Values that Python can write as a literal."""

from __future__ import annotations

import math
from typing import Any


def is_plain(value: Any) -> bool:
    """Whether a value is built of Python's own literals only, and no part of it that can change stands in it twice."""
    return _plain_parts(value, set())


def _plain_parts(value: Any, seen: set[int]) -> bool:
    kind = type(value)
    if value is None or kind in (bool, int, float, complex, str, bytes):
        return True
    if kind not in (list, dict, set, frozenset, tuple):
        return False
    if kind in (list, dict, set):
        if id(value) in seen:
            return False
        seen.add(id(value))
    parts = [*value, *value.values()] if kind is dict else value
    try:
        return all(_plain_parts(part, seen) for part in parts)
    except RecursionError:
        return False


def spelled(value: Any) -> str:
    """The Python text of plain data; sets in an order of their own, so that equal values give equal text."""
    match value:
        case list():
            return f"[{', '.join(map(spelled, value))}]"
        case tuple():
            return f"({', '.join(map(spelled, value))}{',' if len(value) == 1 else ''})"
        case dict():
            return "{" + ", ".join(f"{spelled(key)}: {spelled(item)}" for key, item in value.items()) + "}"
        case set() if value:
            return "{" + ", ".join(sorted(map(spelled, value))) + "}"
        case frozenset() if value:
            return "frozenset({" + ", ".join(sorted(map(spelled, value))) + "})"
        case float() if not math.isfinite(value):
            return f'float("{value}")'
    return repr(value)
