"""Sizes against the platform's limits, and where in a value something cannot be JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

MB = 1_000_000  # limits are decimal (facts/runpod-contract.md 5.6)
RUN_LIMIT = 10 * MB
RUNSYNC_LIMIT = 20 * MB
ITEM_LIMIT = 1 * MB
NEAR = 0.9  # warn from here on

SHOWN_BYTES = 200
MAX_DEPTH = 900  # deeper than this, Python's own recursion limit decides


def shortened(body: bytes, limit: int = SHOWN_BYTES) -> str:
    """The repr of a body, cut in the middle of nothing: its first bytes and how many there are."""
    return repr(body) if len(body) <= limit else f"{body[:limit]!r}... ({len(body):,} bytes)"


def unencodable(value: Any, path: str = "output") -> str | None:
    """Where a value cannot be JSON and why, as `output.boxes[3].score is numpy.float32: not JSON`; None if it can."""
    return next(_trouble(value, path, ()), None)


def first_unencodable(values: Mapping[Any, Any]) -> str | None:
    """The first trouble in values that are named by their keys; None if there is none."""
    return next((trouble for key, value in values.items() if (trouble := unencodable(value, str(key)))), None)


def type_name(value: object) -> str:
    """`numpy.float32`, `set`: the type as a user would write it."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _trouble(value: Any, path: str, parents: tuple[int, ...]) -> Iterator[str]:
    if value is None or isinstance(value, bool | int | float):
        return
    if isinstance(value, str):
        if _has_surrogate(value):
            yield f"{path} holds a lone surrogate: not UTF-8"
    elif id(value) in parents:
        yield f"{path} contains itself: not JSON"
    elif len(parents) > MAX_DEPTH:
        yield f"{path[:60]}... is nested more than {MAX_DEPTH} deep: not JSON"
    elif isinstance(value, dict):
        for key, item in value.items():
            if not (key is None or isinstance(key, str | bool | int | float)):
                yield f"{path} has the key {key!r:.60} ({type_name(key)}): keys must be text"
            elif isinstance(key, str) and _has_surrogate(key):
                yield f"{path} has a key with a lone surrogate: not UTF-8"
            else:
                yield from _trouble(item, member(path, key), (*parents, id(value)))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _trouble(item, f"{path}[{index}]", (*parents, id(value)))
    else:
        yield f"{path} is {type_name(value)}: not JSON"


def member(path: str, key: Any) -> str:
    """The path of a member of a dict: `output.score`, `output["a b"]`."""
    return f"{path}.{key}" if isinstance(key, str) and key.isidentifier() else f"{path}[{json.dumps(key)}]"


def encodable(text: str) -> str:
    """The text with lone surrogates as `\\ud800`, as JSON has them: no file or terminal takes them as they are."""
    return text.encode(errors="backslashreplace").decode()


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)
