"""Runs jobs, one after the other, through a worker at a place: one process for all, a new one where it ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from rp_notebook.endpoint.entry import Entry
from rp_notebook.endpoint.loopback import Loopback
from rp_notebook.endpoint.queue import Queue
from rp_notebook.endpoint.worker_routes import worker_routes
from rp_notebook.jobs.posts import Post
from rp_notebook.jobs.request import Request
from rp_notebook.proof.places import Place
from rp_notebook.proof.worker_process import ENDPOINT, GRACE_S, KEY, WorkerProcess, runpod_environment

HOLD_S = 0.5  # polls; an ending worker waits for its open ones
LOOK_S = 0.05  # how often a worker's death is looked for; its posts are told at once
PROGRESS_S = 1.0  # updates come from threads; the SDK pauses as long before its next job (rp_scale.py)
TAKES = 2  # a worker that was told to end may leave a job behind: the next one gets it


class WorkerDied(Exception):
    """A worker ended, or took too long, before it asked for its first job; `tail` is what it wrote last."""

    def __init__(self, why: str, tail: str) -> None:
        super().__init__(why)
        self.tail = tail


@dataclass(frozen=True)
class Played:
    """What came of one job.

    `lost` says why no final answer was posted, and `log` what the worker wrote last then; `in_time` is false when the
    answer was only waited for in vain. `ms` is from handing the job out to its final body; the SDK looks ten times a
    second for a job it has been given, so up to 100 ms of it are the SDK's.
    """

    posts: tuple[Post, ...]
    ms: float | None
    lost: str | None = None
    in_time: bool = True
    log: str = ""


class Replay:
    """A queue, its loopback server and the worker over it. Use it as a context manager.

    `place` is where its workers run, and `scratch` a folder for their log. `timeout_s` bounds, in seconds, each start
    of a worker and each job.
    """

    def __init__(self, place: Place, scratch: Path, *, timeout_s: float) -> None:
        self._place, self._log = place, scratch / "worker.log"
        self._timeout_s = timeout_s
        self._queue = Queue(ENDPOINT, time.time)
        self._server = Loopback(worker_routes({ENDPOINT: self._queue}, KEY, hold_s=HOLD_S))
        self._changed = threading.Event()
        self._worker: WorkerProcess | None = None
        self._starts = 0
        self.seconds_to_ready = 0.0  # of the first worker

    def __enter__(self) -> Replay:
        self._server.start()
        self._server.call(lambda: self._queue.subscribe(self._changed.set))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stop()
        finally:
            self._server.stop()

    def start(self) -> None:
        """Starts a worker and waits until it asks for a job. Raises `WorkerDied`."""
        self._stop()
        self._starts += 1
        name = f"{ENDPOINT}-{self._starts}"
        began = time.monotonic()
        self._worker = self._place.start(runpod_environment(self._server.url, name), self._log)
        if not self._wait(lambda: self._queue.workers.asked(name), self._timeout_s):
            raise self._died(name, self._worker)
        self.seconds_to_ready = self.seconds_to_ready or time.monotonic() - began

    def play(self, request: Request, progress: int = 0) -> Played:
        """Runs one job; `progress` is the number of updates to wait for. Raises `WorkerDied`."""
        strays = self._server.call(lambda: len(self._queue.strays))
        self._server.call(lambda: self._queue.put(request))
        for _ in range(TAKES):
            if self._worker is None or self._worker.ended is not None:
                self.start()
            self._wait(lambda: self._ended(request.id) or len(self._queue.strays) > strays, self._timeout_s)
            if self._entry(request.id).worker is not None:
                break
        self._wait(lambda: self._updates(request.id) >= progress, PROGRESS_S if progress else 0)
        log = self._worker.tail() if self._worker else ""
        gave_up = self._give_up(request.id, strays) if not self._entry(request.id).ended else None
        entry = self._entry(request.id)
        started, ended = entry.job.started_at, entry.job.ended_at
        ms = (ended - started) * 1000 if entry.final and started and ended else None
        late = tuple(post for post in entry.late if post.kind == "progress")
        why, known = gave_up or (entry.job.lost, True)
        return Played((*entry.posts, *late), ms, why, in_time=known, log=log if why else "")

    def _give_up(self, job_id: str, strays: int) -> tuple[str, bool]:
        """Ends a job whose answer did not come: why, and whether that is certain, not just waited for in vain."""
        why, known = self._why_lost(strays)
        self._stop(grace_s=0)
        taken = self._entry(job_id).worker is not None
        self._server.call(lambda: self._queue.lose(job_id, why) if taken else self._queue.stop(job_id))
        return why, known

    def _why_lost(self, before: int) -> tuple[str, bool]:
        strays = self._server.call(lambda: self._queue.strays)[before:]
        if strays:
            return f"its answer went to the job id {strays[-1][0]!r}: the handler changes job['id']", True
        code = self._worker.ended if self._worker else None
        if code is not None:
            how = (
                f"the worker process ended with exit code {code}" if code >= 0 else f"signal {-code} killed the worker"
            )
            return f"{how} and posted nothing", True
        return f"no final answer within {self._timeout_s:g} s", False

    def _died(self, name: str, worker: WorkerProcess) -> WorkerDied:
        code, tail = worker.ended, worker.tail()
        check = self._server.call(lambda: self._queue.workers.unhealthy(name))
        self._stop(grace_s=0)
        if check:
            return WorkerDied(f"its fitness check {check}", tail)
        if code is None:
            return WorkerDied(f"it did not ask for a job within {self._timeout_s:g} s", tail)
        if code == 0:
            return WorkerDied("it ended without asking for a job: does it call runpod.serverless.start?", tail)
        return WorkerDied(f"it ended with exit code {code}: {last_exception(tail)}", tail)

    def _wait(self, look: Callable[[], bool], seconds: float) -> bool:
        """Whether `look`, called on the server's thread, came true before time was over or the worker ended."""
        end = time.monotonic() + seconds
        while True:
            self._changed.clear()
            # Asked before looking: what an ended worker posted last must still be seen.
            over = time.monotonic() >= end or self._worker is None or self._worker.ended is not None
            if self._server.call(look):
                return True
            if over:
                return False
            self._changed.wait(LOOK_S)

    def _entry(self, job_id: str) -> Entry:
        entry = self._server.call(lambda: self._queue.entry(job_id))
        if entry is None:
            raise KeyError(job_id)
        return entry

    # Two for `_wait`: they look on the server's own thread.

    def _ended(self, job_id: str) -> bool:
        entry = self._queue.entry(job_id)
        return entry is not None and entry.ended

    def _updates(self, job_id: str) -> int:
        entry = self._queue.entry(job_id)
        return sum(post.kind == "progress" for post in (*entry.posts, *entry.late)) if entry else 0

    def _stop(self, grace_s: float = GRACE_S) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop(grace_s)


def last_exception(text: str) -> str:
    """The line that says what was raised in the last traceback of a log; its last line when there is none."""
    lines = [line for line in text.splitlines() if line.strip()]
    start = max((number for number, line in enumerate(lines) if line.startswith("Traceback (")), default=None)
    if start is not None:
        lines = [line for line in lines[start + 1 :] if not line[0].isspace()][:1] or lines
    return lines[-1] if lines else "it wrote nothing"
