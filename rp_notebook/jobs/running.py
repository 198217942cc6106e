"""Runs a job to its record: in a loop of its own, or in the one that is already running."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from rp_notebook.jobs.ambient import notebook
from rp_notebook.jobs.driving import drive, in_own_context
from rp_notebook.jobs.events import Cancelled, Completed, Event, Failed, Lost, Progressed, TimedOut, Yielded
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.handler import Handler, as_handler
from rp_notebook.jobs.interrupts import RUNNING, Stop, Stoppable, obey, settled
from rp_notebook.jobs.job import Job, Status, advance
from rp_notebook.jobs.judgement import renamed, told_late
from rp_notebook.jobs.posts import Post
from rp_notebook.jobs.progress import Listening, progressed
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.request import Request, request_of
from rp_notebook.jobs.runner import Clock, run
from rp_notebook.jobs.schema import schema_findings, validated_by

Listener = Callable[[Job, Event], None]

LATE_S = 0.1  # an update this close to the end may overtake it: each is posted by a thread of its own


def run_job(
    handler: Callable[[Any], Any] | Handler,
    job: Any,
    *,
    aggregate: bool = False,
    refresh: bool = False,
    clock: Clock = time.time,
) -> JobRecord:
    """Runs one job as a RunPod worker would, and returns what it would have posted.

    `job` is `{"id": ..., "input": ...}` or the bare input; it reaches the handler through JSON, as in production.
    `aggregate` and `refresh` are `return_aggregate_stream` and `refresh_worker` of `runpod.serverless.start`; a
    registered `Handler` brings its own. `clock` gives seconds since the epoch.

    Raises `BadInput` for an input that is not JSON, `BadDeclaration` for a handler that cannot be called, and
    `NeedsAwait` for an async handler inside a running loop (a notebook cell): await `arun_job` there. Whatever the
    handler raises is in the record; Ctrl-C ends the job and is raised again.
    """
    chosen = notebook.known(as_handler(handler, aggregate=aggregate, refresh=refresh))
    request = request_of(job)
    stop = Stop()
    with Stoppable((stop,), request.timeout_s):
        record = drive(_recorded(chosen, request, clock, stop, notebook.listener), chosen, stop)
    notebook.ended(record)
    if stop.reason == "cancelled":
        # From a task, KeyboardInterrupt would end the loop, and the kernel with it.
        raise KeyboardInterrupt if asyncio._get_running_loop() is None else asyncio.CancelledError  # noqa: SLF001 (as in `drive`)
    return record


async def arun_job(
    handler: Callable[[Any], Any] | Handler,
    job: Any,
    *,
    aggregate: bool = False,
    refresh: bool = False,
    clock: Clock = time.time,
) -> JobRecord:
    """`run_job` for a running event loop, such as that of a notebook cell: `record = await arun_job(...)`.

    Ctrl-C ends the job, and is raised as `asyncio.CancelledError`.
    """
    chosen = notebook.known(as_handler(handler, aggregate=aggregate, refresh=refresh))
    request = request_of(job)
    stop = Stop()
    with Stoppable((stop,), request.timeout_s, passed_on=True):
        await settled()
        record = await attempt(chosen, request, clock, stop, notebook.listener)
    notebook.ended(record)
    if stop.reason == "cancelled":
        await settled()  # who had SIGINT before may cancel us: once is enough
        raise asyncio.CancelledError
    return record


async def attempt(
    handler: Handler, request: Request, clock: Clock, stop: Stop, tell: Listener | None = None
) -> JobRecord:
    """Runs `request` on `handler` in the running loop; `stop` ends it and `tell` hears of every event.

    An async handler runs in a task of its own, as in a worker, so that it alone can be cancelled.
    """
    if not handler.awaits:
        return await in_own_context(_recorded(handler, request, clock, stop, tell))
    stop.task = task = asyncio.ensure_future(_recorded(handler, request, clock, stop, tell))
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:  # we are cancelled, not the job: end it, and obey
        stop.reason = stop.reason or "cancelled"
        task.cancel()
        await asyncio.wait({task})
        raise
    if task.cancelled():  # before its first step
        event = TimedOut(clock()) if stop.reason == "timed out" else Cancelled(clock())
        job = advance(_waiting(handler, request), event)
        if tell is not None:
            tell(job, event)
        return JobRecord(job, ())
    return task.result()


async def _recorded(
    handler: Handler, request: Request, clock: Clock, stop: Stop, tell: Listener | None = None
) -> JobRecord:
    recording = _Recording(_waiting(handler, request), tell)
    given = request.decoded()

    def told(progress: Any) -> None:
        recording.happened(progressed(progress, clock()))
        obey()

    RUNNING.set(stop)  # in a context that ends with the job
    stop.job_id = request.id
    notebook.stops.append(stop)
    try:
        with Listening(request.id, told):
            ending = await run(handler, given, clock, recording.happened, recording.noted.append)
    except BaseException as end:  # noqa: BLE001 (what is no Exception ends a worker's task, and the job with it)
        ending = _ended_by(end, stop, clock())
    finally:
        notebook.stops.remove(stop)
    stop.over = True
    recording.happened(ending)
    if given.get("id") != request.id:
        recording.noted.append(renamed(request.id, given.get("id")))
    for schema in validated_by(handler.call):
        recording.noted.extend(schema_findings(schema))
    return recording.record()


def _waiting(handler: Handler, request: Request) -> Job:
    return Job(request.id, handler.name, request, Status.IN_QUEUE, None, None, None, None, handler.version)


class _Recording:
    """Folds the events of a job into its record; `tell` hears of each."""

    def __init__(self, job: Job, tell: Listener | None) -> None:
        self.job = job
        self.noted: list[Finding] = []
        self._tell = tell
        self._posts: list[Post] = []
        self._dropped: list[str] = []
        self._last_told: float | None = None
        self._unsent: Any = None

    def happened(self, event: Event) -> None:
        self.job = advance(self.job, event)
        match event:
            case Completed() | Failed():
                self._posts.append(event.post)
            case Lost():
                self._unsent = event.unsent
            case Yielded() | Progressed():
                if event.post is None:
                    self._dropped.append(event.lost or "")
                else:
                    self._posts.append(event.post)
                if isinstance(event, Progressed):
                    self._last_told = event.at
        if self._tell is not None:
            self._tell(self.job, event)

    def record(self) -> JobRecord:
        ended_at = None if self.job.lost else self.job.ended_at  # of an answer, which the update could overtake
        if self._last_told is not None and ended_at is not None and ended_at - self._last_told < LATE_S:
            self.noted.insert(0, told_late(ended_at - self._last_told))
        return JobRecord(
            self.job, tuple(self._posts), tuple(self._dropped), noted=tuple(self.noted), unsent=self._unsent
        )


def _ended_by(end: BaseException, stop: Stop, at: float) -> Event:
    match stop.reason, end:
        case "cancelled", _:
            return Cancelled(at)
        case "timed out", _:
            return TimedOut(at)
        case _, asyncio.CancelledError():
            return Lost(at, "the handler raised CancelledError: a worker takes it for a stopped job and posts nothing")
        case _, KeyboardInterrupt():
            said = "the handler raised KeyboardInterrupt: the worker process ends and posts nothing"
            return Lost(at, said, fatal=True)
        case _:
            return Lost(at, f"the handler raised {type(end).__name__}: the worker logs it and posts nothing")
