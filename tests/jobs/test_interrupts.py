"""An interrupt ends the jobs that run, at the next place where that is safe, and is heard by whoever else must."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack

import pytest

from rp_notebook import arun_job, run_job
from rp_notebook.jobs.handler import as_handler
from rp_notebook.jobs.history import History
from rp_notebook.jobs.interrupts import Stop, Stoppable
from rp_notebook.jobs.request import request_of
from rp_notebook.jobs.running import attempt
from rp_notebook.jobs.worker import Worker


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def the_handler_of_sigint_stays():
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before


@pytest.fixture
def soon():
    timers = []

    def start(after_s: float = 0.1) -> None:
        timers.append(threading.Timer(after_s, interrupt))
        timers[-1].start()

    yield start
    for timer in timers:
        timer.join()


def on_a_worker(handler, tell=lambda job, event: None, timeout_s: float | None = None):
    history = History()
    history.listen(tell)
    return asyncio.run(Worker(history).run(as_handler(handler), request_of(1), timeout_s))


async def sleeps_in_a_task(job):
    async def blocks():
        time.sleep(10)

    await asyncio.gather(blocks(), blocks())


async def awaits(job):
    await asyncio.sleep(10)


def prints(job):
    while True:
        print("more")


WAITING = {
    "sync": lambda job: time.sleep(10),
    "sync that returns a coroutine": lambda job: asyncio.sleep(10),
    "async": awaits,
    "async whose tasks block": sleeps_in_a_task,
    "prints without end": prints,
}


@pytest.mark.parametrize("kind", WAITING)
def test_a_job_is_cancelled_within_a_second(kind: str, soon, capsys) -> None:
    def took_s() -> float:
        soon(0.2)
        began = time.monotonic()
        assert on_a_worker(WAITING[kind]).status == "CANCELLED"
        return time.monotonic() - began

    assert any(took_s() < 1.2 for _ in range(3))  # a machine may stand still for a second


@pytest.mark.parametrize("kind", WAITING)
def test_a_timeout_ends_the_same_jobs(kind: str, capsys) -> None:
    record = on_a_worker(WAITING[kind], timeout_s=0.1)
    assert (record.status, record.error) == ("FAILED", "executionTimeout exceeded")


def test_an_interrupt_while_the_job_is_told_of_keeps_the_handler_from_running() -> None:
    calls = []
    record = on_a_worker(calls.append, tell=lambda job, event: interrupt())
    assert (record.status, calls) == ("CANCELLED", [])


@pytest.mark.parametrize("kind", ["sync", "async", "generator", "async generator"])
def test_a_job_that_was_stopped_before_it_began_runs_none_of_its_code(kind: str) -> None:
    ran = []

    def sync(job):
        ran.append(1)

    async def awaited(job):
        ran.append(1)

    def generator(job):
        ran.append(1)
        yield 1

    async def async_generator(job):
        ran.append(1)
        yield 1

    handler = {"sync": sync, "async": awaited, "generator": generator, "async generator": async_generator}[kind]
    stopped = Stop(reason="cancelled")
    record = asyncio.run(attempt(as_handler(handler), request_of(1), time.time, stopped))
    assert (record.status, record.posts, ran) == ("CANCELLED", (), [])


async def _two_awaited_items(job):
    yield 1
    yield 2


def _two_items(job):
    yield 1
    yield 2


@pytest.mark.parametrize("handler", [_two_items, _two_awaited_items], ids=["generator", "async generator"])
def test_an_interrupt_between_two_items_ends_the_stream(handler) -> None:
    record = on_a_worker(handler, tell=lambda job, event: type(event).__name__ == "Yielded" and interrupt())
    assert (record.status, record.items) == ("CANCELLED", [1])


def test_an_interrupt_after_the_answer_takes_nothing_from_it() -> None:
    assert on_a_worker(lambda job: 7, tell=lambda job, event: job.ended_at and interrupt()).output == 7


def test_an_interrupt_behind_the_answer_of_a_served_job_is_for_who_has_them_without_it() -> None:
    heard: list[int] = []
    history = History()
    history.listen(lambda job, event: job.ended_at and interrupt())

    async def serves() -> None:
        record = await Worker(history).serve(as_handler(lambda job: 7), request_of(1), lambda ask: None)
        await asyncio.sleep(0)
        assert record.output == 7

    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        asyncio.run(serves())
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]


def test_an_interrupt_in_a_print_waits_until_it_is_written(monkeypatch) -> None:
    class Stream:
        written = ""

        def write(self, text: str) -> int:
            interrupt()
            self.written += text
            return len(text)

    stream = Stream()
    monkeypatch.setattr(sys, "stdout", stream)
    record = on_a_worker(lambda job: [sys.stdout.write("a"), sys.stdout.write("b")])
    assert (record.status, stream.written) == ("CANCELLED", "a")


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="threads know by other means there")
def test_no_interrupt_is_raised_where_a_thread_would_be_taken_for_ended() -> None:
    class Lock:
        def acquire(self, *_) -> bool:
            interrupt()
            return False

        def locked(self) -> bool:
            return True

        def release(self) -> None:
            raise AssertionError("the thread is taken for ended")

    def handler(job):
        threading.current_thread()._tstate_lock = Lock()
        return threading.current_thread().is_alive()

    lock = threading.current_thread()._tstate_lock
    try:
        assert on_a_worker(handler).output is True
    finally:
        threading.current_thread()._tstate_lock = lock


def test_a_timeout_that_comes_too_late_stops_nobody() -> None:
    for _ in range(200):
        with Stoppable((Stop(),), 0.0005):
            time.sleep(0.0004)  # a signal that came after the block would be a KeyboardInterrupt here


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)], ids=str)
def test_blocks_may_end_in_any_order(order: tuple[int, ...]) -> None:
    blocks = [ExitStack() for _ in order]
    stops = [Stop() for _ in order]
    for block, stop in zip(blocks, stops, strict=True):
        block.enter_context(Stoppable((stop,)))
    blocks[order[0]].close()
    interrupt()
    assert [stop.reason for stop in stops] == [None if at == order[0] else "cancelled" for at in range(3)]
    for at in order[1:]:
        blocks[at].close()


def test_jobs_inside_jobs_end_together(soon) -> None:
    inner = []

    def handler(job):
        try:
            run_job(WAITING["sync"], 1)
        finally:
            inner.append(asyncio.current_task() is not None)

    soon()
    assert on_a_worker(handler).status == "CANCELLED"
    assert inner == [True]


@pytest.mark.parametrize("kind", [kind for kind in WAITING if "prints" not in kind])
def test_a_loop_over_arun_job_ends(kind: str, soon) -> None:
    began = []

    async def loop():
        for _ in range(3):
            began.append(1)
            await arun_job(WAITING[kind], 1)

    soon()
    with pytest.raises((KeyboardInterrupt, asyncio.CancelledError)):
        asyncio.run(loop())
    assert len(began) == 1


@pytest.mark.parametrize("kind", [kind for kind in WAITING if "prints" not in kind])
def test_all_jobs_of_a_gather_end(kind: str, soon) -> None:
    async def crowd():
        try:
            await asyncio.gather(*(arun_job(WAITING[kind], 1) for _ in range(8)))
        finally:
            await asyncio.sleep(0.05)
            left.extend(asyncio.all_tasks() - {asyncio.current_task()})

    def took_s() -> float:
        soon(0.2)
        began = time.monotonic()
        with pytest.raises((KeyboardInterrupt, asyncio.CancelledError)):
            asyncio.run(crowd())
        return time.monotonic() - began

    left: list = []
    assert any(took_s() < 2 for _ in range(3))
    assert not left


def test_run_job_raises_the_interrupt_again(soon) -> None:
    soon()
    with pytest.raises(KeyboardInterrupt):
        run_job(WAITING["sync"], 1)
