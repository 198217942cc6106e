"""Traffic on a handler in this process: jobs come as clients would send them, wait in a queue, and run as they can."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, NamedTuple

from rp_notebook.endpoint.asked import limit_of
from rp_notebook.endpoint.queue import Queue
from rp_notebook.endpoint.traffic import Arrivals, Traffic
from rp_notebook.jobs.events import Cancelled, Completed, Event, Failed, Lost, Progressed, Started, TimedOut, Yielded
from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.interrupts import Stop, Stoppable
from rp_notebook.jobs.job import Job, Status
from rp_notebook.jobs.pools import demand_of
from rp_notebook.jobs.posts import Post
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.request import Request, request_of
from rp_notebook.jobs.worker import Worker, taken_up

NAME = "notebook"
ODD_KEPT = 10
PATIENCE, PATIENCE_S = 3, 60.0  # jobs begin for so many times as long as they come, and for so long at least


class Ran(NamedTuple):
    """A job that ended: how (`JobRecord.outcome`), what there is to say about it, how long it waited and ran, in ms."""

    outcome: str
    note: str
    delay_ms: float
    execution_ms: float


@dataclass(frozen=True)
class Rehearsed:
    """What came of some traffic in `seconds`: the jobs that ended, how many were sent, and whether it was stopped.

    `odd` has the first job of each way to fail, `gauged` the one that took most of a GPU, if any did.
    """

    ran: tuple[Ran, ...]
    sent: int
    seconds: float
    stopped: bool
    odd: tuple[JobRecord, ...] = ()
    gauged: tuple[JobRecord, ...] = ()


def reporting(queue: Queue, job: Job, event: Event) -> None:
    """Has happen to the job in the queue what happened to it here, as a worker's posts would."""
    match event:
        case Started(at=at):
            queue.begin(job.id, NAME, at)
        case Yielded(post=Post() as post) | Progressed(post=Post() as post) | Completed(post=post) | Failed(post=post):
            queue.post(job.id, post)
        case Lost(why=why, fatal=fatal):
            (queue.fail if fatal else queue.lose)(job.id, why)
        case TimedOut():
            queue.expire(job.id)
        case Cancelled():
            queue.stop(job.id)


@dataclass(eq=False)
class Rehearsal:
    """Sends `traffic` for `seconds` at a handler; the jobs are `jobs`, dealt out at random, again and again.

    A job's time is bounded by `timeout_s`, in seconds, else by its own policy, else by that of the handler. Where more
    come than can be done, those that wait in the end are left waiting.
    """

    handler: Handler
    worker: Worker
    jobs: Sequence[dict[str, Any]]
    traffic: Traffic
    seconds: float
    timeout_s: float | None = None
    random: Random = field(default_factory=lambda: Random(0))

    def __post_init__(self) -> None:
        self._queue = Queue(self.handler.name, time.time)
        self._arrivals = Arrivals(self.traffic, self.seconds, self.random)
        self._left: list[dict[str, Any]] = []  # of `jobs`, before they are dealt out anew
        self._sent_at: dict[str, float] = {}
        self._ran: list[Ran] = []
        self._odd: dict[tuple[str, str], JobRecord] = {}
        self._gauged: tuple[JobRecord, ...] = ()
        self._sent = 0
        self._began = time.time()

    async def played(self) -> Rehearsed:
        """Runs it on the loop of who calls. Ctrl-C ends it and the jobs that run; what was measured is told."""
        stop = Stop()
        with Stoppable((stop,)):
            await taken_up((stop,))
            stop.task = asyncio.ensure_future(self._play())
            if stop.reason is not None:  # it came before there was a task to cancel
                stop.task.cancel()
            try:
                await asyncio.wait({stop.task})
            finally:  # we may be cancelled ourselves
                stop.task.cancel()
                await asyncio.wait({stop.task})
        if not stop.task.cancelled():
            stop.task.result()
        seconds = time.time() - self._began
        if stop.reason is None:
            seconds = max(seconds, self.seconds)  # so long it was, though nobody came at its end
        odd = tuple(self._odd.values())
        return Rehearsed((*self._ran,), self._sent, seconds, stop.reason is not None, odd, self._gauged)

    async def _play(self) -> None:
        self._began = time.time()
        running: set[asyncio.Task[None]] = set()
        capacity = max(self.handler.concurrency or 1, 1) if self.handler.awaits else 1
        latest = self._began + max(PATIENCE * self.seconds, PATIENCE_S)
        try:
            while True:
                self._let_come()
                while (
                    time.time() < latest and len(running) < capacity and (request := self._queue.reserve()) is not None
                ):
                    running.add(asyncio.ensure_future(self._run(request)))
                due = self._arrivals.next
                if due is None and not running:
                    return
                rest_s = None if due is None else max(self._began + due - time.time(), 0.0)
                if not running:
                    await asyncio.sleep(rest_s or 0.0)
                    continue
                done, running = await asyncio.wait(running, timeout=rest_s, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:  # stopped: so are the jobs
            for task in running:
                task.cancel()
            if running:
                await asyncio.wait(running)

    def _let_come(self) -> None:
        """Puts what has been sent by now; a sync handler kept us from doing so when it came."""
        while (due := self._arrivals.next) is not None and self._began + due <= time.time():
            self._left = self._left or self.random.sample(self.jobs, len(self.jobs))
            request = request_of(self._left.pop())
            self._sent_at[request.id] = self._began + self._arrivals.take()
            self._queue.put(request, limit=limit_of("run"))
            self._sent += 1

    async def _run(self, request: Request) -> None:
        record = await self.worker.run(self.handler, request, self.timeout_s, aside=self._happened)
        sent_at = self._sent_at.pop(request.id)
        self._queue.forget(request.id)  # with its answer: there may be many, and large ones
        if record.status is Status.CANCELLED or record.job.started_at is None:
            return
        ran = Ran(
            record.outcome,
            "" if record.outcome == "COMPLETED" else record.note,
            max(record.job.started_at - sent_at, 0.0) * 1000,
            record.execution_ms or 0.0,
        )
        self._ran.append(ran)
        demand, most = demand_of((record,)), demand_of(self._gauged)
        if demand is not None and (most is None or demand.needed > most.needed):
            self._gauged = (replace(record, posts=()),)
        if ran.note and len(self._odd) < ODD_KEPT:
            self._odd.setdefault((ran.outcome, ran.note), record)
        self._arrivals.ended(time.time() - self._began)

    def _happened(self, job: Job, event: Event) -> None:
        reporting(self._queue, job, event)
