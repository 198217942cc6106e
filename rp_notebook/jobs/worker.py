"""Runs the jobs of a notebook one after another and records them."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial

from rp_notebook.jobs.asking import Asking
from rp_notebook.jobs.capture import copied_output
from rp_notebook.jobs.gauge import Memory, gauging
from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.history import History
from rp_notebook.jobs.interrupts import Stop, Stoppable, settled
from rp_notebook.jobs.overdue import Overdue, Say
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.request import Request
from rp_notebook.jobs.runner import Clock
from rp_notebook.jobs.running import Listener, attempt


class Worker:
    """Feeds `history` with the events and the records of the jobs it runs. `clock` gives seconds since the epoch.

    `say` is given a line, from another thread, for a job that cannot be stopped.
    """

    def __init__(self, history: History, clock: Clock = time.time, say: Say | None = None) -> None:
        self.history = history
        self._clock = clock
        self._memory = Memory()
        self._overdue = Overdue(say or _to_stderr)

    async def run(
        self, handler: Handler, request: Request, timeout_s: float | None = None, *, aside: Listener | None = None
    ) -> JobRecord:
        """The record of one job. Ctrl-C, and `timeout_s` in seconds, end the job and nothing else.

        With `aside` it is no job of the history: that hears of its events instead, and nothing it prints is shown.
        """
        stop = Stop()
        with self._overdue.watching(handler.name, (stop,)), Stoppable((stop,)):
            await taken_up((stop,))
            return await self._run(handler, request, stop, _limit(handler, request, timeout_s), aside=aside)

    async def serve(self, handler: Handler, request: Request, asking: Callable[[Asking], None]) -> JobRecord:
        """The record of a job that no cell waits for: what it prints is kept with it, and shown nowhere.

        `asking` is given what ends it from another thread. Its time is counted by who asked for it.
        """
        stop, loop = Stop(), asyncio.get_running_loop()
        ask = Asking(stop, loop)
        with self._overdue.watching(handler.name, (stop,)), Stoppable((stop,)), ask:
            asking(ask)
            record = await self._run(handler, request, stop, None, shown=False)
        if stop.missed:  # who sent the job has its answer: it was meant for whoever has SIGINT without it
            loop.call_soon(signal.raise_signal, signal.SIGINT)
        return record

    async def _run(
        self,
        handler: Handler,
        request: Request,
        stop: Stop,
        limit_s: float | None,
        *,
        shown: bool = True,
        aside: Listener | None = None,
    ) -> JobRecord:
        with _timed(stop, limit_s), copied_output(shown=shown and aside is None) as printed:
            gauge = gauging(self._memory)
            tell = aside or partial(self.history.happened, at_once=shown)
            record = await attempt(handler, request, self._clock, stop, tell)
            record = replace(record, gauge=gauge(), printed=printed.getvalue())
        if aside is None:
            self.history.ended(record, at_once=shown)
        return record

    async def run_together(
        self, handler: Handler, requests: Sequence[Request], timeout_s: float | None = None
    ) -> list[JobRecord]:
        """Runs several jobs as a worker of that concurrency would: async handlers overlap, others do not.

        `timeout_s`, in seconds, is for each.
        """
        stops = tuple(Stop() for _ in requests)

        async def one(request: Request, stop: Stop) -> JobRecord:
            with _timed(stop, _limit(handler, request, timeout_s)), copied_output() as printed:
                record = await attempt(handler, request, self._clock, stop, self.history.happened)
                return replace(record, printed=printed.getvalue())

        with self._overdue.watching(handler.name, stops), Stoppable(stops):
            await taken_up(stops)
            records = await asyncio.gather(*map(one, requests, stops))
        for record in records:
            self.history.ended(record)
        return records


def _limit(handler: Handler, request: Request, timeout_s: float | None) -> float | None:
    limits = (timeout_s, request.timeout_s, handler.timeout_s)
    return next((limit for limit in limits if limit is not None), None)


def _timed(stop: Stop, limit_s: float | None) -> AbstractContextManager[None]:
    return nullcontext() if limit_s is None else Stoppable((stop,), limit_s)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 (below the cell whose job it is)


async def taken_up(stops: Sequence[Stop]) -> None:
    """Takes an interrupt that came just before the jobs for one of theirs."""
    try:
        await settled()
    except asyncio.CancelledError:
        for stop in stops:
            stop.reason = "cancelled"
        uncancel = getattr(asyncio.current_task(), "uncancel", None)  # from Python 3.11 on, who obeys must say so
        if uncancel is not None:
            uncancel()
