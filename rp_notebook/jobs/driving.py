"""Drives a job from synchronous code, on one event loop that is kept from job to job as a worker keeps its own."""

from __future__ import annotations

import asyncio
import threading
import types
from asyncio.events import _get_running_loop, _set_running_loop  # exported there for whoever runs a loop
from collections.abc import Awaitable, Coroutine, Generator
from contextvars import copy_context
from typing import Any, TypeVar

from rp_notebook.errors import NeedsAwait
from rp_notebook.jobs.handler import Handler, Kind
from rp_notebook.jobs.interrupts import Stop

Result = TypeVar("Result")


class _Kept(threading.local):
    loop: asyncio.AbstractEventLoop | None = None


# The one thing that a module here keeps: what a handler binds to its loop (a session, a lock) must still work in the
# next job, as it does in a worker. asyncio's own slot for a thread's loop is deprecated.
_kept = _Kept()


def drive(recording: Coroutine[Any, Any, Result], handler: Handler, stop: Stop) -> Result:
    """Runs `recording` to its end. While the handler runs, `asyncio.get_running_loop()` succeeds, as in a worker.

    What the handler sets in a context variable (a decimal precision, numpy's error state) ends with the job, as with
    a worker's task. Raises `NeedsAwait` inside a running loop, for a handler whose answer must be awaited.
    """
    if _get_running_loop() is not None:
        return _inside_loop(recording, handler)
    loop = _kept_loop()
    if handler.kind is Kind.ASYNC_GENERATOR:
        stop.task = loop.create_task(recording)
        return loop.run_until_complete(stop.task)
    context, thread = copy_context(), threading.get_ident()
    step, value = recording.send, None
    while True:
        # No task for a plain handler: making one costs more than a small job.
        _mark_running(loop, loop, thread)
        try:
            answer = context.run(step, value)
        except StopIteration as done:
            result: Result = done.value
            return result
        finally:
            _mark_running(loop, None, None)
        stop.task = context.run(loop.create_task, awaited(answer))
        try:
            step, value = recording.send, loop.run_until_complete(stop.task)
        except BaseException as error:  # noqa: BLE001 (it belongs to the job, which knows what it means)
            step, value = recording.throw, error


def _mark_running(loop: Any, running: asyncio.AbstractEventLoop | None, thread: int | None) -> None:
    _set_running_loop(running)
    loop._thread_id = thread  # noqa: SLF001 (what `is_running()` looks at)


async def awaited(answer: Awaitable[Any]) -> Any:
    """The result of what a handler returned to be awaited."""
    return await answer


@types.coroutine
def in_own_context(recording: Coroutine[Any, Any, Result]) -> Generator[Any, Any, Result]:
    """Awaits `recording` within the running task, and keeps what it sets in context variables from that task."""
    context = copy_context()
    step, value = recording.send, None
    while True:
        try:
            waited_for = context.run(step, value)
        except StopIteration as done:
            result: Result = done.value
            return result
        try:
            step, value = recording.send, (yield waited_for)
        except BaseException as error:  # noqa: BLE001 (a cancellation: it belongs to the job)
            step, value = recording.throw, error


def _inside_loop(recording: Coroutine[Any, Any, Result], handler: Handler) -> Result:
    if not handler.awaits:
        try:
            copy_context().run(recording.send, None)
        except StopIteration as done:
            result: Result = done.value
            return result
    recording.close()
    raise NeedsAwait(
        f"{handler.name} is async and an event loop is running: write `await rp_notebook.arun_job({handler.name}, ...)`"
    )


def _kept_loop() -> asyncio.AbstractEventLoop:
    if _kept.loop is None or _kept.loop.is_closed():
        _kept.loop = asyncio.new_event_loop()
    return _kept.loop
