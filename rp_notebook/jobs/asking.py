"""Ends a running job from another thread: a client cancelled it, or its time is over."""

from __future__ import annotations

import asyncio
import signal
import threading

from rp_notebook.jobs.interrupts import Reason, Stop, end, holds, until_arrived


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
            # To a loop that turns; and as a signal to one that the handler blocks, which is nobody else's.
            self._loop.call_soon_threadsafe(_obeyed, self._stop)
            if holds(signal.getsignal(signal.SIGINT), self._stop):
                self._stop.sent = True
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        with self._turn:
            self._over = True
        until_arrived(lambda: self._stop.sent)


def _obeyed(stop: Stop) -> None:
    """What `Asking` has the loop do, between the steps of its tasks."""
    if stop.reason is None and stop.asked is not None:
        end((stop,), stop.asked, None)
