"""The user's function, classified once as the SDK would classify it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from types import FunctionType
from typing import Any, NamedTuple

from rp_notebook.errors import BadDeclaration

AWAITED_OR_YIELDING = (
    inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
)


class Kind(Enum):
    """How a worker treats a handler; decided on the function, never on what it returns (SDK: `rp_handler.py`)."""

    SYNC = "sync"
    ASYNC = "async"
    GENERATOR = "generator"
    ASYNC_GENERATOR = "async generator"


AWAITED = (Kind.ASYNC, Kind.ASYNC_GENERATOR)
STREAMED = (Kind.GENERATOR, Kind.ASYNC_GENERATOR)


# A tuple for its speed, like `Job`: a plain function is made one for each job.
class Handler(NamedTuple):
    """A registered function and the options that `runpod.serverless.start` would get with it.

    `version` counts registrations under one name, from 1. `concurrency` is the number of jobs at a time;
    `timeout_s` is in seconds.
    """

    name: str
    call: Callable[[Any], Any]
    kind: Kind
    aggregate: bool = False
    refresh: bool = False
    concurrency: int | None = None
    timeout_s: float | None = None
    version: int = 1

    @property
    def awaits(self) -> bool:
        """Whether it is async: its jobs can overlap, and need a loop to be awaited in."""
        return self.kind in AWAITED

    @property
    def streams(self) -> bool:
        """Whether a worker would post each yielded item."""
        return self.kind in STREAMED


def kind_of(call: Callable[[Any], Any]) -> Kind:
    """The kind a worker sees. Wrapped generators and `__call__` generators are plain functions to it."""
    if isinstance(call, FunctionType) and not call.__code__.co_flags & AWAITED_OR_YIELDING:
        return Kind.SYNC  # the usual case, at a tenth of the cost of asking `inspect`
    if inspect.isasyncgenfunction(call):
        return Kind.ASYNC_GENERATOR
    if inspect.isgeneratorfunction(call):
        return Kind.GENERATOR
    if inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None)):  # noqa: B004 (its kind, not whether it is callable)
        return Kind.ASYNC
    return Kind.SYNC


def as_handler(
    call: Callable[[Any], Any] | Handler,
    *,
    name: str | None = None,
    aggregate: bool = False,
    refresh: bool = False,
) -> Handler:
    """A `Handler` around any callable; a `Handler` is returned as it is. Raises `BadDeclaration` for anything else."""
    if isinstance(call, Handler):
        return call
    if not callable(call):
        raise BadDeclaration(f"a handler is a function of one job, not {type(call).__name__}")
    return Handler(name or str(getattr(call, "__name__", type(call).__name__)), call, kind_of(call), aggregate, refresh)
