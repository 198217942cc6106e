"""What clients of an endpoint call (`run`, `runsync`, `status`, ...), as routes (facts/runpod-contract.md 5.2)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler, stream_request_body

from rp_notebook.endpoint.asked import asked_of, asked_openai, limit_of, refuse_large, ttl_of
from rp_notebook.endpoint.endpoint import Endpoint
from rp_notebook.endpoint.entry import Entry
from rp_notebook.endpoint.loopback import Route
from rp_notebook.endpoint.openai import openai_answer, openai_event
from rp_notebook.endpoint.replies import brief, error_reply
from rp_notebook.endpoint.service import Service, holds_key
from rp_notebook.errors import RequestRefused
from rp_notebook.jobs.request import Mode

JSON = "application/json"
WAIT_S = 90.0  # of /runsync
WAITS_MS = (1000, 300_000)
HOLD_S = 5.0  # /stream waits so long for news; the SDK's client gives up after 10

VERBS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(("run", "runsync", "cancel", "retry", "purge-queue"), ("POST",)),
        **dict.fromkeys(("status", "status-sync", "stream", "health", "requests"), ("GET",)),
        "openai": ("GET", "POST"),
    }
)
PATHS = (
    r"([^/]+)/(run|runsync|purge-queue|health|requests)",
    r"([^/]+)/(status|status-sync|stream|cancel|retry)/([^/]+)",
    r"([^/]+)/(openai)(/.*)",
)


# Read as a stream, a body that is too large can be dropped while it comes, and still be answered.
@stream_request_body
class ClientRoute(RequestHandler):
    """One operation on one endpoint. Who serves it says in `allowed` who may call."""

    def initialize(self, service: Service, **_: Any) -> None:
        self.service = service
        self._body: list[bytes] = []
        self._size = 0
        self._changed = asyncio.Event()
        self._gone = False

    def data_received(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size <= limit_of("runsync"):
            self._body.append(chunk)
        else:
            self._body.clear()

    def on_connection_close(self) -> None:
        self._gone = True
        self._changed.set()

    async def allowed(self, endpoint: str) -> Endpoint:
        """The endpoint, for who may call it. Raises `RequestRefused`."""
        raise NotImplementedError

    async def get(self, name: str, operation: str, what: str = "") -> None:
        leave: Callable[[], None] | None = None
        try:
            endpoint = await self.allowed(name)
            if self.request.method not in VERBS[operation]:
                self.set_header("Allow", ", ".join(VERBS[operation]))
                raise RequestRefused(405, f"/{operation} takes {' and '.join(VERBS[operation])}")
            leave = self.service.enter(endpoint, operation)
            if operation == "openai":
                await self._openai(endpoint, what)
            else:
                self.reply(await self._answer(endpoint, operation, what))
        except RequestRefused as refused:
            self.reply(error_reply(str(refused)), refused.status)
        finally:
            if leave is not None:
                leave()

    post = put = patch = delete = head = options = get

    async def _answer(self, endpoint: Endpoint, operation: str, what: str) -> bytes | dict[str, Any]:
        if what:
            self._asks_about(endpoint, what)
        match operation:
            case "run":
                return brief(self._put(endpoint, "run"))
            case "runsync":
                wait_s = self._wait_s()
                return await self._waited(endpoint, self._put(endpoint, "runsync").job.id, wait_s)
            case "status":
                ttl = self.get_query_argument("ttl", None)
                return endpoint.status(what, ttl_s=None if ttl is None else ttl_of(ttl))
            case "status-sync":
                return await self._waited(endpoint, what, self._wait_s())
            case "stream":
                await self._until(endpoint, what, endpoint.has_news, HOLD_S)
                return endpoint.stream(what)
            case "cancel":
                return endpoint.cancel(what)
            case "retry":
                return endpoint.retry(what)
            case "purge-queue":
                return endpoint.purge()
            case "health":
                return endpoint.health()
            case _:
                return endpoint.requests()

    async def _openai(self, endpoint: Endpoint, route: str) -> None:
        refuse_large(self._size, "runsync")
        asked = asked_openai(route, b"".join(self._body))
        job_id = endpoint.run(asked).job.id
        given = asked.request.decoded()["input"]["openai_input"]
        streams = isinstance(given, dict) and given.get("stream") is True
        await self._until(endpoint, job_id, endpoint.has_news if streams else endpoint.is_over)
        items = endpoint.fresh(job_id) if streams else []
        if not items:  # nor will there be any: it failed, or does not stream
            status, body = openai_answer(json.loads(endpoint.status(job_id)))
            self.reply(body, status)
            return
        self.set_header("Content-Type", "text/event-stream")
        while items and not self._gone:
            for item in items:
                self.write(openai_event(item))
            with suppress(StreamClosedError):
                await self.flush()
            await self._until(endpoint, job_id, endpoint.has_news)
            items = endpoint.fresh(job_id)

    def _put(self, endpoint: Endpoint, mode: Mode) -> Entry:
        refuse_large(self._size, mode)
        asked = asked_of(b"".join(self._body), mode)
        if asked.webhook is not None:
            self.service.webhooks.refuse(asked.webhook)
        entry = endpoint.run(asked)
        self._asks_about(endpoint, entry.job.id)
        return entry

    def _asks_about(self, endpoint: Endpoint, job_id: str) -> None:
        address = getattr(getattr(self.request.connection, "context", None), "address", None)
        if isinstance(address, tuple):
            self.service.asking(endpoint, job_id, address[1])

    async def _waited(self, endpoint: Endpoint, job_id: str, seconds: float) -> bytes:
        await self._until(endpoint, job_id, endpoint.is_over, seconds)
        return endpoint.status(job_id)

    async def _until(
        self, endpoint: Endpoint, job_id: str, look: Callable[[str], bool], seconds: float | None = None
    ) -> None:
        """Waits until `look` is true of the job or the client has gone, at most so long."""
        endpoint.entry(job_id)
        clock = asyncio.get_running_loop().time
        end = None if seconds is None else clock() + seconds
        unwatch = endpoint.queue.watch(job_id, self._changed.set)
        try:
            while not (look(job_id) or self._gone):
                self._changed.clear()
                await asyncio.wait_for(self._changed.wait(), None if end is None else max(end - clock(), 0))
        except asyncio.TimeoutError:
            return
        finally:
            unwatch()

    def _wait_s(self) -> float:
        text = self.get_query_argument("wait", None)
        if text is None:
            return WAIT_S
        least, most = WAITS_MS
        if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise RequestRefused(400, f"wait is {text[:40]!r}: milliseconds from {least} to {most}")
        return int(text) / 1000

    def reply(self, body: bytes | dict[str, Any], status: int = 200) -> None:
        """Answers with JSON."""
        self.set_status(status)
        self.set_header("Content-Type", JSON)
        self.write(body if isinstance(body, bytes) else json.dumps(body).encode())

    def write_error(self, status_code: int, **_: Any) -> None:
        self.reply(error_reply(self._reason), status_code)


class KeyedRoute(ClientRoute):
    """A route of a server with a key of its own."""

    def initialize(self, service: Service, key: str = "", **_: Any) -> None:
        super().initialize(service)
        self._key = key

    async def allowed(self, endpoint: str) -> Endpoint:
        if not holds_key(self.request.headers.get("Authorization"), self._key):
            raise RequestRefused(401, "the Authorization header does not hold this endpoint's key")
        found = self.service.endpoints.endpoint(endpoint)
        if found is None:
            raise RequestRefused(404, f"there is no endpoint {endpoint[:80]!r} here: it is the name of a handler")
        return found


class NoRoute(KeyedRoute):
    """Whatever else is asked for: told to nobody without the key."""

    async def get(self, name: str = "", operation: str = "", what: str = "") -> None:  # noqa: ARG002 (it has none)
        known = holds_key(self.request.headers.get("Authorization"), self._key)
        self.reply(error_reply("there is nothing here" if known else "no key"), 404 if known else 401)

    post = put = patch = delete = head = options = get


def client_routes(service: Service, key: str) -> list[Route]:
    """The routes for clients that hold `key`, for each endpoint under `/v2/{endpoint}/`."""
    return [(rf"/v2/{path}", KeyedRoute, {"service": service, "key": key}) for path in PATHS]
