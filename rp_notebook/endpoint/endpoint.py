"""One endpoint as the platform runs it: what clients may do with its jobs, and what time does to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from rp_notebook.endpoint.asked import Asked, Parsed
from rp_notebook.endpoint.entry import Entry
from rp_notebook.endpoint.queue import Queue
from rp_notebook.endpoint.reminders import Due, Reminder, Reminders
from rp_notebook.endpoint.replies import Parts, brief, milliseconds, status_reply, stream_reply
from rp_notebook.errors import RequestRefused
from rp_notebook.jobs.job import Status
from rp_notebook.jobs.posts import Post
from rp_notebook.jobs.request import Mode
from rp_notebook.jobs.runner import Clock

EXECUTION_S = 600.0  # where neither the job nor the endpoint says otherwise (facts/runpod-contract.md 5.3)
KEPT_S: Mapping[Mode, float] = MappingProxyType({"run": 1800.0, "runsync": 60.0})  # results (5.6)
KEPT_BYTES = 500_000_000  # of results; over it the oldest go before their time, which the platform's do not
SILENT_S = 60.0  # six heartbeats of a worker; how long the platform waits is not documented

Finished = Callable[[Entry, Asked], None]


class Endpoint:
    """The jobs of one handler, for clients; `queue` is what its workers see.

    Everything is called on one thread. Whoever owns it calls `tick` when `due` has come. `timeout_s` gives the
    handler's own execution timeout, where it has one; `finished` is called for each job that has ended, and `sooner`
    when `due` comes sooner than it would have.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        timeout_s: Callable[[], float | None] = lambda: None,
        finished: Finished = lambda _entry, _asked: None,
        sooner: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.queue = Queue(name, clock)
        self._clock = clock
        self._timeout_s = timeout_s
        self._finished = finished
        self._asked: dict[str, Asked] = {}
        self._open: dict[str, Callable[[], None]] = {}  # the way to end watching the job
        self._streamed: dict[str, int] = {}
        self._kept: dict[str, int] = {}  # bytes of those that ended, the oldest first
        self._kept_bytes = 0
        self._reminders = Reminders(sooner)
        self._counts = {"completed": 0, "failed": 0, "retried": 0}

    # what clients do

    def run(self, asked: Asked) -> Entry:
        """Puts a job into the queue."""
        job_id = asked.request.id
        self._asked[job_id] = asked
        entry = self._put(asked)
        if isinstance(asked.request, Parsed) and self.queue.is_waiting(job_id):
            asked.request.forget()
        return entry

    def entry(self, job_id: str) -> Entry:
        """The job of that id. Raises `RequestRefused` with 404 when there is none, or its result has expired."""
        entry = self.queue.entry(job_id)
        if entry is None:
            raise RequestRefused(404, f"there is no job {job_id[:80]!r} here: it never was, or its result has expired")
        return entry

    def status(self, job_id: str) -> bytes:
        """The status object."""
        return b"".join(self.status_parts(job_id))

    def status_parts(self, job_id: str, *, ttl_s: float | None = None) -> Parts:
        """The same in parts, of which a large one is not copied; `ttl_s` replaces the job's own."""
        entry = self.entry(job_id)
        if ttl_s is not None:
            self._asked[job_id] = replace(self._asked[job_id], ttl_s=ttl_s)
            self._remind(entry.put_at + ttl_s, entry, "ttl")
        return status_reply(entry, self._clock())

    def is_over(self, job_id: str) -> bool:
        """Whether nothing more will come of it for its client."""
        entry = self.queue.entry(job_id)
        return entry is None or entry.is_final

    def has_news(self, job_id: str) -> bool:
        """Whether `stream` would tell more than that the job goes on."""
        entry = self.queue.entry(job_id)
        return entry is None or entry.is_final or any(post.kind == "stream" for post in self._new(entry))

    def fresh(self, job_id: str) -> list[Post]:
        """The streamed items that nobody has fetched yet."""
        entry = self.entry(job_id)
        items = [post for post in self._new(entry) if post.kind == "stream"]
        self._streamed[job_id] = len(entry.posts)
        return items

    def stream(self, job_id: str) -> bytes:
        """The status, and the items that nobody has fetched yet."""
        return stream_reply(self.entry(job_id).job.status, self.fresh(job_id))

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Cancels a job that has not ended; one that has stays as it is."""
        self.entry(job_id)
        self.queue.stop(job_id)
        return brief(self.entry(job_id))

    def retry(self, job_id: str) -> dict[str, Any]:
        """Puts a job that failed or timed out into the queue again. Raises `RequestRefused`."""
        entry = self.entry(job_id)
        if entry.job.status not in (Status.FAILED, Status.TIMED_OUT):
            raise RequestRefused(400, f"the job is {entry.job.status}: only a FAILED or TIMED_OUT one is tried again")
        self._counts["retried"] += 1
        self._kept_bytes -= self._kept.pop(job_id, 0)
        self._streamed.pop(job_id, None)
        return brief(self._put(self._asked[job_id]))

    def purge(self) -> dict[str, Any]:
        """Cancels all jobs that wait."""
        waiting = [job_id for job_id in self._open if self.entry(job_id).job.status is Status.IN_QUEUE]
        for job_id in waiting:
            self.queue.stop(job_id)
        return {"removed": len(waiting), "status": "completed"}

    @property
    def open_jobs(self) -> tuple[str, ...]:
        """The ids of the jobs that are not over for their clients."""
        return tuple(self._open)

    def health(self) -> dict[str, Any]:
        """How many jobs and workers there are, by what they do."""
        workers = self.queue.workers.heard_since(self._clock() - SILENT_S)
        unhealthy = sum(self.queue.workers.unhealthy(worker) is not None for worker in workers)
        busy = len({entry.worker for entry in self.queue.running()} & workers)
        idle = max(len(workers) - unhealthy - busy, 0)
        waiting = self.queue.waiting
        return {
            "jobs": {**self._counts, "inProgress": len(self._open) - waiting, "inQueue": waiting},
            "workers": {
                "idle": idle,
                "initializing": 0,
                "ready": idle,
                "running": busy,
                "throttled": 0,
                "unhealthy": unhealthy,
            },
        }

    def requests(self) -> dict[str, Any]:
        """The jobs that are known, without what they were given and answered; the oldest first."""
        told = []
        for entry in self.queue.entries:
            known = brief(entry)
            if entry.job.started_at is not None:
                known["delayTime"] = milliseconds(entry.job.started_at - entry.put_at)
            told.append(known)
        return {"requests": told}

    # what time does

    @property
    def due(self) -> float | None:
        """When `tick` has something to do, in seconds since the epoch; None when nothing waits."""
        return self._reminders.due

    def tick(self) -> None:
        """Ends what has run out of time, and forgets results that have expired."""
        for reminder in self._reminders.until(self._clock):
            entry = self.queue.entry(reminder.job_id)
            if entry is not None and entry.number == reminder.number:  # not tried again since
                self._overdue(entry, reminder.what, reminder.at)

    def close(self, why: str) -> None:
        """Ends all jobs as FAILED, and says why."""
        for job_id in tuple(self._open):
            self.queue.fail(job_id, why)

    def _overdue(self, entry: Entry, what: Due, at: float) -> None:
        job_id = entry.job.id
        if what == ("result" if entry.is_final else "ttl"):
            if entry.is_final or at >= entry.put_at + self._asked[job_id].ttl_s:  # else it was set anew
                self._forget(job_id)
        elif what == "execution" and entry.job.status is Status.IN_PROGRESS:
            self.queue.expire(job_id)
        elif what == "silence" and not entry.ended and entry.worker is not None:
            heard = self.queue.workers.seen(entry.worker)
            if heard is not None and at >= heard + SILENT_S:
                self.queue.abandon(entry.worker, f"nothing was heard of its worker for {SILENT_S:g} s", silent=True)
            elif heard is not None:
                self._remind(heard + SILENT_S, entry, "silence")

    def _put(self, asked: Asked) -> Entry:
        job_id = asked.request.id
        entry = self.queue.put(asked.request, limit=asked.limit)
        self._open[job_id] = self.queue.watch(job_id, lambda: self._changed(job_id))
        self._remind(entry.put_at + asked.ttl_s, entry, "ttl")
        return entry

    def _changed(self, job_id: str) -> None:
        """A job that has not ended for its client began, went on, or ended."""
        entry, asked = self.queue.entry(job_id), self._asked[job_id]
        if entry is None:
            return
        if entry.is_final:
            self._open.pop(job_id)()
            self._ended(entry, asked)
        elif entry.job.started_at is not None and not entry.posts and not entry.ended:
            own = asked.timeout_s if asked.timeout_s is not None else self._timeout_s()
            self._remind(entry.job.started_at + (own or EXECUTION_S), entry, "execution")
            self._remind(entry.job.started_at + SILENT_S, entry, "silence")

    def _ended(self, entry: Entry, asked: Asked) -> None:
        match entry.job.status:
            case Status.COMPLETED:
                self._counts["completed"] += 1
            case Status.FAILED | Status.TIMED_OUT:
                self._counts["failed"] += 1
        self._asked[entry.job.id] = replace(asked, request=entry.job.request)  # without a body that nobody needs again
        self._remind(self._clock() + KEPT_S[asked.mode], entry, "result")
        self._kept[entry.job.id] = size = entry.job.request.size + sum(len(post.body) for post in entry.posts)
        self._kept_bytes += size
        self._reminders.thin_out(self._open, self._kept)
        self._finished(entry, asked)
        while len(self._kept) > 1 and self._kept_bytes > KEPT_BYTES:
            self._forget(next(iter(self._kept)))

    def _forget(self, job_id: str) -> None:
        end_watching = self._open.pop(job_id, None)
        if end_watching is not None:
            end_watching()
        self.queue.forget(job_id)
        self._kept_bytes -= self._kept.pop(job_id, 0)
        self._asked.pop(job_id, None)
        self._streamed.pop(job_id, None)
        self._reminders.thin_out(self._open, self._kept)

    def _new(self, entry: Entry) -> list[Post]:
        return entry.posts[self._streamed.get(entry.job.id, 0) :]

    def _remind(self, at: float, entry: Entry, what: Due) -> None:
        self._reminders.add(Reminder(at, entry.job.id, what, entry.number))
