"""Says of a job that was asked to end and has not: where it is, and what the user can still do."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field

from rp_notebook.jobs.interrupts import Stop

OVERDUE_S = 2.0
UNSET = -1  # what `signal.set_wakeup_fd` says where there was none

Say = Callable[[str], None]


@dataclass(eq=False)
class _Watched:
    name: str
    stops: Sequence[Stop]
    context: Context  # of the cell: what is said must land below it
    timer: threading.Timer | None = None


@dataclass(eq=False)
class _Ear:
    """What the listening thread knows. Its `pipe` gets a byte for each signal, at once and whatever runs."""

    say: Say
    jobs: list[_Watched] = field(default_factory=list)
    before: int = UNSET
    pipe: int = UNSET


class Overdue:
    """Watches jobs from a thread: while native code runs, no Python code hears of SIGINT in the main thread.

    Calls `say` with one line for each job that goes on `OVERDUE_S` after a signal. It cannot while the native code
    holds the interpreter's lock: then no thread runs.
    """

    def __init__(self, say: Say) -> None:
        self._ear = _Ear(say)

    @contextmanager
    def watching(self, name: str, stops: Sequence[Stop]) -> Iterator[None]:
        """Watches a job, or jobs of one handler, while the block runs. Blocks may overlap and end in any order."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        ear, job = self._ear, _Watched(name, stops, copy_context())
        if ear.pipe == UNSET:
            self._listen()
        if not ear.jobs:
            ear.before = signal.set_wakeup_fd(ear.pipe, warn_on_full_buffer=False)
        ear.jobs.append(job)
        try:
            yield
        finally:
            ear.jobs.remove(job)
            if not ear.jobs:
                latest = signal.set_wakeup_fd(ear.before, warn_on_full_buffer=False)
                if latest != ear.pipe:  # the handler has put its own in our place
                    signal.set_wakeup_fd(latest)
            if job.timer is not None:
                job.timer.cancel()

    def _listen(self) -> None:
        reading, self._ear.pipe = os.pipe()
        os.set_blocking(self._ear.pipe, False)
        threading.Thread(target=_heard, args=(self._ear, reading), name="rp_notebook overdue", daemon=True).start()
        weakref.finalize(self, os.close, self._ear.pipe)  # which ends the thread


def _heard(ear: _Ear, reading: int) -> None:
    while numbers := os.read(reading, 512):
        if ear.before != UNSET:
            with contextlib.suppress(OSError):  # full, or closed meanwhile
                os.write(ear.before, numbers)
        if signal.SIGINT not in numbers:
            continue
        for job in tuple(ear.jobs):
            if job.timer is None:
                job.timer = threading.Timer(OVERDUE_S, _say, (ear, job))
                job.timer.daemon = True
                job.timer.start()
    os.close(reading)


def _say(ear: _Ear, job: _Watched) -> None:
    if job not in ear.jobs:
        return
    restart = "or restart the kernel (the model is then loaded again)"
    if any(stop.reason is None for stop in job.stops):
        text = f"{job.name} is in native code and cannot be stopped before that returns: wait, {restart}"
    else:
        text = f"{job.name} was stopped and goes on, it catches the interrupt or cleans up: interrupt again, {restart}"
    job.context.run(ear.say, text)
