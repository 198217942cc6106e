"""Ends a running job from outside, by Ctrl-C or by a timeout, and spares everything around it."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` looks each function up among its enums: 8 us a job
import asyncio
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Literal

Reason = Literal["cancelled", "timed out"]

# The functions from which the handler's code runs, by module and name: an interrupt may raise only below them.
CALLING = frozenset(
    {
        ("rp_notebook.jobs.runner", "_plain"),
        ("rp_notebook.jobs.runner", "_chunks"),
        ("rp_notebook.jobs.driving", "awaited"),
    }
)


@dataclass
class Stop:
    """The way to end one running job. `reason` is set once somebody asked for it; `task` runs an async handler."""

    reason: Reason | None = None
    task: asyncio.Task[object] | None = None


def end(stops: Sequence[Stop], reason: Reason, frame: FrameType | None) -> None:
    """Ends running jobs: raises `KeyboardInterrupt` when `frame` is inside a handler, and cancels the other tasks.

    A signal that comes when neither can be done is absorbed: the jobs are already over.
    """
    inside = _inside_handler(frame)
    for stop in stops:
        stop.reason = stop.reason or reason
        if stop.task is None:
            continue
        loop = stop.task.get_loop()
        if not inside:
            loop.call_soon_threadsafe(stop.task.cancel)
        elif stop.task is not asyncio.current_task(loop):
            stop.task.cancel()  # at once: its next step may come before any callback, and block the loop in turn
    if inside:
        raise KeyboardInterrupt


@contextmanager
def stoppable(stops: Sequence[Stop], timeout_s: float | None = None) -> Iterator[None]:
    """While the block runs, Ctrl-C ends the jobs of `stops` and nothing else; so does `timeout_s`, in seconds.

    The kernel's own handling of SIGINT cannot be used: it does not reach a synchronous handler in an async cell.
    Outside the main thread, where Python delivers no signals, the block just runs.
    """
    main = threading.main_thread()
    if threading.current_thread() is not main:
        yield
        return
    previous = _signal.signal(signal.SIGINT, lambda _number, frame: end(stops, "cancelled", frame))
    timer = None
    if timeout_s is not None:

        def time_is_up() -> None:
            for stop in stops:
                stop.reason = stop.reason or "timed out"
            signal.pthread_kill(main.ident or 0, signal.SIGINT)

        timer = threading.Timer(timeout_s, time_is_up)
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
        _signal.signal(signal.SIGINT, signal.default_int_handler if previous is None else previous)


def _inside_handler(frame: FrameType | None) -> bool:
    while frame is not None:
        if (frame.f_globals.get("__name__"), frame.f_code.co_name) in CALLING:
            return True
        frame = frame.f_back
    return False
