"""What a real SDK worker calls (`job-take`, `job-done`, ...), as routes over queues."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

from tornado.web import HTTPError, RequestHandler, stream_request_body

from rp_notebook.endpoint.entry import received
from rp_notebook.endpoint.loopback import Route
from rp_notebook.endpoint.queue import Queue
from rp_notebook.errors import BadInput

T = TypeVar("T")

HOLD_S = 1.0  # an empty poll answered at once makes the SDK spin (facts/runpod-contract.md 6.3)
JSON = "application/json"  # the SDK takes no other content type for a job


class WorkerRoute(RequestHandler):
    """A route of one endpoint, open to who sends the raw key (no "Bearer") as a worker does."""

    def initialize(self, queues: Mapping[str, Queue], key: str, hold_s: float) -> None:
        self._queues, self._key, self._hold_s = queues, key, hold_s
        self._wake = asyncio.Event()
        self._gone = False

    def prepare(self) -> None:
        if self.request.headers.get("Authorization") != self._key:
            raise HTTPError(401, reason="the Authorization header is not this endpoint's key")
        if self.path_args[0] not in self._queues:
            raise HTTPError(404, reason="there is no such endpoint here")
        self.queue = self._queues[self.path_args[0]]

    def on_connection_close(self) -> None:
        self._gone = True
        self._wake.set()

    def reply(self, text: str) -> None:
        """Answers with JSON text."""
        self.set_header("Content-Type", JSON)
        self.write(text.encode())

    def write_error(self, status_code: int, **_: Any) -> None:
        self.reply(json.dumps({"error": f"{status_code} {self._reason}"}))

    async def held(self, look: Callable[[], T]) -> T | None:
        """What `look` finds, as soon as it is not empty; None when the time is over or the client has gone.

        A worker that died while it waited must not be given a job.
        """
        clock = asyncio.get_running_loop().time
        end = clock() + self._hold_s
        unsubscribe = self.queue.subscribe(self._wake.set)
        try:
            while not self._gone:
                self._wake.clear()
                if found := look():
                    return found
                await asyncio.wait_for(self._wake.wait(), max(0, end - clock()))
        except asyncio.TimeoutError:
            return None
        finally:
            unsubscribe()
        return None


class TakeRoute(WorkerRoute):
    """`GET job-take/WORKER` answers one job, `job-take-batch` a list of them; 204 when none came."""

    async def get(self, _endpoint: str, batch: str, worker: str) -> None:
        self.queue.ask(worker, busy=self.get_query_argument("job_in_progress", "0") == "1")
        size = self.get_query_argument("batch_size", "1") if batch else "1"
        count = int(size) if size.isdecimal() and len(size) < 10 else 1
        jobs = await self.held(lambda: self.queue.take(worker, count))
        if not jobs:
            self.set_status(204)
        else:
            bodies = [request.body for request in jobs]
            self.reply(f"[{', '.join(bodies)}]" if batch else bodies[0])


class StopRoute(WorkerRoute):
    """`GET job-stop/WORKER` answers the ids of jobs to stop; 204 when there are none."""

    async def get(self, _endpoint: str, worker: str) -> None:
        ids = await self.held(lambda: self.queue.stops(worker))
        if not ids:
            self.set_status(204)
        else:
            self.reply(json.dumps({"jobsToStop": ids}))


class PingRoute(WorkerRoute):
    """`GET ping/WORKER`: a heartbeat, or the report of a failed fitness check."""

    def get(self, _endpoint: str, worker: str) -> None:
        failed = None
        if self.get_query_argument("status", "") == "unhealthy":
            failed = f"{self.get_query_argument('check', '?')}: {self.get_query_argument('reason', '?')}"
        self.queue.ping(worker, failed)
        self.reply("{}")


# The SDK labels its raw JSON as a form; read as a stream, tornado leaves the body alone.
@stream_request_body
class PostRoute(WorkerRoute):
    """`POST job-done/WORKER/JOB` and `job-stream/WORKER/JOB` keep a body; 404 when there is no such job."""

    def initialize(self, queues: Mapping[str, Queue], key: str, hold_s: float) -> None:
        super().initialize(queues, key, hold_s)
        self._chunks: list[bytes] = []

    def data_received(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def post(self, _endpoint: str, route: Literal["stream", "done"], worker: str, job_id: str) -> None:
        is_stream = self.get_query_argument("isStream", "false") == "true"
        try:
            post = received(route, b"".join(self._chunks), is_stream=is_stream)
        except BadInput:
            raise HTTPError(400, reason="the body is not a JSON object") from None
        self.queue.workers.saw(worker)
        entry = self.queue.post(job_id, post)
        if entry is None:
            raise HTTPError(404, reason="there is no such job here")
        if entry.oversized is not None and post.kind == "done":
            raise HTTPError(400, reason="the result is over the limit")
        self.reply("{}")


def worker_routes(queues: Mapping[str, Queue], key: str, *, hold_s: float = HOLD_S) -> list[Route]:
    """The routes a worker needs, for each endpoint of `queues` under `/v2/{endpoint}/`.

    `hold_s` is how long an empty poll is held open, in seconds.
    """
    with_these = {"queues": queues, "key": key, "hold_s": hold_s}
    return [
        (r"/v2/([^/]+)/job-take(-batch)?/([^/]+)", TakeRoute, with_these),
        (r"/v2/([^/]+)/job-stop/([^/]+)", StopRoute, with_these),
        (r"/v2/([^/]+)/ping/([^/]+)", PingRoute, with_these),
        (r"/v2/([^/]+)/job-(stream|done)/([^/]+)/(.+)", PostRoute, with_these),
    ]
