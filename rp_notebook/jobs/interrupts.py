"""Ends a running job from outside, by Ctrl-C or by a timeout, and spares everything around it."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` makes enums of all it is given: 16 us a job
import asyncio
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal

Reason = Literal["cancelled", "timed out"]

OURS = "rp_notebook.jobs."
# The functions from which the handler's code runs, by module and name: an interrupt may raise below them, until our
# own code is called again.
CALLING = frozenset(
    {
        ("rp_notebook.jobs.runner", "_plain"),
        ("rp_notebook.jobs.runner", "_chunks"),
        ("rp_notebook.jobs.driving", "awaited"),
    }
)
TURNS = 3  # of a loop, from a signal until ipykernel has cancelled the cell, and a wait_for in it what it waits for
ARRIVES_S = 1.0  # far longer than a signal takes to the thread that it was sent to


@dataclass(eq=False)
class Stop:
    """The way to end one running job. `reason` is set once somebody asked for it; `task` runs an async handler.

    `asked` is what is asked for this job alone, and `sent` whether a signal that says so is on its way.
    """

    reason: Reason | None = None
    task: asyncio.Task[object] | None = None
    asked: Reason | None = None
    sent: bool = False
    over: bool = False  # it has its ending
    missed: bool = False  # a person's Ctrl-C came after that
    job_id: str = ""


RUNNING: ContextVar[Stop | None] = ContextVar("RUNNING", default=None)  # of the job whose code this is, tasks included


def obey() -> None:
    """Ends the job here if that was asked for while our code ran. Stands in front of every entry into the handler."""
    stop = RUNNING.get()
    if stop is None or stop.reason is None or threading.current_thread() is not threading.main_thread():
        return
    if stop.task is not None and _current_task() not in (None, stop.task):
        raise asyncio.CancelledError  # in a task of the handler's own, anything else would end the loop
    raise KeyboardInterrupt


def cancellable() -> bool:
    """Whether a task runs this code. Then it is the one to cancel while the job is awaited, if it has none yet."""
    task, stop = _current_task(), RUNNING.get()
    if task is not None and stop is not None:
        stop.task = stop.task or task
    return task is not None


async def settled() -> None:
    """Lets an interrupt arrive that came before ours was the handler of SIGINT: it cancels a cell turns later."""
    # An interrupt leaves a callback; without one there is nothing to wait for, and three turns cost as much as a job.
    if not getattr(asyncio.get_running_loop(), "_ready", True):
        return
    for _ in range(TURNS):
        await asyncio.sleep(0)


def end(stops: Sequence[Stop], reason: Reason, frame: FrameType | None) -> None:
    """Ends running jobs: raises when `frame` is in the code of one of them, and cancels the tasks of the others.

    A signal that comes while our own code runs only leaves the reason: `obey` does the rest.
    """
    current = _current_task()
    for stop in stops:
        stop.reason = stop.reason or reason
        if stop.task is not None and stop.task is not current:
            stop.task.cancel()  # at once: its next step may come before any callback, and block the loop in turn
            stop.task.get_loop().call_soon_threadsafe(lambda: None)  # a loop that waits for its files must turn
    if RUNNING.get() not in stops:
        return
    place = _place(frame)
    if place == "handler":
        raise KeyboardInterrupt
    if place == "elsewhere" and current is not None:
        raise asyncio.CancelledError  # in a task of the handler's own, anything else would end the loop


def in_use(handler: Any) -> Any:
    """A handler of SIGINT, or, for one of ours whose jobs are over, what was there before it."""
    while isinstance(handler, _Sigint) and not handler.blocks:
        handler = handler.before
    return handler


def asks_whether_alive(frame: FrameType | None) -> bool:
    """Whether `frame` is in `Thread.is_alive`, and nothing may be raised there.

    CPython up to 3.12 then takes the thread for ended. ipykernel asks it of the thread that sends what is printed, for
    each print, and would send from two threads at once, which ends the kernel.
    """
    for _ in range(5):
        if frame is None:
            return False
        if frame.f_code.co_name == "is_alive" and frame.f_globals.get("__name__") == "threading":
            return True
        frame = frame.f_back
    return False


def stops_of(handler: Any) -> list[Stop]:
    """The jobs that this handler of SIGINT would end."""
    return [stop for block in handler.blocks for stop in block.stops] if isinstance(handler, _Sigint) else []


def is_asked(handler: Any) -> bool:
    """Whether a signal that this handler of SIGINT gets now is for one job, and not from a person."""
    return any(stop.sent for stop in stops_of(handler))


class _Sigint:
    """The handler of SIGINT while jobs run, however their blocks overlap; `before` was there before them."""

    def __init__(self, before: Any) -> None:
        self.before = signal.default_int_handler if before is None else before
        self.blocks: list[Stoppable] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self.blocks:  # brought back by somebody who had saved us
            _signal.signal(signal.SIGINT, self.before)
            if callable(self.before):
                self.before(number, frame)
            return
        asked = [stop for stop in stops_of(self) if stop.sent]
        for stop in asked:
            stop.sent = False
        for stop in asked:
            end((stop,), stop.asked or "cancelled", frame)
        if asked:
            return
        due = [block for block in self.blocks if block.due]
        for block in due:
            block.due = False
        shared = not due and all(block.passed_on for block in self.blocks)
        # Not the default one: it raises, wherever we are.
        if shared and callable(self.before) and self.before is not signal.default_int_handler:
            self.before(number, frame)
        stops = [stop for block in due or self.blocks for stop in block.stops]
        for stop in stops[:1]:
            stop.missed = not due and all(stop.over for stop in stops)
        end(stops, "timed out" if due else "cancelled", frame)


class Stoppable:
    """While a block runs under it, Ctrl-C ends the jobs of `stops` and nothing else; so does `timeout_s`, in seconds.

    With `passed_on`, who had SIGINT before hears of Ctrl-C too. Blocks may overlap and end in any order.
    The kernel's own handling of SIGINT cannot be used: it does not reach a synchronous handler in an async cell.
    Outside the main thread, where Python delivers no signals, the block just runs.
    """

    def __init__(self, stops: Sequence[Stop], timeout_s: float | None = None, *, passed_on: bool = False) -> None:
        self.stops = stops
        self.passed_on = passed_on
        self.due = False  # its time is up, and the signal that says so is on its way
        self._timeout_s = timeout_s
        self._end_timer: Callable[[], None] | None = None
        self._owner: _Sigint | None = None

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        owner = _signal.getsignal(signal.SIGINT)
        if not isinstance(owner, _Sigint) or not owner.blocks:
            owner = _Sigint(in_use(owner))
        owner.blocks.append(self)  # first: a signal that found none would be nobody's
        self._owner = owner
        if len(owner.blocks) == 1:
            _signal.signal(signal.SIGINT, owner)
        if self._timeout_s is not None:
            self._end_timer = _timer(self, self._timeout_s)

    def __exit__(self, *_: object) -> None:
        owner = self._owner
        if owner is None:
            return
        if self._end_timer is not None:
            self._end_timer()
        until_arrived(lambda: any(stop.sent for stop in self.stops))
        owner.blocks.remove(self)
        if not owner.blocks and _signal.getsignal(signal.SIGINT) is owner:
            _signal.signal(signal.SIGINT, owner.before)


def _timer(block: Stoppable, timeout_s: float) -> Callable[[], None]:
    """Sends a signal when the time of `block` is up. Once the returned function returns, none is on its way."""
    turn = threading.Lock()
    over = False

    def time_is_up() -> None:
        with turn:
            if not over:
                block.due = True
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def stop() -> None:
        nonlocal over
        timer.cancel()
        with turn:
            over = True
        until_arrived(lambda: block.due)

    timer = threading.Timer(timeout_s, time_is_up)
    timer.daemon = True
    timer.start()
    return stop


def until_arrived(on_its_way: Callable[[], bool]) -> None:
    """Waits for a signal that was sent: it must not reach who has SIGINT next."""
    latest = time.monotonic() + ARRIVES_S
    while on_its_way() and time.monotonic() < latest:
        time.sleep(0.001)


def _current_task() -> asyncio.Task[Any] | None:
    loop = asyncio._get_running_loop()  # noqa: SLF001 (get_running_loop, without the cost of its exception)
    return None if loop is None else asyncio.current_task(loop)


def _place(frame: FrameType | None) -> Literal["handler", "ours", "elsewhere"]:
    if asks_whether_alive(frame):
        return "ours"
    while frame is not None:
        module = frame.f_globals.get("__name__") or ""
        if (module, frame.f_code.co_name) in CALLING:
            return "handler"
        if module.startswith(OURS):
            return "ours"
        frame = frame.f_back
    return "elsewhere"
