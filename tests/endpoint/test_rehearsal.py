"""Traffic on real handlers, in this process: what is measured, and that Ctrl-C and the end leave nothing behind."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from rp_notebook.endpoint.rehearsal import Rehearsal, Rehearsed
from rp_notebook.endpoint.traffic import Traffic
from rp_notebook.jobs.handler import as_handler
from rp_notebook.jobs.history import History
from rp_notebook.jobs.worker import Worker
from tests.journeys.places import waited


@pytest.fixture
def rehearsed() -> Callable[..., Rehearsed]:
    history = History()
    worker = Worker(history)

    def rehearse(
        call: Any, traffic: Traffic, seconds: float, inputs: tuple[Any, ...] = (1,), **terms: Any
    ) -> Rehearsed:
        concurrency = terms.pop("concurrency", None)
        handler = as_handler(call)._replace(concurrency=concurrency)
        jobs = [{"input": given} for given in inputs]
        found = asyncio.run(Rehearsal(handler, worker, jobs, traffic, seconds, **terms).played())
        assert not history.lines()
        return found

    return rehearse


def sync(job):
    time.sleep(0.02)
    return job["input"]


async def awaiting(job):
    await asyncio.sleep(0.02)
    return job["input"]


def yielding(job):
    yield job["input"]
    time.sleep(0.02)


async def yielding_async(job):
    yield job["input"]
    await asyncio.sleep(0.02)


@pytest.mark.parametrize("call", [sync, awaiting, yielding, yielding_async], ids=lambda call: call.__name__)
def test_every_kind_of_handler_answers_every_job(rehearsed, call) -> None:
    found = rehearsed(call, Traffic(30), 0.5)
    assert found.sent == len(found.ran) > 3
    assert {ran.outcome for ran in found.ran} == {"COMPLETED"}
    assert min(ran.execution_ms for ran in found.ran) >= 19
    assert not found.stopped


def test_a_burst_waits_for_the_jobs_before_it_where_a_handler_blocks(rehearsed) -> None:
    delays = sorted(ran.delay_ms for ran in rehearsed(sync, Traffic(1, burst=5), 0.01).ran)
    assert len(delays) == 5
    assert all(delay >= 19 * at for at, delay in enumerate(delays))


def test_async_jobs_overlap_up_to_their_concurrency(rehearsed) -> None:
    now = most = 0

    async def counting(_job):
        nonlocal now, most
        now += 1
        most = max(now, most)
        await asyncio.sleep(0.02)
        now -= 1

    assert len(rehearsed(counting, Traffic(1, burst=9), 0.01, concurrency=4).ran) == 9
    assert most == 4


def test_clients_send_their_next_job_when_the_last_is_over(rehearsed) -> None:
    found = rehearsed(awaiting, Traffic(1, clients=3), 0.2, concurrency=3)
    assert 10 < len(found.ran) <= 3 * 11
    assert max(ran.delay_ms for ran in found.ran) < 1000


def test_a_single_job_makes_no_high_rate(rehearsed) -> None:
    assert rehearsed(lambda job: 1, Traffic(0.1), 0.2).seconds == 0.2


def test_jobs_come_from_what_is_given_and_each_as_often_as_the_others(rehearsed) -> None:
    seen = []
    rehearsed(lambda job: seen.append(str(job["input"])), Traffic(1, burst=6), 0.01, ("a", "b", {"c": None}))
    assert sorted(seen) == ["a", "a", "b", "b", "{'c': None}", "{'c': None}"]


def test_where_more_jobs_come_than_can_be_done_it_ends_all_the_same(rehearsed, monkeypatch) -> None:
    monkeypatch.setattr("rp_notebook.endpoint.rehearsal.PATIENCE_S", 0.2)
    found = rehearsed(sync, Traffic(1, burst=500), 0.01)
    assert 0 < len(found.ran) < found.sent == 500
    assert not found.stopped


def test_failures_are_told_by_kind_and_the_first_of_each_is_kept(rehearsed) -> None:
    def odd(job):
        match job["input"]:
            case "raise":
                raise ValueError("no")
            case "lose":
                return {1, 2}
            case "large":
                return "x" * 10_000_000
            case "exit":
                raise SystemExit(3)
            case "late":
                time.sleep(60)
        return 1

    inputs = ("raise", "lose", "large", "exit", "late", "well")
    found = rehearsed(odd, Traffic(1, burst=24), 0.01, inputs, timeout_s=0.05)
    assert len(found.ran) == 24
    told = {(ran.outcome, ran.note.split("\n")[0]) for ran in found.ran}
    assert {outcome for outcome, _ in told} == {"COMPLETED", "FAILED", "LOST", "TOO LARGE"}
    assert ("FAILED", "ValueError: no") in told
    assert ("FAILED", "executionTimeout exceeded") in told
    assert len(found.odd) == 5
    assert {record.outcome for record in found.odd} == {"FAILED", "LOST", "TOO LARGE"}


@pytest.mark.parametrize("call", [sync, awaiting, yielding, yielding_async], ids=lambda call: call.__name__)
@pytest.mark.parametrize("rate", [0.001, 200], ids=["waiting", "running"])
def test_ctrl_c_ends_it_and_shows_what_was_measured(rehearsed, call, rate) -> None:
    threads, before = threading.active_count(), signal.getsignal(signal.SIGINT)
    timer = threading.Timer(0.3, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    timer.start()
    began = time.monotonic()
    found = rehearsed(call, Traffic(rate), 3600)
    assert time.monotonic() - began < 30
    timer.join()
    assert found.stopped
    assert found.ran
    assert {ran.outcome for ran in found.ran} == {"COMPLETED"}
    assert signal.getsignal(signal.SIGINT) is before
    waited(lambda: threading.active_count() <= threads + 1)  # the worker's own lives as long as it does


def test_who_is_cancelled_ends_it_too() -> None:
    async def cancelled() -> None:
        worker = Worker(History())
        rehearsal = Rehearsal(as_handler(awaiting), worker, [{"input": 1}], Traffic(50), 3600)
        task = asyncio.ensure_future(rehearsal.played())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(cancelled())
