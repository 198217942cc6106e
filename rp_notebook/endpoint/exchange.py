"""One request and its answer, with as much of tornado's `RequestHandler` as the routes of an endpoint use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType, SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

REASONS: Mapping[int, str] = MappingProxyType({status.value: status.phrase for status in HTTPStatus})
EMPTY = (204, 304)


class Headers(dict[str, str]):
    """The headers of a request, whose names may be asked for in any case."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


@dataclass
class Asked:
    """What routes look at of a request; `connection.context.address` is that of the client."""

    method: str
    path: str
    query: str
    headers: Headers
    connection: SimpleNamespace


class Exchange:
    """`send` gets the bytes of the answer, and `drained` is awaited where it comes in parts."""

    SUPPORTED_METHODS = ("GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS")

    def __init__(
        self,
        request: Asked,
        path_args: Sequence[str],
        given: Mapping[str, Any],
        send: Callable[[bytes], None],
        drained: Callable[[], Any],
        *,
        keeps: bool,
        chunks: bool,
    ) -> None:
        self.request = request
        self.path_args = list(path_args)
        self._send, self._drained = send, drained
        self.keeps, self._chunks = keeps, chunks
        self._status = 200
        self._headers: dict[str, str] = {}
        self._written: list[bytes] = []
        self.begun = False  # the head has been sent
        self.finished = False
        self._is_head = request.method == "HEAD"
        self.initialize(**given)

    def initialize(self, **given: Any) -> None:
        """What the route needs."""

    async def prepare(self) -> None:
        """Called when the head has come; it waits for nothing here."""

    def data_received(self, chunk: bytes) -> None:
        """A part of the body."""

    def on_connection_close(self) -> None:
        """The client has gone."""

    async def get(self, *_: str) -> None:
        """There is nothing here."""
        self.set_status(404)

    post = put = patch = delete = head = options = get

    @property
    def _reason(self) -> str:
        return REASONS.get(self._status, "Unknown")

    def set_status(self, status: int) -> None:
        """The status of the answer."""
        self._status = status

    def set_header(self, name: str, value: str) -> None:
        """A header of the answer."""
        self._headers[name] = value

    def get_query_argument(self, name: str, default: Any = None) -> Any:
        """The last value of a parameter of the query."""
        if not self.request.query:
            return default
        found = dict(parse_qsl(self.request.query, keep_blank_values=True)).get(name)
        return default if found is None else found.strip()

    def write(self, part: bytes) -> None:
        """A part of the answer, sent with the next `flush`, or at the end."""
        self._written.append(part)

    async def flush(self) -> None:
        """Sends what was written so far, in chunks if the client knows them, and waits until it has taken most."""
        if not self.begun:
            self.keeps &= self._chunks
            self._begin("Transfer-Encoding: chunked\r\n" if self._chunks else "")
        self._go_on()
        await self._drained()

    def finish(self) -> None:
        """Sends the rest."""
        self.finished = True
        if self.begun:
            self._go_on()
            if self._chunks and not self._is_head:
                self._send(b"0\r\n\r\n")
            return
        empty = self._status in EMPTY
        size = "" if empty else f"Content-Length: {sum(map(len, self._written))}\r\n"
        self._begin(size, () if empty or self._is_head else self._written)

    def refuse(self, status: int) -> None:
        """Answers with an error, where none was begun."""
        self._written.clear()
        self._headers.clear()
        self.set_status(status)
        self.write_error(status)

    def write_error(self, status_code: int, **_: Any) -> None:
        """The body of an error."""

    def _go_on(self) -> None:
        for part in () if self._is_head else filter(None, self._written):
            self._send(b"%x\r\n%s\r\n" % (len(part), part) if self._chunks else part)
        self._written.clear()

    def _begin(self, size: str, body: Sequence[bytes] = ()) -> None:
        self.begun = True
        given = "".join(f"{name}: {value}\r\n" for name, value in self._headers.items())
        stays = "close" if not self.keeps else "" if self._chunks else "keep-alive"  # what HTTP/1.0 must be told
        last = stays and f"Connection: {stays}\r\n"
        head = f"HTTP/1.1 {self._status} {self._reason}\r\n{given}{size}{last}\r\n".encode("latin-1")
        self._send(b"".join((head, *body)))
