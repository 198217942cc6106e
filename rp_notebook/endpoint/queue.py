"""The queue of one endpoint as plain state: jobs wait, workers take them, what they post is kept as posted."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from rp_notebook.errors import BadInput
from rp_notebook.jobs.events import Cancelled, Completed, Event, Failed, Lost, Progressed, Started, TimedOut, Yielded
from rp_notebook.jobs.job import Job, Status, advance
from rp_notebook.jobs.posts import Post
from rp_notebook.jobs.request import Request

Clock = Callable[[], float]
Listener = Callable[[], None]

SENT_NOTHING = "the worker asked for its next job without posting an answer"


@dataclass(frozen=True)
class Entry:
    """A job in the queue, the worker that took it, and the bodies it posted.

    `late` holds what came after the job had ended: the platform ignores it (facts/runpod-contract.md 6.4).
    """

    job: Job
    worker: str | None = None
    posts: tuple[Post, ...] = ()
    late: tuple[Post, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing the worker still does can change the job."""
        return self.job.ended_at is not None

    @property
    def final(self) -> Post | None:
        """The body that ended the job; None while it runs, and when none was posted."""
        return next((post for post in self.posts if post.kind == "done"), None)

    @property
    def progress(self) -> Post | None:
        """The newest progress update that came in time."""
        return next((post for post in reversed(self.posts) if post.kind == "progress"), None)


class Queue:
    """The jobs of one endpoint, in the order in which they were put.

    Not locked: use it from one thread, its server's. `clock` gives seconds since the epoch. Whoever calls
    `subscribe` is called, without arguments, after each change.
    """

    def __init__(self, endpoint: str, clock: Clock) -> None:
        self.endpoint = endpoint
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self._waiting: deque[str] = deque()
        self._stops: dict[str, tuple[str, ...]] = {}
        self._workers: dict[str, str | None] = {}
        self._strays: list[tuple[str, Post]] = []
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener` after each change; returns the way to end that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # the client's side

    def put(self, request: Request) -> Entry:
        """Adds a job at the end; its body goes to a worker as it is.

        An ended job of the same id is replaced, as a retry does. Raises `BadInput` while one of that id is open.
        """
        old = self._entries.get(request.id)
        if old is not None and not old.ended:
            raise BadInput(f"a job with the id {request.id!r} is {old.job.status}: give this one another id")
        self._waiting.append(request.id)
        return self._keep(Entry(Job(request.id, self.endpoint, request)))

    def entry(self, job_id: str) -> Entry | None:
        """The job of that id; None when there is none."""
        return self._entries.get(job_id)

    @property
    def entries(self) -> Iterable[Entry]:
        """All jobs, oldest first."""
        return tuple(self._entries.values())

    def stop(self, job_id: str) -> Entry | None:
        """Cancels a job; the worker that runs it hears of it at its next stop poll and posts nothing."""
        return self._end(job_id, Cancelled(self._clock()))

    def expire(self, job_id: str) -> Entry | None:
        """Ends a job that ran out of time; the worker is told as in `stop`."""
        return self._end(job_id, TimedOut(self._clock()))

    def lose(self, job_id: str, why: str) -> Entry | None:
        """Notes that no answer can come any more: the status stays, as the platform's would until its timeout."""
        entry = self._entries.get(job_id)
        return entry if entry is None or entry.ended else self._step(entry, Lost(self._clock(), why))

    # the worker's side

    def ask(self, worker: str, *, busy: bool) -> None:
        """A worker begins to ask for jobs; `busy` is its own `job_in_progress`.

        The SDK sends a job's answer before it forgets the job (`rp_scale.py`), so what an idle worker took and has
        not answered is lost.
        """
        self._workers.setdefault(worker, None)
        if not busy:
            for entry in self.entries:
                if entry.worker == worker and not entry.ended:
                    self._step(entry, Lost(self._clock(), SENT_NOTHING))
        self._tell()

    def take(self, worker: str, count: int = 1) -> tuple[Request, ...]:
        """At most `count` jobs for a worker, oldest first; empty when none waits."""
        taken: list[Request] = []
        while self._waiting and len(taken) < count:
            entry = self._entries[self._waiting.popleft()]
            taken.append(self._step(replace(entry, worker=worker), Started(self._clock())).job.request)
        return tuple(taken)

    def post(self, job_id: str, post: Post) -> Entry | None:
        """Keeps what a worker posted for a job; None, and among `strays`, when there is no job of that id."""
        entry = self._entries.get(job_id)
        if entry is None:
            self._strays.append((job_id, post))
            self._tell()
            return None
        if entry.ended or entry.job.status is Status.IN_QUEUE:
            return self._keep(replace(entry, late=(*entry.late, post)))
        return self._step(replace(entry, posts=(*entry.posts, post)), _event(post, self._clock()))

    def stops(self, worker: str) -> tuple[str, ...]:
        """The ids of jobs that a worker should stop and has not been told of."""
        return self._stops.pop(worker, ())

    def ping(self, worker: str, unhealthy: str | None = None) -> None:
        """A heartbeat; `unhealthy` says which fitness check failed and why."""
        if unhealthy:
            self._workers[worker] = unhealthy
        self._tell()

    def asked(self, worker: str) -> bool:
        """Whether that worker is up: it has asked for a job."""
        return worker in self._workers and self._workers[worker] is None

    def unhealthy(self, worker: str) -> str | None:
        """The fitness check that a worker reported as failed."""
        return self._workers.get(worker)

    @property
    def strays(self) -> tuple[tuple[str, Post], ...]:
        """What was posted to ids that were never put."""
        return tuple(self._strays)

    def _end(self, job_id: str, event: Cancelled | TimedOut) -> Entry | None:
        entry = self._entries.get(job_id)
        if entry is None or entry.ended:
            return entry
        if entry.worker is None:
            self._waiting.remove(job_id)
        else:
            self._stops[entry.worker] = (*self._stops.get(entry.worker, ()), job_id)
        return self._step(entry, event)

    def _step(self, entry: Entry, event: Event) -> Entry:
        return self._keep(replace(entry, job=advance(entry.job, event)))

    def _keep(self, entry: Entry) -> Entry:
        self._entries[entry.job.id] = entry
        self._tell()
        return entry

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()


def received(route: Literal["stream", "done"], body: bytes, *, is_stream: bool = False) -> Post:
    """The post that came in at `job-stream` or `job-done`; a progress update is told by its `status`.

    Raises `BadInput` when the body is not a JSON object. A literal NaN passes, marked as not valid JSON.
    """
    odd: list[str] = []
    try:
        value = json.loads(body, parse_constant=lambda word: odd.append(word))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"a posted body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadInput(f"a posted body is a JSON {type(value).__name__}, not an object")
    kind = "progress" if route == "done" and value.get("status") == Status.IN_PROGRESS else route
    return Post(kind, body, is_stream, valid_json=not odd)


def _event(post: Post, at: float) -> Event:
    match post.kind:
        case "stream":
            return Yielded(at, post)
        case "progress":
            return Progressed(at, post)
        case "done":
            # Users report that a job with any other kind of error ends COMPLETED (facts/runpod-contract.md 2.3).
            return (Failed if isinstance(post.value.get("error"), str) else Completed)(at, post)
