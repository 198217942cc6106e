"""The kernel's end of a pipe to a Jupyter server on the same machine."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from rp_notebook import wire

TAKES_S = 30.0  # a server that takes nothing for so long has gone


class Pipe:
    """`came` gets what the server sends, on the thread of `loop`.

    Raises `OSError` where the server's socket at `path` cannot be reached.
    """

    def __init__(
        self,
        path: str,
        loop: asyncio.AbstractEventLoop,
        came: Callable[[str, wire.Data, wire.Buffers], None],
    ) -> None:
        self._loop, self._came = loop, came
        self._frames = wire.Frames()
        self._turn = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(TAKES_S)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, wire.AHEAD)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise
        loop.call_soon_threadsafe(loop.add_reader, self._socket, self._read)

    def send(self, comm_id: str, data: wire.Data, buffers: wire.Buffers) -> bool:
        """Sends what would go through a comm, from any thread; whether it could."""
        whole = False
        with self._turn, suppress(OSError):
            try:
                for part in wire.framed(comm_id, data, buffers):
                    self._socket.sendall(part)
                whole = True
            finally:
                if not whole:  # interrupted, too: half a message is no message
                    self.close()
        return whole

    def close(self) -> None:
        """Ends it on both sides, from any thread."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        count = 0
        with suppress(OSError):
            count = self._socket.recv_into(self._frames.room)
        for message in self._frames.taken(count):
            self._came(*message)
        if count == 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()
