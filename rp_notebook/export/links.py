"""How a value relates to the objects that names are bound to, and how that changes as values are put together."""

from __future__ import annotations

SAME, PART, HOLDER, COPY = "same", "part", "holder", "copy"
Link = tuple[str, str]
Value = frozenset[Link]
NOTHING: Value = frozenset()

_INSIDE = ((SAME, PART), (PART, PART), (HOLDER, SAME), (COPY, PART))
_HELD = ((SAME, HOLDER), (PART, COPY), (HOLDER, HOLDER), (COPY, COPY))
_COPIED = ((SAME, COPY), (PART, COPY), (HOLDER, HOLDER), (COPY, COPY))


def inside(value: Value) -> Value:
    """What an element or attribute of a value is."""
    return _turned(value, _INSIDE)


def held(value: Value) -> Value:
    """What a new container with the value in it is."""
    return _turned(value, _HELD)


def copied(value: Value) -> Value:
    """What a shallow copy of a value is."""
    return _turned(value, _COPIED)


def composed(value: Value, kind: str) -> Value:
    """What something is that stands in relation `kind` to the value."""
    match kind:
        case "part":
            return inside(value)
        case "holder":
            return held(value)
        case "copy":
            return copied(value)
    return value


def union(*values: Value) -> Value:
    """All that one of the values may be."""
    return frozenset().union(*values)


def _turned(value: Value, table: tuple[tuple[str, str], ...]) -> Value:
    return frozenset((root, after) for root, kind in value for before, after in table if kind == before)
