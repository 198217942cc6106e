"""The deployed endpoint, simulated event by event: workers start cold, take jobs, fall idle and stop."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random

from rp_notebook.endpoint.scaling import Scaling
from rp_notebook.endpoint.traffic import Arrivals, Traffic
from rp_notebook.endpoint.work import Work

EPSILON = 1e-9  # s: sums of floats are not exact


@dataclass(frozen=True)
class Simulated:
    """What became of it, in seconds: how long each job waited, sorted, and what the workers did.

    `alive` has, for each moment at which it changed, how many workers there were.
    """

    delays_s: tuple[float, ...]
    end_s: float
    busy_s: float
    cold_s: float
    idle_s: float
    billed_s: float
    alive: tuple[tuple[float, int], ...]

    @property
    def peak(self) -> int:
        """How many workers there were at most."""
        return max((count for _, count in self.alive), default=0)

    @property
    def mean_workers(self) -> float:
        """How many workers there were on average."""
        return (self.busy_s + self.cold_s + self.idle_s) / self.end_s if self.end_s else 0.0

    def usd_per_1000(self, usd_per_s: float) -> float:
        """Dollars for 1000 jobs, with all that the workers did besides."""
        return self.billed_s * usd_per_s * 1000 / len(self.delays_s)


@dataclass(eq=False)
class _Worker:
    started: float
    ready: float
    jobs: int = 0
    asks_for: int = 0  # jobs
    busy_since: float = 0.0
    idle_since: float | None = None
    busy_s: float = 0.0
    stopped: float = math.inf


def simulated(
    traffic: Traffic, seconds: float, work: Work, scaling: Scaling, *, billed_by_s: float = 1.0, seed: int = 0
) -> Simulated:
    """What the endpoint does with `seconds` of this traffic, until its last job is over and its last worker stops.

    The same `seed` gives the same jobs, whatever the settings. Workers that always run are ready at the start.
    """
    arrivals = Arrivals(traffic, seconds, Random(seed))
    return _Endpoint(arrivals, work, scaling, Random(seed + 1)).over(seconds, billed_by_s)


@dataclass(eq=False)
class _Endpoint:
    arrivals: Arrivals
    work: Work
    scaling: Scaling
    random: Random
    now: float = 0.0
    waiting: deque[tuple[float, float]] = field(default_factory=deque)  # when it came, how long it will take
    workers: list[_Worker] = field(default_factory=list)
    stopped: list[_Worker] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    alive: list[tuple[float, int]] = field(default_factory=list)
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    counted: int = 0
    last_s: float = 0.0  # when the last job ended, or the last worker stopped
    awaited: bool = False  # the next arrival is among the events

    def over(self, seconds: float, billed_by_s: float) -> Simulated:
        for _ in range(self.scaling.workers_min):
            self._start(0.0)
        self._await_arrival()
        while self.events:
            self.now, _, happens = heapq.heappop(self.events)
            happens()
            self._take()
            self._scale()
        end = max(seconds, self.last_s)
        for worker in (*self.workers,):
            self._stop(worker, end)
        lives = [worker.stopped - worker.started for worker in self.stopped]
        busy = sum(worker.busy_s for worker in self.stopped)
        cold = sum(worker.ready - worker.started for worker in self.stopped)
        billed = sum(math.ceil(life / billed_by_s - EPSILON) * billed_by_s for life in lives)
        self.delays.sort()
        return Simulated((*self.delays,), end, busy, cold, sum(lives) - busy - cold, billed, (*self.alive,))

    @property
    def _running(self) -> int:
        return sum(worker.jobs for worker in self.workers)

    def _at(self, when: float, happens: Callable[[], None]) -> None:
        self.counted += 1
        heapq.heappush(self.events, (when, self.counted, happens))

    # jobs

    def _await_arrival(self) -> None:
        if not self.awaited and self.arrivals.next is not None:
            self.awaited = True
            self._at(self.arrivals.next, self._arrive)

    def _arrive(self) -> None:
        self.awaited = False
        self.waiting.append((self.arrivals.take(), self.random.choice(self.work.times_s)))
        if self.scaling.scale_by == "delay":
            self._at(self.now + self.scaling.threshold, _nothing)  # to scale, if it waits by then
        self._await_arrival()

    def _take(self) -> None:
        """Gives what waits to the workers that ask, those that started first before others: the last may stop."""
        for worker in self.workers:
            while self.waiting and worker.asks_for:
                taken = [self.waiting.popleft() for _ in range(min(worker.asks_for, len(self.waiting)))]
                if not worker.jobs:
                    worker.busy_since, worker.idle_since = self.now, None
                worker.jobs += len(taken)
                for came, takes in taken:
                    self.delays.append(self.now - came)
                    self._at(self.now + takes, partial(self._end, worker))
                self._took(worker, len(taken), taken[-1][1])

    def _took(self, worker: _Worker, count: int, takes: float) -> None:
        """What the worker does next; the SDK counts twice what it has just taken."""
        pause = self.work.look_again_s
        worker.asks_for = max(self.work.concurrency - worker.jobs - (count if pause else 0), 0)
        if not worker.asks_for and pause:
            late = takes if self.work.blocks and takes > pause else 0.0
            self._at(self.now + late + pause, partial(self._look, worker))

    def _end(self, worker: _Worker) -> None:
        worker.jobs -= 1
        self.last_s = self.now
        if not worker.jobs:
            worker.busy_s += self.now - worker.busy_since
            self._idle(worker)
        if not self.work.look_again_s:
            worker.asks_for = self.work.concurrency - worker.jobs
        self.arrivals.ended(self.now)
        self._await_arrival()

    def _look(self, worker: _Worker) -> None:
        worker.asks_for = self.work.concurrency - worker.jobs
        if not worker.asks_for:
            self._at(self.now + self.work.look_again_s, partial(self._look, worker))

    # workers

    def _scale(self) -> None:
        room = self.scaling.workers_max - len(self.workers)
        wanted = self._wanted() if self.waiting and room > 0 else 0
        for _ in range(min(wanted, room)):
            self._start(self.work.cold_start_s)
        if self.scaling.scale_by == "requests":
            target = max(self._target(), self.scaling.workers_min)
            idle = [worker for worker in self.workers if worker.idle_since is not None]
            for worker in idle[: max(len(self.workers) - target, 0)] if not self.waiting else ():
                self._stop(worker, self.now)

    def _wanted(self) -> int:
        """How many workers more the rule asks for."""
        if self.scaling.scale_by == "requests":
            return self._target() - len(self.workers)
        starting = sum(worker.ready > self.now for worker in self.workers)
        most = (self.scaling.workers_max + starting) * self.work.concurrency
        overdue = 0
        for came, _ in self.waiting:
            if self.now - came < self.scaling.threshold - EPSILON or overdue == most:
                break
            overdue += 1
        wanted = math.ceil(overdue / self.work.concurrency) - starting
        return max(wanted, 0 if self.workers else 1)  # from none, the first job starts one

    def _target(self) -> int:
        return math.ceil((len(self.waiting) + self._running) / self.scaling.threshold)

    def _start(self, cold_s: float) -> None:
        worker = _Worker(self.now, self.now + cold_s)
        self.workers.append(worker)
        self.alive.append((self.now, len(self.workers)))
        self._at(worker.ready, partial(self._ready, worker))

    def _ready(self, worker: _Worker) -> None:
        worker.asks_for = self.work.concurrency
        self._idle(worker)

    def _idle(self, worker: _Worker) -> None:
        since = worker.idle_since = self.now
        if self.scaling.scale_by == "delay":
            self._at(self.now + self.scaling.idle_timeout_s, partial(self._time_out, worker, since))

    def _time_out(self, worker: _Worker, since: float) -> None:
        if worker.idle_since != since or worker.stopped <= self.now or len(self.workers) <= self.scaling.workers_min:
            return
        if self.waiting:  # it will look again soon
            self._at(self.now + self.work.look_again_s, partial(self._time_out, worker, since))
        else:
            self._stop(worker, self.now)

    def _stop(self, worker: _Worker, at: float) -> None:
        worker.stopped, worker.asks_for = at, 0
        self.last_s = max(self.last_s, at)
        self.workers.remove(worker)
        self.stopped.append(worker)
        self.alive.append((at, len(self.workers)))


def _nothing() -> None:
    """What happens is that time has come."""
