"""HTTP/1.1 requests out of bytes: the head, and the body by its length or in chunks (RFC 9112)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

HEAD_LIMIT = 65_536  # bytes
LINE_LIMIT = 4096  # of what stands before a chunk and behind the last one
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_START = re.compile(_TOKEN)
_FIRST = re.compile(rb"(%s) ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])" % _TOKEN)
_FIELD = re.compile(rb"(%s):[ \t]*([^\x00\r\n]*?)[ \t]*" % _TOKEN)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?")
_DIGITS = re.compile("[0-9]{1,15}")


NO_REQUEST = "the first line is not that of an HTTP/1.1 request"


class BadRequest(Exception):
    """What came is no request; `status` and the text are what to answer before the connection is closed."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Head:
    """A request without its body. The names of `headers` are in lower case; `length` is None for a body in chunks.

    `keeps` says whether the connection stays open behind it, and `chunks` whether the answer may come in chunks.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    length: int | None
    keeps: bool
    chunks: bool

    @property
    def expects(self) -> bool:
        """Whether the client waits to be told to go on before it sends the body."""
        return self.length != 0 and self.headers.get("expect", "").lower() == "100-continue"


def may_begin(come: bytes) -> bool:
    """Whether a request may begin so: who speaks TLS here would wait for its answer for ever."""
    return come[:1] == b"\r" or _START.match(come) is not None


@lru_cache(maxsize=64)  # a client says the same again
def head_of(block: bytes) -> Head:
    """The head in a block that ended in an empty line. Raises `BadRequest`."""
    first, *lines = block.split(b"\r\n")
    found = _FIRST.fullmatch(first)
    if found is None:
        raise BadRequest(NO_REQUEST)
    headers: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise BadRequest("a line of the head is not `name: value`")
        name, value = field[1].decode().lower(), field[2].decode("latin-1")
        if name in headers and name in ("content-length", "transfer-encoding", "authorization"):
            raise BadRequest(f"{name} is there twice")  # what came before us may have heeded the other
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    connection = headers.get("connection", "").lower()
    keeps = "close" not in connection and (found[3] == b"1" or "keep-alive" in connection)
    return Head(found[1].decode(), found[2].decode("latin-1"), headers, _length(headers), keeps, found[3] == b"1")


def _length(headers: Mapping[str, str]) -> int | None:
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is not None:
        if coding.lower() != "chunked" or length is not None:
            raise BadRequest("the body has a length, or it is chunked; nothing else is taken")
        return None
    if length is not None and not _DIGITS.fullmatch(length):
        raise BadRequest("content-length is not a number")
    return int(length or 0)


class Body:
    """Takes the body out of what comes; `over` once all of it has. `length` None reads chunks."""

    def __init__(self, length: int | None) -> None:
        self._chunked = length is None
        self._left = length or 0
        self._between = False  # behind a chunk, whose line has to end
        self._last = False  # the last chunk has come, and trailers may follow
        self.over = length == 0

    def taken(self, given: bytes) -> tuple[list[bytes], bytes]:
        """The parts of the body in `given`, and what of it could not be used yet. Raises `BadRequest`."""
        if not self._chunked:
            part, rest = (given, b"") if len(given) <= self._left else (given[: self._left], given[self._left :])
            self._left -= len(part)
            self.over = self._left == 0
            return [part] if part else [], rest
        steps = list(self._chunks(given))
        return [part for part, _ in steps if part], given[steps[-1][1] :] if steps else given

    def _chunks(self, given: bytes) -> Iterator[tuple[bytes, int]]:
        """Each part of the body, with where in `given` the rest begins."""
        at = 0
        while not self.over:
            if self._left:
                part = given[at : at + self._left]
                at += len(part)
                self._left -= len(part)
                self._between = self._left == 0
                yield part, at
                if self._left:
                    return
                continue
            end = given.find(b"\r\n", at)
            if end == -1:
                if len(given) - at > LINE_LIMIT:
                    raise BadRequest("a chunk begins with a line that does not end")
                return
            self._line(given[at:end])
            at = end + 2
            yield b"", at

    def _line(self, line: bytes) -> None:
        if self._last:
            self.over = not line
        elif self._between:
            if line:
                raise BadRequest("a chunk is longer than it says")
            self._between = False
        else:
            found = _CHUNK.fullmatch(line)
            if found is None:
                raise BadRequest("a chunk does not begin with its length")
            self._left = int(found[1], 16)
            self._last = self._left == 0
