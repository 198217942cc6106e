"""The queue of one endpoint as plain state: jobs wait, workers take them, what they post is kept as posted."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rp_notebook.endpoint.entry import Entry, event_of
from rp_notebook.endpoint.workers import Workers
from rp_notebook.errors import BadInput
from rp_notebook.jobs.events import Abandoned, Cancelled, Event, Lost, Started, TimedOut
from rp_notebook.jobs.job import Job, Status
from rp_notebook.jobs.posts import Post
from rp_notebook.jobs.request import Request
from rp_notebook.jobs.runner import Clock

Listener = Callable[[], None]

RESERVED_S = 0.1  # who reserved a job, and is free, has begun it by then
SENT_NOTHING = "the worker asked for its next job without posting an answer"


class Queue:
    """The jobs of one endpoint, in the order in which they were put.

    Not locked: use it from one thread, its server's. `clock` gives seconds since the epoch. Whoever calls
    `subscribe` is called, without arguments, after each change; whoever calls `watch`, after each change of one job.
    """

    def __init__(self, endpoint: str, clock: Clock) -> None:
        self.endpoint = endpoint
        self.clock = clock
        self.workers = Workers(clock)
        self._entries: dict[str, Entry] = {}
        self._puts = 0
        self._waiting: dict[str, None] = {}
        self._reserved: dict[str, float] = {}  # and when
        self._running: dict[str, str] = {}  # the worker of each job that has not ended
        self._stops: dict[str, tuple[str, ...]] = {}
        self.strays: list[tuple[str, Post]] = []  # what was posted to ids that were never put
        self._listeners: list[Listener] = []
        self._watchers: dict[str, list[Listener]] = {}

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener` after each change; returns the way to end that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def watch(self, job_id: str, listener: Listener) -> Callable[[], None]:
        """Calls `listener` after each change of one job, and when it is forgotten; returns the way to end that."""
        watchers = self._watchers.setdefault(job_id, [])
        watchers.append(listener)

        def end() -> None:
            watchers.remove(listener)
            if not watchers and self._watchers.get(job_id) is watchers:
                del self._watchers[job_id]

        return end

    # the client's side

    def put(self, request: Request, *, limit: int | None = None) -> Entry:
        """Adds a job at the end; its body goes to a worker as it is. `limit` bounds its final body, in bytes.

        An ended job of the same id is replaced, as a retry does. Raises `BadInput` while one of that id is open.
        """
        old = self._entries.get(request.id)
        if old is not None and not old.ended:
            raise BadInput(f"a job with the id {request.id!r} is {old.job.status}: give this one another id")
        self._waiting[request.id] = None
        self._puts += 1
        return self._keep(Entry(Job(request.id, self.endpoint, request), self.clock(), self._puts, [], limit))

    def entry(self, job_id: str) -> Entry | None:
        """The job of that id; None when there is none."""
        return self._entries.get(job_id)

    @property
    def entries(self) -> Iterable[Entry]:
        """All jobs, oldest first."""
        return tuple(self._entries.values())

    @property
    def waiting(self) -> int:
        """How many jobs are IN_QUEUE."""
        return len(self._waiting) + len(self._reserved)

    def stop(self, job_id: str) -> Entry | None:
        """Cancels a job; the worker that runs it hears of it at its next stop poll and posts nothing."""
        return self._end(job_id, Cancelled(self.clock()))

    def expire(self, job_id: str) -> Entry | None:
        """Ends a job that ran out of time; the worker is told as in `stop`."""
        return self._end(job_id, TimedOut(self.clock()))

    def fail(self, job_id: str, why: str) -> Entry | None:
        """Ends a job as FAILED, with our own reason; the worker is told as in `stop`."""
        return self._end(job_id, Abandoned(self.clock(), why))

    def lose(self, job_id: str, why: str) -> Entry | None:
        """Notes that no answer can come any more: the status stays, as the platform's would until its timeout."""
        entry = self._entries.get(job_id)
        return entry if entry is None or entry.ended else self._step(entry, Lost(self.clock(), why))

    def forget(self, job_id: str) -> None:
        """Deletes a job, though it may run."""
        entry = self._entries.pop(job_id, None)
        if entry is not None:
            if not entry.is_final:
                self._withdraw(entry)
            self._running.pop(job_id, None)
            self._tell(job_id)

    # the worker's side

    def ask(self, worker: str, *, busy: bool) -> None:
        """A worker begins to ask for jobs; `busy` is its own `job_in_progress`.

        The SDK sends a job's answer before it forgets the job (`rp_scale.py`), so what an idle worker took and has
        not answered is lost.
        """
        self.workers.join(worker)
        self.workers.saw(worker)
        for entry in () if busy else self.running(worker):
            self._step(entry, Lost(self.clock(), SENT_NOTHING))
        self._tell()

    def take(self, worker: str, count: int = 1) -> tuple[Request, ...]:
        """At most `count` jobs for a worker, oldest first; empty when none waits.

        A job that was reserved and has not begun soon after is taken too: who reserved it may be busy for long.
        """
        taken: list[Request] = []
        while len(taken) < count and (job_id := next(iter(self._waiting), None) or self._left_waiting()):
            self.begin(job_id, worker)
            taken.append(self._entries[job_id].job.request)
        return tuple(taken)

    def reserve(self) -> Request | None:
        """The oldest job that waits, for a worker that can start it only in its own time: IN_QUEUE until `begin`."""
        job_id = next(iter(self._waiting), None)
        if job_id is None:
            return None
        self._reserved[job_id] = self.clock()
        del self._waiting[job_id]
        return self._entries[job_id].job.request

    def is_waiting(self, job_id: str) -> bool:
        """Whether nobody has reserved the job or taken it."""
        return job_id in self._waiting

    def is_reserved(self, job_id: str) -> bool:
        """Whether a job still waits for who reserved it."""
        return job_id in self._reserved

    def begin(self, job_id: str, worker: str, at: float | None = None) -> bool:
        """Whether the job could begin, now or at that time; from then on it belongs to this worker."""
        entry = self._entries.get(job_id)
        if entry is None or entry.job.status is not Status.IN_QUEUE:
            return False
        self._waiting.pop(job_id, None)
        self._reserved.pop(job_id, None)
        self._running[job_id] = worker
        started = Started(self.clock() if at is None else at)
        self._keep(entry.after(started)._replace(worker=worker))
        return True

    def put_back(self, job_id: str) -> None:
        """A job that was reserved waits again, before all others."""
        if self._reserved.pop(job_id, None) is not None:
            self._waiting = {job_id: None, **self._waiting}
            self._tell(job_id)

    def post(self, job_id: str, post: Post) -> Entry | None:
        """Keeps what a worker posted for a job; None, and among `strays`, when there is no job of that id."""
        entry = self._entries.get(job_id)
        if entry is None:
            self.strays.append((job_id, post))
            self._tell()
            return None
        if entry.ended or entry.job.status is Status.IN_QUEUE:
            return self._keep(entry._replace(late=(*entry.late, post)))
        if post.kind == "done" and entry.limit is not None and len(post.body) > entry.limit:
            # Refused, and not sent again: users then see COMPLETED without an output (facts/runpod-contract.md 5.6).
            entry, post = entry._replace(oversized=len(post.body)), Post("done", b"{}", post.is_stream)
        entry.posts.append(post)
        return self._step(entry, event_of(post, self.clock()))

    def abandon(self, worker: str, why: str, *, silent: bool = False) -> None:
        """Ends what a worker was running that is gone, or `silent`: FAILED with the reason, or TIMED_OUT."""
        self.workers.forget(worker)
        self._stops.pop(worker, None)
        for entry in self.running(worker):
            self._step(entry, Abandoned(self.clock(), why, silent))
        self._tell()

    def running(self, worker: str | None = None) -> tuple[Entry, ...]:
        """The jobs in progress, or those that one worker runs, in the order in which they began."""
        return tuple(self._entries[job] for job, by in self._running.items() if worker is None or by == worker)

    def stops(self, worker: str, since_s: float = 0.0) -> tuple[str, ...]:
        """The ids of jobs that a worker should stop and has not been told of; of those that began so long ago."""
        told = self._stops.pop(worker, ())
        latest = self.clock() - since_s
        early = tuple(job for job in told if job in self._entries and (self._entries[job].job.started_at or 0) > latest)
        if early:
            self._stops[worker] = early
        return tuple(job for job in told if job not in early)

    def ping(self, worker: str, unhealthy: str | None = None) -> None:
        """A heartbeat; `unhealthy` says which fitness check failed and why."""
        self.workers.saw(worker)
        if unhealthy:
            self.workers.fails(worker, unhealthy)
        self._tell()

    def _left_waiting(self) -> str | None:
        latest = self.clock() - RESERVED_S
        return next((job_id for job_id, at in self._reserved.items() if at <= latest), None)

    def _end(self, job_id: str, event: Cancelled | TimedOut | Abandoned) -> Entry | None:
        entry = self._entries.get(job_id)
        if entry is None or entry.is_final:
            return entry
        self._withdraw(entry)
        return self._step(entry, event)

    def _withdraw(self, entry: Entry) -> None:
        job_id = entry.job.id
        if entry.worker is None:
            self._waiting.pop(job_id, None)
            self._reserved.pop(job_id, None)
        elif not entry.ended:
            self._stops[entry.worker] = (*self._stops.get(entry.worker, ()), job_id)

    def _step(self, entry: Entry, event: Event) -> Entry:
        return self._keep(entry.after(event))

    def _keep(self, entry: Entry) -> Entry:
        if entry.ended:
            self._running.pop(entry.job.id, None)
        self._entries[entry.job.id] = entry
        self._tell(entry.job.id)
        return entry

    def _tell(self, job_id: str | None = None) -> None:
        for listener in (*self._watchers.get(job_id or "", ()), *self._listeners):
            listener()
