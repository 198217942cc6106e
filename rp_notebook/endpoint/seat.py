"""The place of a kernel at a queue: it is sent jobs one by one, and starts each in its own time."""

from __future__ import annotations

from collections.abc import Callable

from rp_notebook.endpoint.queue import Queue
from rp_notebook.jobs.interrupts import Reason
from rp_notebook.jobs.job import EXECUTION_TIMEOUT
from rp_notebook.jobs.posts import Post
from rp_notebook.jobs.request import Request

INTERRUPTED = "the kernel was interrupted or restarted"
AHEAD = 1  # jobs that are sent before the kernel has room, so that it need not wait for the next


class Seat:
    """Sends the jobs of `queue` to a worker that cannot come for them; subscribe `look` to the queue.

    A job that was sent is IN_QUEUE until the worker says that it `began`. `send` and `stop` reach the worker.
    """

    def __init__(
        self, queue: Queue, worker: str, send: Callable[[Request], None], stop: Callable[[str, Reason], None]
    ) -> None:
        self.worker = worker
        self._queue = queue
        self._send, self._stop = send, stop
        self._sent: dict[str, None] = {}
        self._running: set[str] = set()
        self._capacity = 1
        self._looking = False
        self._there = True
        queue.workers.join(worker)

    def look(self) -> None:
        """Something changed: sends what there is room for, and stops what has ended without the worker."""
        if self._looking or not self._there:  # what we do changes the queue
            return
        self._looking = True
        try:
            for job_id in self._queue.stops(self.worker):
                entry = self._queue.entry(job_id)
                timed_out = entry is not None and entry.job.error == EXECUTION_TIMEOUT
                self._stop(job_id, "timed out" if timed_out else "cancelled")
            for job_id in [job_id for job_id in self._sent if not self._queue.is_reserved(job_id)]:
                del self._sent[job_id]
                self._stop(job_id, "cancelled")
            while len(self._sent) < AHEAD or len(self._sent) + len(self._running) < self._capacity:
                request = self._queue.reserve()
                if request is None:
                    break
                self._sent[request.id] = None
                self._send(request)
        finally:
            self._looking = False

    # what the worker says

    def began(self, job_id: str, capacity: int, at: float) -> None:
        """The worker called the handler at that time; it can run so many jobs at a time."""
        self._capacity = capacity
        self._sent.pop(job_id, None)
        self._running.add(job_id)
        if not self._queue.begin(job_id, self.worker, at):
            self._stop(job_id, "cancelled")

    def posted(self, job_id: str, post: Post) -> None:
        """A body, as an SDK worker would send it: the final one says that the job has ended."""
        if self._has(job_id):
            self._queue.post(job_id, post)
        if post.kind == "done":
            self.ended(job_id, None)

    def ended(self, job_id: str, why: str | None, *, cancelled: bool = False) -> None:
        """The worker has done with a job and posted nothing in the end; `why` says why that is lost."""
        self._sent.pop(job_id, None)
        self._running.discard(job_id)
        self._queue.put_back(job_id)  # it was dropped, though it had been sent again
        if cancelled and self._has(job_id):
            self._queue.fail(job_id, INTERRUPTED)  # else it has ended by now
        elif why is not None and self._has(job_id):
            self._queue.lose(job_id, why)
        self.look()

    def refused(self, job_id: str, why: str) -> None:
        """The worker cannot run a job at all."""
        if self._has(job_id) or self._queue.is_reserved(job_id):
            self._queue.fail(job_id, why)
        self.ended(job_id, None)

    def withdrawn(self, job_id: str) -> None:
        """The notebook's user cancelled a job, whether it was sent or not."""
        self._queue.stop(job_id)
        self.ended(job_id, None)

    @property
    def has_sent(self) -> bool:
        """Whether the worker has jobs that it has not begun."""
        return bool(self._sent)

    @property
    def is_running(self) -> bool:
        """Whether the worker has begun jobs that have not ended."""
        return bool(self._running)

    def gone(self, why: str) -> None:
        """The worker is there no more: what it ran has failed, what it had not begun waits again."""
        if not self._there:
            return
        self._there = False
        for job_id in reversed(self._sent):
            self._queue.put_back(job_id)
        self._sent.clear()
        self._running.clear()
        self._capacity = 1
        self._queue.abandon(self.worker, why)

    def back(self) -> None:
        """The worker is there again."""
        if not self._there:
            self._there = True
            self._queue.workers.join(self.worker)
            self.look()

    def _has(self, job_id: str) -> bool:
        """Whether the job is this worker's: another may have taken what was sent here and had not begun."""
        entry = self._queue.entry(job_id)
        return entry is not None and entry.worker == self.worker

    def close(self, why: str) -> None:
        """The worker will not come back: what waits for it has failed too."""
        for entry in self._queue.entries:
            self._queue.fail(entry.job.id, why)
