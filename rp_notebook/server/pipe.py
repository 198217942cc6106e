"""The server's end of a pipe to a kernel on the same machine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import ExitStack
from tempfile import TemporaryDirectory
from typing import Any

from rp_notebook import wire


class Pipe(asyncio.BufferedProtocol):
    """`came` gets what the kernel sends; `cut` is called when the kernel has ended it, and it may be opened again."""

    def __init__(self, came: Callable[[str, wire.Data, wire.Buffers], None], cut: Callable[[], None]) -> None:
        self._came, self._cut = came, cut
        self._frames = wire.Frames()
        self._transport: Any = None
        self._listening = ExitStack()
        self.asked = False  # the kernel was told where it can connect, and has not ended it since

    async def listening(self) -> str:
        """The path of a socket to which only this user's processes can connect. Raises `OSError` if there is none."""
        self.asked = True
        folder = self._listening.enter_context(TemporaryDirectory(prefix="rp-notebook-"))
        path = f"{folder}/link"
        server = await asyncio.get_running_loop().create_unix_server(lambda: self, path)
        self._listening.callback(server.close)
        return path

    def send(self, comm_id: str, data: wire.Data, buffers: wire.Buffers) -> bool:
        """Sends what would go through a comm, if the kernel is there."""
        if self._transport is not None:
            for part in wire.framed(comm_id, data, buffers):
                self._transport.write(part)
        return self._transport is not None

    def close(self) -> None:
        """Leaves nothing behind."""
        self._cut = lambda: None
        self._listening.close()
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: Any) -> None:
        self._listening.close()
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, wire.AHEAD)

    def get_buffer(self, _: int) -> memoryview:
        return self._frames.room

    def buffer_updated(self, count: int) -> None:
        for message in self._frames.taken(count):
            self._came(*message)

    def connection_lost(self, _: BaseException | None) -> None:
        self._frames, self._transport, self.asked = wire.Frames(), None, False
        self._cut()
