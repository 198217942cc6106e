"""What a real SDK worker calls (`job-take`, `job-done`, ...), as routes over queues."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from rp_notebook.endpoint.entry import received
from rp_notebook.endpoint.loopback import Route
from rp_notebook.endpoint.operations import WORKER_OPERATIONS, pattern
from rp_notebook.endpoint.queue import RESERVED_S, Queue
from rp_notebook.endpoint.routes import EndpointRoute, keyed
from rp_notebook.endpoint.ticking import woken
from rp_notebook.errors import BadInput, RequestRefused

T = TypeVar("T")

SETTLED_S = 0.5  # the SDK does not hear of a stop in the first 0.1 s after it took the job (`rp_scale.py`)
HOLD_S = 1.0  # an empty poll answered at once makes the SDK spin (facts/runpod-contract.md 6.3)


class WorkerRoute(EndpointRoute):
    """A route of one endpoint, for its workers; `hold_s` is how long an empty poll is held open, in seconds."""

    operations = WORKER_OPERATIONS
    found: Queue

    def initialize(self, *args: Any, **given: Any) -> None:
        super().initialize(*args, **given)
        self._hold_s: float = given["hold_s"]
        # An error does not make the SDK wait: it would ask for jobs as fast as it can.
        self.pause_s = 0.0 if isinstance(self, PostRoute) else self._hold_s
        self._wake = asyncio.Event()

    def on_connection_close(self) -> None:
        self.gone = True
        self._wake.set()

    async def held(self, look: Callable[[], T], ripens: Callable[[], bool] = lambda: False) -> T | None:
        """What `look` finds, as soon as it is not empty; None when the time is over or the client has gone.

        `ripens` says whether it may soon find more though nothing changes. A worker that died while it waited must not
        be given a job.
        """
        clock = asyncio.get_running_loop().time
        end = clock() + self._hold_s
        unsubscribe = self.found.subscribe(self._wake.set)
        try:
            while not self.gone:
                self._wake.clear()
                if found := look():
                    return found
                left = end - clock()
                if left <= 0:
                    return None
                await woken(self._wake, min(left, RESERVED_S) if ripens() else left)
        finally:
            unsubscribe()
        return None


class TakeRoute(WorkerRoute):
    """`GET job-take/WORKER` answers one job, `job-take-batch` a list of them; 204 when none came."""

    async def answer(self, operation: str, *rest: str) -> None:
        (worker,) = rest
        batch = operation == "job-take-batch"
        self.found.ask(worker, busy=self.get_query_argument("job_in_progress", "0") == "1")
        size = self.get_query_argument("batch_size", "1") if batch else "1"
        count = int(size) if re.fullmatch("[0-9]{1,9}", size) else 1
        jobs = await self.held(lambda: self.found.take(worker, count), lambda: self.found.waiting > 0)
        if not jobs:
            self.set_status(204)
        else:
            bodies = [request.body for request in jobs]
            self.reply((f"[{', '.join(bodies)}]" if batch else bodies[0]).encode())


class StopRoute(WorkerRoute):
    """`GET job-stop/WORKER` answers the ids of jobs to stop; 204 when there are none."""

    async def answer(self, _operation: str, *rest: str) -> None:
        (worker,) = rest
        ids = await self.held(lambda: self.found.stops(worker, SETTLED_S))
        if not ids:
            self.set_status(204)
        else:
            self.reply({"jobsToStop": ids})


class PingRoute(WorkerRoute):
    """`GET ping/WORKER`: a heartbeat, or the report of a failed fitness check."""

    async def answer(self, _operation: str, *rest: str) -> None:
        (worker,) = rest
        failed = None
        if self.get_query_argument("status", "") == "unhealthy":
            failed = f"{self.get_query_argument('check', '?')}: {self.get_query_argument('reason', '?')}"
        self.found.ping(worker, failed)
        self.reply({})


class PostRoute(WorkerRoute):
    """`POST job-done/WORKER/JOB` and `job-stream/WORKER/JOB` keep a body; 404 when there is no such job."""

    def initialize(self, *args: Any, **given: Any) -> None:
        super().initialize(*args, **given)
        self._chunks: list[bytes] = []

    def data_received(self, chunk: bytes) -> None:
        if self.found is not None:
            self._chunks.append(chunk)

    async def answer(self, operation: str, *rest: str) -> None:
        worker, job_id = rest
        is_stream = self.get_query_argument("isStream", "false") == "true"
        try:
            post = received(
                "stream" if operation == "job-stream" else "done", b"".join(self._chunks), is_stream=is_stream
            )
        except BadInput:
            raise RequestRefused(400, "the body is not a JSON object") from None
        self.found.workers.saw(worker)
        entry = self.found.post(job_id, post)
        if entry is None:
            raise RequestRefused(404, "there is no such job here")
        if entry.oversized is not None and post.kind == "done":
            raise RequestRefused(400, "the result is over the limit")
        self.reply({})


ROUTES: Sequence[tuple[Sequence[str], type[WorkerRoute]]] = (
    (("job-take", "job-take-batch"), TakeRoute),
    (("job-stop",), StopRoute),
    (("ping",), PingRoute),
    (("job-stream", "job-done"), PostRoute),
)


def worker_routes(queues: Mapping[str, Queue], key: str, *, hold_s: float = HOLD_S) -> list[Route]:
    """The routes a worker needs, for each endpoint of `queues` under `/v2/{endpoint}/`.

    `hold_s` is how long an empty poll is held open, in seconds.
    """
    with_these = {"allowed": keyed(key, queues.get), "hold_s": hold_s}
    return [(f"/v2/{pattern(WORKER_OPERATIONS, names)}", route, with_these) for names, route in ROUTES]
