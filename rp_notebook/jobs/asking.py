"""Ends a running job from another thread: a client cancelled it, or its time is over."""

from __future__ import annotations

import asyncio
import signal
import threading

from rp_notebook.jobs.ambient import notebook
from rp_notebook.jobs.interrupts import Reason, Stop, end, stops_of, until_arrived


class Asking:
    """Ends one job from any thread, while the block runs in the main one: `loop` is the one that runs the job."""

    def __init__(self, stop: Stop, loop: asyncio.AbstractEventLoop) -> None:
        self._stop, self._loop = stop, loop
        self._turn = threading.Lock()
        self._over = False

    def __call__(self, reason: Reason) -> None:
        with self._turn:
            if self._over or self._stop.asked is not None:
                return
            self._stop.asked = reason
            self._loop.call_soon_threadsafe(_obeyed, self._stop)  # to a loop that turns
            _signal(self._stop)

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        with self._turn:
            self._over = True
        until_arrived(lambda: self._stop.sent)


def cancel_running(job_id: str) -> bool:
    """Ends a job that a cell or a task of the main thread awaits, from any thread; whether there is one."""
    found = [stop for stop in tuple(notebook.stops) if stop.job_id == job_id]
    for stop in found:
        stop.asked = stop.asked or "cancelled"
        if stop.task is not None:
            stop.task.get_loop().call_soon_threadsafe(_obeyed, stop)
        _signal(stop)
    return bool(found)


def _signal(stop: Stop) -> None:
    """To a handler that blocks its loop, where nobody else has SIGINT now."""
    if stop in stops_of(signal.getsignal(signal.SIGINT)):
        stop.sent = True
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _obeyed(stop: Stop) -> None:
    """What `Asking` has the loop do, between the steps of its tasks."""
    if stop.reason is None and stop.asked is not None:
        end((stop,), stop.asked, None)
