"""The server's end of the link to one kernel: sockets and a session of its own, to take nobody's replies."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient

from rp_notebook import wire
from rp_notebook.endpoint.ticking import woken
from rp_notebook.jobs.interrupts import Reason
from rp_notebook.jobs.request import Request
from rp_notebook.server.pipe import Pipe

ANSWERS_S = 2.0  # the control thread of a kernel answers in milliseconds, also while a cell runs
AGAIN_S = 5.0  # after which a question that was not answered is asked again: it may have failed there

Heard = Callable[[str, wire.Said], None]


class Link:
    """Talks to the kernel with this connection information. `heard` gets the handler, and what was said of a job.

    `lost` is called when a message is missing: a kernel whose messages nobody takes fast enough drops some. `cut` is
    called when the kernel has ended the pipe: it ends, or left us. `said` are the names of its handlers as it said
    last: None where the extension was not loaded, and until it `has_said` anything.
    """

    said: frozenset[str] | None = None
    has_said = False

    def __init__(self, connection: Any, heard: Heard, lost: Callable[[], None], cut: Callable[[], None]) -> None:
        self.id = uuid.uuid4().hex
        self._heard, self._lost, self._cut = heard, lost, cut
        self._next = 0
        self._pipe = Pipe(self._came, self._was_cut)
        self._client: Any = AsyncKernelClient()
        self._client.load_connection_info(connection)
        self._session = self._client.session
        identity = self._session.bsession
        self._shell, self._control = self._client.connect_shell(identity), self._client.connect_control(identity)
        self._iopub = self._client.connect_iopub()
        self._iopub.setsockopt(zmq.UNSUBSCRIBE, b"")  # what cells show is none of our business
        self._iopub.setsockopt(zmq.SUBSCRIBE, f"comm-{wire.TARGET}.".encode())
        self._question, self._asked_at, self._answered = "", 0.0, asyncio.Event()
        self._answered.set()
        self._patient = 0.0
        self._listening = [asyncio.ensure_future(each) for each in (self._listen(), self._hear_answers())]

    async def handlers(self) -> frozenset[str] | None:
        """The names of the kernel's handlers, as it says now; None when the extension is not loaded there.

        Raises `asyncio.TimeoutError` when the kernel does not answer, and at once while it owes an answer for so long.
        """
        now = time.monotonic()
        if self._answered.is_set():
            self._answered.clear()
            self._patient = now + ANSWERS_S
            self._ask()
        elif now > self._asked_at + AGAIN_S:
            self._ask()
        if not await woken(self._answered, max(self._patient - now, 0)):
            raise asyncio.TimeoutError
        return self.said

    def send(self, handler: str, request: Request) -> None:
        """Gives a job to a handler's comm."""
        data, buffers = wire.job_sent(self.id, request)
        comm_id = wire.comm_of(handler)
        if not self._pipe.send(comm_id, data, buffers):
            self._session.send(self._shell, "comm_msg", {"comm_id": comm_id, "data": data}, buffers=buffers)

    def wake(self) -> None:
        """Says nothing, to a kernel that may have left a message half way for the event loop of a window (`%gui`)."""
        self._session.send(self._shell, "comm_msg", {"comm_id": wire.comm_of(""), "data": {}})

    def stop(self, job_id: str, reason: Reason) -> None:
        """Stops a job, whatever the kernel does just now."""
        self._say(wire.STOP, wire.stop_sent(job_id, reason))

    async def close(self) -> None:
        """Leaves no socket behind."""
        self._pipe.close()
        for listening in self._listening:
            listening.cancel()
        await asyncio.wait(self._listening)
        for channel in (self._shell, self._control, self._iopub):
            channel.close(linger=0)
        self._client.context.destroy(linger=0)

    def _ask(self) -> None:
        self._question = self._say("comm_info_request", {"target_name": wire.TARGET})
        self._asked_at = time.monotonic()

    def _say(self, kind: str, content: wire.Data) -> str:
        """Says it on the control channel, and returns the id of the message.

        Not by `Session.send`: that sends behind the back of the socket, which then misses an answer that comes in this
        moment, and with it all that follow.
        """
        message = self._session.msg(kind, content=content)
        self._control.send_multipart(self._session.serialize(message))
        return str(message["header"]["msg_id"])

    def _was_cut(self) -> None:
        if not self._answered.is_set():  # what is answered now may have been true before
            self._ask()
        self._cut()

    async def _hear_answers(self) -> None:
        while True:
            message = await self._received(self._control)
            if message["parent_header"].get("msg_id") != self._question:
                continue
            names = frozenset(wire.handler_of(comm_id) for comm_id in message["content"].get("comms", {}))
            if names and not self._pipe.asked:
                with suppress(OSError, NotImplementedError):  # the latter on Windows
                    self._say(wire.LINK, wire.link_sent(self.id, await self._pipe.listening()))
            self.said, self.has_said = names - {""} if names else None, True
            self._answered.set()

    async def _listen(self) -> None:
        while True:
            message = await self._received(self._iopub)
            content = message["content"]
            if message["msg_type"] == "comm_msg" and content.get("data", {}).get("link") == self.id:
                self._came(content["comm_id"], content["data"], message["buffers"])

    def _came(self, comm_id: str, data: wire.Data, buffers: wire.Buffers) -> None:
        if data["number"] not in (self._next, 0):  # an extension that was loaded anew counts anew
            self._lost()
        self._next = data["number"] + 1
        for said in wire.received(data, buffers):
            self._heard(wire.handler_of(comm_id), said)

    async def _received(self, channel: Any) -> Any:
        parts = await channel.recv_multipart()
        _, parts = self._session.feed_identities(parts)
        return self._session.deserialize(parts)
