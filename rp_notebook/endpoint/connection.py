"""A client's connection to a server of our own: requests in, one after another, and their answers out."""

from __future__ import annotations

import asyncio
import logging
import types
from collections.abc import Callable, Coroutine, Generator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from rp_notebook.endpoint.exchange import REASONS, Asked, Exchange, Headers
from rp_notebook.endpoint.http1 import HEAD_LIMIT, NO_REQUEST, BadRequest, Body, Head, head_of, may_begin
from rp_notebook.endpoint.openapi import JSON
from rp_notebook.endpoint.replies import error_reply

Matched = tuple[list[str], type[Exchange], dict[str, Any]]  # what the path holds, and what answers

AHEAD = 65_536  # bytes that a client may send before the request before them is answered
END = b"\r\n\r\n"

logger = logging.getLogger(__name__)


class Connection(asyncio.Protocol):
    """Answers by the route that `match` has for a path; `gone` is called once it is closed."""

    def __init__(self, match: Callable[[str], Matched], gone: Callable[[Connection], None]) -> None:
        self._match, self._gone = match, gone
        self._loop = asyncio.get_running_loop()
        self._come = b""
        self._body: Body | None = None
        self._exchange: Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._paused = self._closed = False
        self._room = asyncio.Event()
        self._room.set()

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport
        self._asker = SimpleNamespace(context=SimpleNamespace(address=transport.get_extra_info("peername")))

    def connection_lost(self, _: BaseException | None) -> None:
        self._closed = True
        self._room.set()
        if self._exchange is not None:
            self._exchange.on_connection_close()
        self._gone(self)

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def abort(self) -> None:
        """Ends it, and what is still being answered."""
        if self._task is not None:
            self._task.cancel()
        self._transport.abort()

    def close(self) -> None:
        """Ends it once all that was answered is sent."""
        if self._task is None:
            self._transport.close()
        else:
            self.abort()

    def data_received(self, data: bytes) -> None:
        self._come = self._come + data if self._come else data
        try:
            self._read()
        except BadRequest as bad:
            body = error_reply(str(bad))
            head = f"HTTP/1.1 {bad.status} {REASONS[bad.status]}\r\nContent-Type: {JSON}\r\n"
            self._transport.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            self._transport.close()

    def _read(self) -> None:
        while self._come and self._task is None and not self._transport.is_closing():
            if self._body is None:
                end = self._come.find(END, 0, HEAD_LIMIT)
                if end == -1:
                    if len(self._come) >= HEAD_LIMIT:
                        raise BadRequest("the head of the request is too large", 431)
                    if self._come.startswith(b"\r\n"):  # RFC 9112 2.2: some clients send one behind a body
                        self._come = self._come[2:]
                        continue
                    if not may_begin(self._come):
                        raise BadRequest(NO_REQUEST)
                    return
                head = head_of(self._come[:end].lstrip(b"\r\n"))
                self._come = self._come[end + len(END) :]
                self._begin(head)
            if self._body is not None and self._exchange is not None:
                parts, self._come = self._body.taken(self._come)
                for part in parts:
                    self._exchange.data_received(part)
                if not self._body.over:
                    return
                self._body = None
                self._begin_answer(self._answer(self._exchange))
        if self._task is not None and len(self._come) > AHEAD and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _begin(self, head: Head) -> None:
        target = head.target
        if not target.startswith("/"):
            parts = urlsplit(target)
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        path, _, query = target.partition("?")
        groups, route, given = self._match(path)
        asked = Asked(head.method, path, query, Headers(head.headers), self._asker)
        sends = (self._transport.write, self._room.wait)
        exchange = route(asked, groups, given, *sends, keeps=head.keeps, chunks=head.chunks)
        try:
            exchange.prepare().send(None)
        except StopIteration:
            self._exchange, self._body = exchange, Body(head.length)
        else:
            raise RuntimeError("what prepares an answer here waits for nothing")
        if head.expects:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _begin_answer(self, answering: Coroutine[Any, Any, None]) -> None:
        """Its first step at once: a task would take a turn of the loop before it."""
        try:
            waited_for = answering.send(None)
        except StopIteration:
            return
        self._task = self._loop.create_task(_behind_first_step(answering, waited_for))

    async def _answer(self, exchange: Exchange) -> None:
        try:
            method = exchange.request.method
            known = method if method in exchange.SUPPORTED_METHODS else "PUT"
            await getattr(exchange, known.lower())(*exchange.path_args)
        except Exception:  # our own mistake: told as such, and the server goes on
            logger.exception("an answer failed")
            if not exchange.begun:
                exchange.refuse(500)
        if not (self._closed or exchange.finished):
            exchange.finish()
        self._task = self._exchange = None
        if not exchange.keeps:
            self._transport.close()
        elif self._paused:
            self._paused = False
            self._transport.resume_reading()
        if self._come and not self._closed:
            self._loop.call_soon(self.data_received, b"")


async def _behind_first_step(answering: Coroutine[Any, Any, None], waited_for: Any) -> None:
    await _gone_on(answering, waited_for)  # from Python 3.12 on no task takes that itself


@types.coroutine
def _gone_on(answering: Coroutine[Any, Any, None], waited_for: Any) -> Generator[Any, Any, None]:
    """Awaits what has begun, and waits for this."""
    while True:
        try:
            step, value = answering.send, (yield waited_for)
        except BaseException as error:  # noqa: BLE001 (a cancellation, which the answer hears of)
            step, value = answering.throw, error
        try:
            waited_for = step(value)
        except StopIteration:
            return
