"""Runs the jobs of a notebook one after another and records them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from rp_notebook.jobs.capture import copied_output
from rp_notebook.jobs.gauge import gauging
from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.history import History
from rp_notebook.jobs.interrupts import Stop, stoppable
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.request import Request
from rp_notebook.jobs.runner import Clock
from rp_notebook.jobs.running import attempt


class Worker:
    """Feeds `history` with the events and the records of the jobs it runs. `clock` gives seconds since the epoch."""

    def __init__(self, history: History, clock: Clock = time.time) -> None:
        self.history = history
        self._clock = clock

    async def run(self, handler: Handler, request: Request, timeout_s: float | None = None) -> JobRecord:
        """The record of one job. Ctrl-C, and `timeout_s` in seconds, end the job and nothing else."""
        stop = Stop()
        with copied_output() as printed, stoppable((stop,), _limit(handler, timeout_s)):
            gauge = gauging()
            record = await attempt(handler, request, self._clock, stop, self.history.happened)
            record = replace(record, gauge=gauge(), printed=printed.getvalue())
        self.history.ended(record)
        return record

    async def run_together(
        self, handler: Handler, requests: Sequence[Request], timeout_s: float | None = None
    ) -> list[JobRecord]:
        """Runs several jobs as a worker of that concurrency would: async handlers overlap, others do not.

        `timeout_s`, in seconds, is for all of them together. What they print is not told apart.
        """
        stops = tuple(Stop() for _ in requests)
        with stoppable(stops, _limit(handler, timeout_s)):
            records = await asyncio.gather(
                *(
                    attempt(handler, request, self._clock, stop, self.history.happened)
                    for request, stop in zip(requests, stops, strict=True)
                )
            )
        for record in records:
            self.history.ended(record)
        return records


def _limit(handler: Handler, timeout_s: float | None) -> float | None:
    return handler.timeout_s if timeout_s is None else timeout_s
