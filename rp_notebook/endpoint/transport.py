"""The socket of a client as a transport of asyncio's that is there at once."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

AT_ONCE = 262_144  # bytes that are read at a time
KEPT = 65_536  # bytes that wait to be sent before the protocol is told to pause
NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
ROOM_S = 1.0  # after which there may be some again


class Transport(asyncio.Transport):
    """Reads and writes for a protocol.

    asyncio's own begins to read only after a task and three turns of the loop, and most clients ask once.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, client: socket.socket, address: object, protocol: asyncio.Protocol
    ) -> None:
        super().__init__({"peername": address})
        self._loop, self._client, self._protocol = loop, client, protocol
        self._file = client.fileno()
        self._unsent = bytearray()
        self._closing = self._gone = self._full = False
        protocol.connection_made(self)
        loop.add_reader(self._file, self._read)
        self._read()

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._loop.remove_reader(self._file)

    def resume_reading(self) -> None:
        if not self._closing:
            self._loop.add_reader(self._file, self._read)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._gone:
            return
        if not self._unsent:
            sent = self._sent(data)
            if sent == len(data) or self._gone:
                return
            data = data[sent:]
            self._loop.add_writer(self._file, self._go_on)
        self._unsent += data
        if len(self._unsent) > KEPT and not self._full:
            self._full = True
            self._protocol.pause_writing()

    def close(self) -> None:
        """Ends it once everything is sent."""
        if self._closing:
            return
        self._closing = True
        self._loop.remove_reader(self._file)
        if not self._unsent:
            self._end()

    def abort(self) -> None:
        """Ends it at once."""
        if not self._gone:
            self._end()

    def _read(self) -> None:
        try:
            data = self._client.recv(AT_ONCE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        if not data:
            self.close()
            return
        try:
            self._protocol.data_received(data)
        except BaseException:
            self.abort()
            raise

    def _sent(self, data: bytes | bytearray | memoryview) -> int:
        try:
            return self._client.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self._end(error)
            return 0

    def _go_on(self) -> None:
        del self._unsent[: self._sent(self._unsent)]
        if self._unsent or self._gone:
            return
        self._loop.remove_writer(self._file)
        if self._full:
            self._full = False
            self._protocol.resume_writing()
        if self._closing:
            self._end()

    def _end(self, error: OSError | None = None) -> None:
        self._closing = self._gone = True
        self._loop.remove_reader(self._file)
        self._loop.remove_writer(self._file)
        self._unsent.clear()
        self._client.close()
        self._loop.call_soon(self._protocol.connection_lost, error)


def accepting(
    loop: asyncio.AbstractEventLoop, listener: socket.socket, made: Callable[[], asyncio.Protocol]
) -> Callable[[], None]:
    """From now on each client of `listener` gets what is `made`; the returned function ends that."""
    over = False

    def begin() -> None:
        if not over:
            loop.add_reader(listener.fileno(), accept)

    def accept() -> None:
        try:
            client, address = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # gone before we came
            return
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            loop.remove_reader(listener.fileno())
            loop.call_later(ROOM_S, begin)
            return
        client.settimeout(0)
        Transport(loop, client, address, made())

    def end() -> None:
        nonlocal over
        over = True
        loop.remove_reader(listener.fileno())
        listener.close()

    listener.settimeout(0)
    begin()
    return end
