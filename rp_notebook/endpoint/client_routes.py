"""What clients of an endpoint call (`run`, `runsync`, `status`, ...), as routes (facts/runpod-contract.md 5.2)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from tornado.iostream import StreamClosedError

from rp_notebook.endpoint.asked import asked_of, asked_openai, limit_of, refuse_large, ttl_of
from rp_notebook.endpoint.endpoint import Endpoint
from rp_notebook.endpoint.entry import Entry
from rp_notebook.endpoint.loopback import Route
from rp_notebook.endpoint.openai import openai_answer, openai_error, openai_event
from rp_notebook.endpoint.openapi import BARE, BEARER, Door, document
from rp_notebook.endpoint.operations import OPERATIONS, WAITS_MS, WORKER_OPERATIONS, patterns
from rp_notebook.endpoint.replies import Parts, brief
from rp_notebook.endpoint.routes import Body, EndpointRoute, keyed
from rp_notebook.endpoint.service import Service
from rp_notebook.errors import RequestRefused
from rp_notebook.jobs.request import Mode

WAIT_S = 90.0  # of /runsync
HOLD_S = 5.0  # /stream waits so long for news; the SDK's client gives up after 10


class ClientRoute(EndpointRoute):
    """One operation on one endpoint; `door` tells what else there is."""

    operations = OPERATIONS

    def initialize(self, *args: Any, **given: Any) -> None:
        super().initialize(*args, **given)
        self.service: Service = given["service"]
        self._door: Door = given["door"]
        self._body = bytearray()
        self._size = 0
        self._changed = asyncio.Event()
        self._answered = False  # before its turn

    def data_received(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self.found is not None and self._size <= limit_of("runsync"):
            self._body += chunk
        else:
            self._body.clear()

    def on_connection_close(self) -> None:
        self.gone = True
        self._changed.set()

    def trouble(self, why: str) -> bytes:
        return openai_error(why) if self.path_args[1:2] == ["openai"] else super().trouble(why)

    async def answer(self, operation: str, *rest: str) -> None:
        endpoint: Endpoint = self.found
        leave = self.service.enter(endpoint, operation)
        try:
            if operation == "openai":
                await self._openai(endpoint, *rest)
            else:
                told = await self._answer(endpoint, operation, *rest)
                if not self._answered:
                    self.reply(told)
        finally:
            leave()

    async def _answer(self, endpoint: Endpoint, operation: str, what: str = "") -> Body:
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
                return endpoint.status_parts(what, ttl_s=None if ttl is None else ttl_of(ttl))
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
            case "requests":
                return endpoint.requests()
            case "openapi.json":
                return document(self.path_args[0], self.request.path.removesuffix(f"/{operation}"), self._door)
        raise NotImplementedError(operation)

    async def _openai(self, endpoint: Endpoint, route: str) -> None:
        refuse_large(self._size, "runsync")
        asked = asked_openai(route, self._body)
        job_id = endpoint.run(asked).job.id
        given = asked.request.decoded()["input"]["openai_input"]
        streams = isinstance(given, dict) and given.get("stream") is True
        look = endpoint.has_news if streams else endpoint.is_over
        while not (look(job_id) or self.gone):  # as long as it takes, but for a cell that waits for its own kernel
            self._asks_about(endpoint, job_id)
            await self._until(endpoint, job_id, look, HOLD_S)
        items = endpoint.fresh(job_id) if streams else []
        if not items:  # nor will there be any: it failed, or does not stream
            status, body = openai_answer(json.loads(endpoint.status(job_id)))
            self.reply(body, status)
            return
        self.set_header("Content-Type", "text/event-stream")
        try:
            while items and not self.gone:
                for item in items:
                    self.write(openai_event(item))
                with suppress(StreamClosedError):
                    await self.flush()
                await self._until(endpoint, job_id, endpoint.has_news)
                items = endpoint.fresh(job_id)
            status, body = openai_answer(json.loads(endpoint.status(job_id)))
        except RequestRefused as refused:  # its result is here no more
            status, body = refused.status, openai_error(str(refused))
        if status != HTTPStatus.OK:
            self.write(b"data: %s\n\n" % body)

    def _put(self, endpoint: Endpoint, mode: Mode) -> Entry:
        refuse_large(self._size, mode)
        asked = asked_of(self._body, mode)
        if asked.webhook is not None:
            self.service.webhooks.refuse(asked.webhook)
        entry = endpoint.run(asked)
        self._asks_about(endpoint, entry.job.id)
        return entry

    def _asks_about(self, endpoint: Endpoint, job_id: str) -> None:
        address = getattr(getattr(self.request.connection, "context", None), "address", None)
        if isinstance(address, tuple):
            self.service.asking(endpoint, job_id, address[1])

    async def _waited(self, endpoint: Endpoint, job_id: str, seconds: float) -> Parts:
        def heard() -> None:
            # By whoever brings the answer, which may be another thread: the client waits for no turn of the loop.
            entry = endpoint.queue.entry(job_id)  # it may be forgotten
            if entry is not None and entry.is_final and not (self._answered or self.gone):
                self._answered = True
                self.reply(endpoint.status_parts(job_id))
                self.finish()

        await self._until(endpoint, job_id, endpoint.is_over, seconds, heard)
        return () if self._answered else endpoint.status_parts(job_id)

    async def _until(
        self,
        endpoint: Endpoint,
        job_id: str,
        look: Callable[[str], bool],
        seconds: float | None = None,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        """Waits until `look` is true of the job or the client has gone, at most so long; `heard` hears of changes."""
        endpoint.entry(job_id)
        over = False

        def changed() -> None:
            heard()
            self._changed.set()

        def time_is_up() -> None:
            nonlocal over
            over = True
            self._changed.set()

        # `asyncio.wait_for` makes a task each time.
        timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, time_is_up)
        unwatch = endpoint.queue.watch(job_id, changed)
        try:
            while not (look(job_id) or self.gone or over):
                self._changed.clear()
                await self._changed.wait()
        finally:
            unwatch()
            if timer is not None:
                timer.cancel()

    def _wait_s(self) -> float:
        text = self.get_query_argument("wait", None)
        if text is None:
            return WAIT_S
        least, most = WAITS_MS
        if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise RequestRefused(400, f"wait is {text[:40]!r}: milliseconds from {least} to {most}")
        return int(text) / 1000


DOOR = Door({**OPERATIONS, **WORKER_OPERATIONS}, {"bearer": BEARER, "bare": BARE}, (401, 404, 429))


def client_routes(service: Service, key: str) -> list[Route]:
    """The routes for clients that hold `key`, for each endpoint under `/v2/{endpoint}/`."""
    given = {
        "allowed": keyed(key, service.endpoints.endpoint, service.names),
        "service": service,
        "door": DOOR,
        "origin": service.origin,
    }
    return [(rf"/v2/{path}", ClientRoute, given) for path in patterns(OPERATIONS)]
