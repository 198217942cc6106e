"""What a real SDK worker calls (`job-take`, `job-done`, ...), served over queues on a loopback port."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, TypeVar

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body

from rp_notebook.endpoint.entry import received
from rp_notebook.endpoint.queue import Queue
from rp_notebook.errors import BadInput

T = TypeVar("T")
Route = tuple[str, type[RequestHandler], dict[str, Any]]

LOOPBACK = "127.0.0.1"
HOLD_S = 1.0  # an empty poll answered at once makes the SDK spin (facts/runpod-contract.md 6.3)
BODY_LIMIT = 1_000_000_000  # bytes; the SDK posts a result of any size whole, and tornado's own limit is 100 MB
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
        count = int(self.get_query_argument("batch_size", "1")) if batch else 1
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

    def post(self, _endpoint: str, route: Literal["stream", "done"], _worker: str, job_id: str) -> None:
        is_stream = self.get_query_argument("isStream", "false") == "true"
        try:
            post = received(route, b"".join(self._chunks), is_stream=is_stream)
        except BadInput:
            raise HTTPError(400, reason="the body is not a JSON object") from None
        if self.queue.post(job_id, post) is None:
            raise HTTPError(404, reason="there is no such job here")
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


@dataclass(frozen=True)
class _Running:
    loop: asyncio.AbstractEventLoop
    stopping: asyncio.Event
    port: int


class Loopback:
    """An HTTP server on 127.0.0.1 with a thread and an event loop of its own.

    `port` 0 takes a free one. Use it as a context manager, or `start` and `stop`, which may be repeated; after
    `stop` no thread, socket or loop is left.
    """

    def __init__(self, routes: Sequence[Route], port: int = 0) -> None:
        self._routes = list(routes)
        self._port = port
        self._thread: threading.Thread | None = None
        self._running: _Running | None = None

    @property
    def url(self) -> str:
        """Where it listens, as `http://127.0.0.1:PORT`; raises `RuntimeError` while it does not."""
        return f"http://{LOOPBACK}:{self._up().port}"

    def start(self) -> None:
        """Listens. Raises `OSError` when the port is taken."""
        if self._running is not None:
            return
        started: Future[_Running] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name="rp-notebook loopback", daemon=True
        )
        self._thread.start()
        try:
            self._running = started.result()
        except OSError:
            self._thread.join()
            raise

    def stop(self) -> None:
        """Closes every connection and ends the thread."""
        if self._running is None or self._thread is None:
            return
        self._running.loop.call_soon_threadsafe(self._running.stopping.set)
        self._thread.join()
        self._thread = self._running = None

    def call(self, function: Callable[[], T]) -> T:
        """The result of `function`, called on the server's thread: the only one that may touch its queues."""

        async def called() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(called(), self._up().loop).result()

    def __enter__(self) -> Loopback:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _up(self) -> _Running:
        if self._running is None:
            raise RuntimeError("the server is not running: call start()")
        return self._running

    async def _serve(self, started: Future[_Running]) -> None:
        application = Application(self._routes, log_function=lambda _: None)
        server = HTTPServer(application, max_body_size=BODY_LIMIT, max_buffer_size=BODY_LIMIT)
        try:
            sockets = bind_sockets(self._port, LOOPBACK)
        except OSError as error:
            started.set_exception(error)
            return
        server.add_sockets(sockets)
        stopping = asyncio.Event()
        started.set_result(_Running(asyncio.get_running_loop(), stopping, sockets[0].getsockname()[1]))
        await stopping.wait()
        server.stop()
        await server.close_all_connections()
