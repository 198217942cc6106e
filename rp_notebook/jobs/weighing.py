"""Which fields of an answer make it large."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rp_notebook.jobs.payload import member
from rp_notebook.jobs.posts import wire_json

DEPTH = 6
HEAVY = 0.05  # of the whole: smaller fields are not named


def heaviest(value: Any, path: str, count: int = 3) -> list[tuple[str, int]]:
    """The largest fields of a decoded value, in bytes of JSON. Members of a list count together: `output.images[]`."""
    weights: Counter[str] = Counter()
    _weigh(value, path, DEPTH, weights)
    least = HEAVY * sum(weights.values())
    return [(name, size) for name, size in weights.most_common(count) if size >= least]


def _weigh(value: Any, path: str, depth: int, weights: Counter[str]) -> None:
    match value:
        case str():
            weights[path] += (len(value) if value.isascii() else len(value.encode(errors="replace"))) + 2
        case dict() if value and depth:
            for key, item in value.items():
                _weigh(item, member(path, key), depth - 1, weights)
        case [dict() | list() | str(), *_] if depth:
            for item in value:
                _weigh(item, path if path.endswith("[]") else f"{path}[]", depth - 1, weights)
        case _:
            weights[path] += len(wire_json(value))
