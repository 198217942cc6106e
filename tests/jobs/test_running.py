"""Jobs that are stopped, told, or run inside a running loop."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest
from runpod.serverless import progress_update

from rp_notebook import arun_job, run_job
from rp_notebook.errors import NeedsAwait
from rp_notebook.jobs.events import Completed, Progressed, Started, Yielded
from rp_notebook.jobs.handler import Handler, Kind, as_handler
from rp_notebook.jobs.interrupts import Stop, end
from rp_notebook.jobs.request import request_of
from rp_notebook.jobs.running import LATE_S, attempt

JOB = {"id": "job-1", "input": None}


async def sleeps(job):
    await asyncio.sleep(30)


async def streams_and_sleeps(job):
    yield 1
    await asyncio.sleep(30)


def streams(job):
    yield 1
    progress_update(job, 2)
    yield {3}


@pytest.mark.parametrize(
    ("raised", "lost"),
    [
        (asyncio.CancelledError(), "CancelledError: a worker takes it for a stopped job and posts nothing"),
        (KeyboardInterrupt(), "KeyboardInterrupt: the worker process ends and posts nothing"),
        (GeneratorExit(), "GeneratorExit: the worker logs it and posts nothing"),
    ],
    ids=["cancelled", "keyboard", "another"],
)
def test_the_record_of_a_lost_job_says_what_becomes_of_the_worker(raised: BaseException, lost: str) -> None:
    def handler(job):
        raise raised

    assert run_job(handler, JOB).lost == f"the handler raised {lost}"


def test_ctrl_c_ends_the_job_and_is_raised_again() -> None:
    def handler(job):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        run_job(handler, JOB)


@pytest.mark.parametrize("handler", [sleeps, streams_and_sleeps])
@pytest.mark.parametrize(
    ("reason", "status", "error"),
    [("cancelled", "CANCELLED", None), ("timed out", "FAILED", "executionTimeout exceeded")],
)
def test_a_stopped_job_ends_for_the_reason_it_was_stopped(handler, reason, status, error) -> None:
    async def stopped():
        stop = Stop()
        running = asyncio.ensure_future(attempt(as_handler(handler), request_of(JOB), time.time, stop))
        await asyncio.sleep(0.05)
        end([stop], reason, None)
        return await running

    record = asyncio.run(stopped())
    assert (record.status, record.error, record.final) == (status, error, None)
    assert record.lost
    assert record.findings == ()


def test_a_job_that_is_stopped_before_its_first_step_is_cancelled() -> None:
    handler = Handler("sleeps", sleeps, Kind.ASYNC, version=3)

    async def stopped():
        stop = Stop()
        running = asyncio.ensure_future(attempt(handler, request_of(JOB), time.time, stop))
        while stop.task is None:
            await asyncio.sleep(0)
        stop.task.cancel()
        return await running

    record = asyncio.run(stopped())
    assert (record.status, record.posts, record.job.started_at) == ("CANCELLED", (), None)
    assert (record.id, record.job.handler, record.job.version) == ("job-1", "sleeps", 3)


def test_who_awaits_a_job_can_be_cancelled_and_ends_it_first() -> None:
    ended: list[str] = []

    async def handler(job):
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.01)
            ended.append("handler")

    async def cancelled():
        running = asyncio.ensure_future(arun_job(handler, JOB))
        await asyncio.sleep(0.05)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        ended.append("caller")

    began = time.monotonic()
    asyncio.run(cancelled())
    assert ended == ["handler", "caller"]
    assert time.monotonic() - began < 10


def test_a_cancelled_caller_ends_what_the_handler_gave_it_to_await() -> None:
    ended: list[str] = []

    async def waits():
        try:
            await asyncio.sleep(30)
        finally:
            ended.append("awaitable")

    async def cancelled():
        running = asyncio.ensure_future(arun_job(lambda job: waits(), JOB))
        await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.wait({running}, timeout=10)
        return running.done()

    assert asyncio.run(cancelled())
    assert ended == ["awaitable"]


def test_a_sync_handler_runs_in_the_task_that_awaits_it_and_an_async_one_in_its_own() -> None:
    async def own(job):
        return asyncio.current_task().get_name()

    async def names():
        asyncio.current_task().set_name("caller")
        sync = await arun_job(lambda job: asyncio.current_task().get_name(), JOB)
        return sync.output, (await arun_job(own, JOB)).output

    sync, coroutine = asyncio.run(names())
    assert sync == "caller" != coroutine


@pytest.mark.parametrize("run", [run_job, lambda *job, **options: asyncio.run(arun_job(*job, **options))])
@pytest.mark.parametrize(
    ("options", "final"),
    [
        ({}, b'{"output": []}'),
        ({"aggregate": True}, b'{"output": [1]}'),
        ({"refresh": True}, b'{"output": [], "stopPod": true}'),
    ],
    ids=["neither", "aggregate", "refresh"],
)
def test_the_options_reach_the_job(run, options, final) -> None:
    def handler(job):
        yield 1

    assert run(handler, JOB, **options).final.body == final


def test_every_event_is_told_with_the_job_as_it_is_then() -> None:
    told = []
    handler = Handler("streams", streams, Kind.GENERATOR, version=2)
    record = asyncio.run(
        attempt(handler, request_of(JOB), time.time, Stop(), lambda job, event: told.append((job, event)))
    )
    assert [type(event) for _, event in told] == [Started, Yielded, Progressed, Yielded, Completed]
    assert [job.status for job, _ in told] == ["IN_PROGRESS"] * 4 + ["COMPLETED"]
    assert told[-1][0] is record.job
    assert record.job.version == 2
    assert [post.kind for post in record.posts] == ["stream", "progress", "done"]


@pytest.mark.parametrize(("later", "codes"), [(LATE_S * 0.9, ["RPJ113"]), (LATE_S * 1.1, [])], ids=["late", "early"])
def test_only_an_update_just_before_the_end_is_told(later: float, codes: list[str]) -> None:
    now = [1000.0]

    def handler(job):
        progress_update(job, 1)
        now[0] += later

    assert [finding.code for finding in run_job(handler, JOB, clock=lambda: now[0]).findings] == codes
    assert LATE_S == 0.1


def test_an_async_handler_is_refused_inside_a_running_loop_before_it_starts(recwarn) -> None:
    started: list[str] = []

    async def handler(job):
        started.append("async")

    async def stream(job):
        started.append("async generator")
        yield 1

    def returns_awaitable(job):
        return sleeps(job)

    async def inside():
        for refused in (handler, stream, returns_awaitable):
            with pytest.raises(NeedsAwait, match=f"await rp_notebook\\.arun_job\\({refused.__name__}, "):
                run_job(refused, JOB)
        return run_job(lambda job: 1, JOB).output

    assert asyncio.run(inside()) == 1
    assert (started, list(recwarn)) == ([], [])


@pytest.mark.parametrize("run", [run_job, lambda *job: asyncio.run(arun_job(*job))])
def test_what_the_awaitable_of_a_sync_handler_raises_is_the_jobs_error(run) -> None:
    async def fails():
        await asyncio.sleep(0)
        raise ValueError("boom")

    assert run(lambda job: fails(), JOB).exception["error_message"] == "boom"


@pytest.mark.parametrize("kind", ["async", "async generator", "awaitable"])
def test_a_closed_loop_is_replaced(kind: str) -> None:
    async def work(job):
        return id(asyncio.get_running_loop())

    async def stream(job):
        yield id(asyncio.get_running_loop())

    handler = {"async": work, "async generator": stream, "awaitable": lambda job: work(job)}[kind]
    loops: list[asyncio.AbstractEventLoop] = []
    run_job(lambda job: loops.append(asyncio.get_running_loop()), JOB)
    loops[0].close()
    assert run_job(handler, JOB).status == "COMPLETED"
