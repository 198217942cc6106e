"""Lets time pass for endpoints on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from rp_notebook.endpoint.endpoints import Endpoints
from rp_notebook.jobs.runner import Clock

LONGEST_S = 3600.0


@asynccontextmanager
async def ticking(endpoints: Endpoints, clock: Clock) -> AsyncGenerator[None, None]:
    """While the block runs, `endpoints.tick` is called whenever something is due."""
    task = asyncio.ensure_future(_tick(endpoints, clock))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def woken(event: asyncio.Event, seconds: float) -> bool:
    """Whether an event comes within so many seconds.

    `asyncio.wait_for` is deaf, up to Python 3.11, to a cancellation at the moment in which what it waits for comes.
    """
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait([waiting], timeout=seconds)
    finally:
        waiting.cancel()
    return event.is_set()


async def _tick(endpoints: Endpoints, clock: Clock) -> None:
    wake = asyncio.Event()
    until = 0.0

    def sooner() -> None:
        due = endpoints.due
        if due is not None and due < until:
            wake.set()

    endpoints.on_sooner(sooner)
    while True:
        wake.clear()
        endpoints.tick()
        due = endpoints.due
        until = clock() + LONGEST_S if due is None else due
        await woken(wake, min(max(until - clock(), 0.0), LONGEST_S))
