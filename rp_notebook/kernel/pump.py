"""The one place that starts jobs which no cell asked for: on the kernel's main loop, when no cell is open."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from rp_notebook.errors import RpNotebookError
from rp_notebook.jobs.events import Cancelled, Completed, Event, Failed, Lost, Progressed, Started, TimedOut, Yielded
from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.interrupts import Reason
from rp_notebook.jobs.job import Job
from rp_notebook.jobs.posts import Post
from rp_notebook.jobs.request import Request
from rp_notebook.jobs.worker import Worker
from rp_notebook.kernel.errand import interruptible
from rp_notebook.kernel.window import Window

UNLOADED = "the extension was unloaded from the kernel, or loaded anew"
NO_END = "the job ended without a word: please report this"
INTERRUPTED_S = 1.0  # who restarts a kernel interrupts it first: what waits must not begin in between
STOPPED_BEFORE = 1000  # jobs that were stopped before they came: so many are remembered


class Outlet(Protocol):
    """Who sent a job, and hears what becomes of it; `Seat` says what the words mean. Called on the main thread."""

    def began(self, job_id: str, capacity: int, at: float) -> None: ...
    def posted(self, job_id: str, post: Post) -> None: ...
    def ended(self, job_id: str, why: str | None, *, cancelled: bool = False) -> None: ...
    def refused(self, job_id: str, why: str) -> None: ...
    def withdrawn(self, job_id: str) -> None: ...


@dataclass(eq=False)
class Order:
    """A job that was sent: `handler` is the name of the one that is to run it, as it is registered by then."""

    handler: str
    request: Request
    outlet: Outlet
    ask: Callable[[Reason], None] | None = None  # while it runs
    stopped: Reason | None = None
    withdrawn: bool = False  # by the notebook's user, and not by who sent it


class Pump:
    """Runs what it is sent, one sync job at a time, async ones up to their handler's concurrency.

    `offer` and `stop` may be called on any thread, the rest belongs to the main one, whose loop is `loop`. `chosen`
    gives the handler of a name as it is registered now. While jobs run, `window` is held.
    """

    def __init__(
        self,
        worker: Worker,
        chosen: Callable[[str], Handler],
        loop: asyncio.AbstractEventLoop,
        window: Window | None = None,
    ) -> None:
        self._worker, self._chosen, self.loop, self._window = worker, chosen, loop, window
        self._waiting: deque[Order] = deque()
        self._running: dict[str, tuple[Order, Handler]] = {}
        self._chores: deque[Callable[[], object]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()  # a loop does not keep them
        self._stopped: dict[str, None] = {}  # jobs that were stopped before they came
        self._open = 0
        self._paused_until = 0.0  # in the loop's time

    @property
    def in_cell(self) -> bool:
        """Whether a cell is open, and jobs wait for its end."""
        return self._open > 0

    @property
    def in_job(self) -> bool:
        """Whether a job runs that blocks all others."""
        return any(not handler.awaits for _, handler in tuple(self._running.values()))

    def offer(self, order: Order) -> None:
        """Takes a job, to be run in its turn."""
        if order.request.id in self._stopped:
            del self._stopped[order.request.id]
            order.outlet.ended(order.request.id, None)
            return
        self._waiting.append(order)
        if self._chores or threading.current_thread() is not threading.main_thread():
            self.loop.call_soon_threadsafe(self._start)
        else:
            self._start()

    def do(self, chore: Callable[[], object]) -> None:
        """Has the main thread do something once neither a cell nor a job runs; Ctrl-C raises in it. From any thread."""
        self._chores.append(chore)
        self.loop.call_soon_threadsafe(self._start)

    def held(self) -> list[str]:
        """The ids of the jobs that run or wait here."""
        return [*self._running, *(order.request.id for order in tuple(self._waiting) if order.stopped is None)]

    def cancel(self, job_id: str) -> bool | None:
        """Ends a job for the notebook's user, and tells who sent it: whether it had begun; None for one not here."""
        running, _ = self._running.get(job_id, (None, None))
        waiting = [order for order in tuple(self._waiting) if order.request.id == job_id and order.stopped is None]
        if running is not None:
            running.withdrawn = True
        elif waiting:
            self.loop.call_soon_threadsafe(waiting[0].outlet.withdrawn, job_id)
        else:
            return None
        self.stop(job_id, "cancelled")
        return running is not None

    def stop(self, job_id: str, reason: Reason) -> None:
        """Ends a job, or sees to it that it never begins."""
        running, _ = self._running.get(job_id, (None, None))
        found = [order for order in (running, *tuple(self._waiting)) if order and order.request.id == job_id]
        for order in found:
            order.stopped = reason
            if order.ask is not None:
                order.ask(reason)
        if not found:
            self._stopped[job_id] = None
            while len(self._stopped) > STOPPED_BEFORE:
                del self._stopped[next(iter(self._stopped))]

    def watch(self, shell: Any, *, in_cell: bool) -> Callable[[], None]:
        """Hears of cells; the returned function ends that. `in_cell` says whether one is open by now."""
        callbacks = (("pre_execute", self._opened), ("pre_run_cell", self._outermost), ("post_execute", self._closed))
        self._open = int(in_cell)
        for event, callback in callbacks:
            shell.events.register(event, callback)
        stop_listening = self._worker.history.listen(self._happened)

        def undo() -> None:
            stop_listening()
            orders = [*(order for order, _ in self._running.values()), *self._waiting]
            self._running.clear()
            self._waiting.clear()
            for order in orders:
                if order.ask is not None:
                    order.ask("cancelled")
                if order.stopped is None:
                    order.outlet.refused(order.request.id, UNLOADED)
            for event, callback in callbacks:
                shell.events.unregister(event, callback)

        return undo

    def _opened(self) -> None:
        if threading.current_thread() is threading.main_thread():  # and not a subshell's
            self._open += 1

    def _outermost(self, info: Any) -> None:
        if info.store_history and threading.current_thread() is threading.main_thread():
            self._open = 1  # an interrupted cell before it may have ended without a word

    def _closed(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._open = max(self._open - 1, 0)
            if self._waiting or self._chores:
                self.loop.call_soon(self._start)

    def _start(self) -> None:
        """Starts each job that there is room for, in the order in which they came."""
        if self._open or self.loop.time() < self._paused_until:
            return
        while self._chores and not self._running:
            interruptible(self._chores.popleft())
        for order in tuple(self._waiting):
            if order.stopped is not None:
                self._waiting.remove(order)
                continue
            try:
                handler = self._chosen(order.handler)
            except RpNotebookError as error:
                self._waiting.remove(order)
                order.outlet.refused(order.request.id, str(error))
                continue
            if self._has_room(handler):
                if self._window is not None:
                    self._window.hold()
                self._running[order.request.id] = order, handler
                self._waiting.remove(order)
                task = self.loop.create_task(self._run(order, handler))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _has_room(self, handler: Handler) -> bool:
        of_it = [running for _, running in self._running.values() if running.name == handler.name]
        if not handler.awaits:
            return not (self.in_job or of_it)
        return len(of_it) < capacity_of(handler) and all(running.awaits for running in of_it)

    async def _run(self, order: Order, handler: Handler) -> None:
        def asking(ask: Callable[[Reason], None]) -> None:
            order.ask = ask
            if order.stopped is not None:  # between its turn and this
                ask(order.stopped)

        job_id = order.request.id
        try:
            await self._worker.serve(handler, order.request, asking)
        finally:
            if self._running.pop(job_id, None) is not None:
                order.outlet.ended(job_id, NO_END)
            if self._window is not None and not self._running:
                self._window.release()
            self.loop.call_soon(self._start)

    def _happened(self, job: Job, event: Event) -> None:
        order, handler = self._running.get(job.id, (None, None))
        if order is None or handler is None:
            return
        match event:
            case Started(at=at):
                order.outlet.began(job.id, capacity_of(handler), at)
            case Yielded(post=Post() as post) | Progressed(post=Post() as post):
                order.outlet.posted(job.id, post)
            case Completed(post=post) | Failed(post=post):
                del self._running[job.id]
                order.outlet.posted(job.id, post)
            case Lost(why=why, fatal=fatal):
                del self._running[job.id]
                (order.outlet.refused if fatal else order.outlet.ended)(job.id, why)
            case Cancelled() | TimedOut():
                if order.stopped is None:
                    self._paused_until = self.loop.time() + INTERRUPTED_S
                    self.loop.call_later(INTERRUPTED_S, self._start)
                del self._running[job.id]
                if order.withdrawn:
                    order.outlet.withdrawn(job.id)
                else:
                    order.outlet.ended(job.id, None, cancelled=True)


def capacity_of(handler: Handler) -> int:
    """How many of its jobs a kernel runs at a time."""
    return max(handler.concurrency or 1, 1) if handler.awaits else 1
