"""What a Jupyter server and a kernel say to each other, as plain data and binary buffers over a comm.

The kernel registers a comm for each handler, and tells nobody: whoever asks for its comms sees them, also while a cell
runs. A server sends jobs to such a comm; what becomes of them comes back through it. A job is stopped by a message of
its own on the control channel, which is heard while the handler runs. Where both are on one machine, what goes through
comms takes a pipe instead: a socket of the server's, which passes none of Jupyter's threads, watchers and browsers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from struct import Struct
from typing import Any
from urllib.parse import quote, unquote

from rp_notebook.jobs.interrupts import Reason
from rp_notebook.jobs.posts import Bare, Post
from rp_notebook.jobs.request import Request

TARGET = "rp_notebook"
STOP, LINK = "rp_notebook_stop", "rp_notebook_link"  # message types of the control channel
AHEAD = 4_000_000  # bytes that a pipe takes before they are read, where the system lets it
CHUNK = 65_536  # bytes that are read at a time, but for those of a large message
SIZES = Struct(">IQ")  # of a frame's head and of its buffers together

Data = dict[str, Any]
Buffers = Sequence[Any]  # each of them like bytes


@dataclass(frozen=True)
class Began:
    """The handler was called, `at` seconds since the epoch.

    The kernel runs `capacity` of its jobs at a time, each at most `timeout_s`.
    """

    job_id: str
    capacity: int
    at: float
    timeout_s: float | None


@dataclass(frozen=True)
class Posted:
    """A body, as a worker of the SDK would post it."""

    job_id: str
    post: Post


@dataclass(frozen=True)
class Ended:
    """The kernel has done with a job and posted nothing in the end; `why` says why that is lost."""

    job_id: str
    why: str | None
    cancelled: bool


@dataclass(frozen=True)
class Refused:
    """The kernel cannot run a job at all."""

    job_id: str
    why: str


@dataclass(frozen=True)
class Withdrawn:
    """The notebook's user cancelled a job, which may not have been sent yet."""

    job_id: str


Said = Began | Posted | Ended | Refused | Withdrawn


def comm_of(handler: str) -> str:
    """The id of a handler's comm; that of the empty name is there as soon as the extension is loaded."""
    return f"{TARGET}.{quote(handler, safe='')}"


def handler_of(comm_id: str) -> str:
    """The handler whose comm it is."""
    return unquote(comm_id.partition(".")[2])


def job_sent(link: str, request: Request) -> tuple[Data, list[bytes]]:
    """A job, to a kernel: `link` is repeated in everything that is said about it."""
    return {"link": link, "id": request.id}, [request.body.encode()]


def job_received(data: Mapping[str, Any], buffers: Buffers) -> tuple[str, Request]:
    """The link and the job."""
    return data["link"], Request(data["id"], str(buffers[0], "utf-8"))


def stop_sent(job_id: str, reason: Reason) -> Data:
    """The content of a `STOP`."""
    return {"id": job_id, "reason": reason}


def link_sent(link: str, path: str) -> Data:
    """The content of a `LINK`: the socket at which the server waits for the kernel."""
    return {"link": link, "path": path}


def framed(comm_id: str, data: Data, buffers: Buffers) -> list[Any]:
    """What goes through a comm, as the bytes for a pipe: together where they are few."""
    sizes = [*map(len, buffers)]
    head = json.dumps([comm_id, data, sizes]).encode()
    parts = [SIZES.pack(len(head), sum(sizes)), head, *buffers]
    return parts if sum(sizes) > CHUNK else [b"".join(parts)]


class Frames:
    """Puts together what comes through a pipe."""

    def __init__(self) -> None:
        self._chunk = memoryview(bytearray(CHUNK))
        self._come = bytearray()  # what is no whole head
        self._head: Any = None
        self._body = bytearray()  # of the message with this head: a large one is read to its place
        self._filled = 0

    @property
    def room(self) -> memoryview:
        """Where the next bytes go."""
        return self._chunk if self._head is None else memoryview(self._body)[self._filled :]

    def taken(self, count: int) -> Iterator[tuple[str, Data, Buffers]]:
        """The messages that are complete with so many bytes in `room`, as what was `framed`."""
        if self._head is None:
            self._come += self._chunk[:count]
        else:
            self._filled += count
        while self._is_whole():
            (comm_id, data, sizes), self._head = self._head, None
            body, self._body = self._body, bytearray()  # which is not kept until the next comes
            ends = [*accumulate(sizes)]
            parts = [memoryview(body)[end - size : end] for size, end in zip(sizes, ends, strict=True)]
            yield comm_id, data, [body] if len(sizes) == 1 else parts

    def _is_whole(self) -> bool:
        if self._head is None and len(self._come) >= SIZES.size:
            head, size = SIZES.unpack_from(self._come)
            at = SIZES.size + head
            if len(self._come) >= at:
                self._head = json.loads(self._come[SIZES.size : at])
                there = self._come[at : at + size]
                self._body, self._filled = there.ljust(size, b"\0"), len(there)
                del self._come[: at + self._filled]
        return self._head is not None and self._filled == len(self._body)


def sent(link: str, number: int, together: Sequence[Said]) -> tuple[Data, list[bytes]]:
    """What a kernel says about jobs, in one message; `number` counts those through this link, from 0."""
    said, buffers = zip(*map(_told, together), strict=True)
    return {"link": link, "number": number, "said": [*said]}, [body for bodies in buffers for body in bodies]


def received(data: Mapping[str, Any], buffers: Buffers) -> list[Said]:
    """What a kernel said. Raises `ValueError` for what another version of it may say."""
    bodies = iter(buffers)
    return [_heard(told, bodies) for told in data["said"]]


def _told(said: Said) -> tuple[Data, list[bytes]]:
    data: Data = {"kind": type(said).__name__, "id": said.job_id}
    match said:
        case Began(capacity=capacity, at=at, timeout_s=timeout_s):
            return {**data, "capacity": capacity, "at": at, "timeout_s": timeout_s}, []
        case Posted(post=Post(kind=kind, body=body, is_stream=is_stream, valid_json=valid_json)):
            said_so = {"is_stream": is_stream, "valid_json": valid_json, "bare": isinstance(said.post, Bare)}
            return {**data, "post": kind, **said_so}, [body]
        case Ended(why=why, cancelled=cancelled):
            return {**data, "why": why, "cancelled": cancelled}, []
        case Refused(why=why):
            return {**data, "why": why}, []
        case Withdrawn():
            return data, []


def _heard(told: Mapping[str, Any], bodies: Iterator[Any]) -> Said:
    job_id = told["id"]
    match told["kind"]:
        case "Began":
            return Began(job_id, told["capacity"], told["at"], told["timeout_s"])
        case "Posted":
            of, body = Bare if told.get("bare") else Post, next(bodies)
            if not isinstance(body, bytearray):  # which is this message's alone: a large one is not copied
                body = bytes(body)
            return Posted(job_id, of(told["post"], body, told["is_stream"], told["valid_json"]))
        case "Ended":
            return Ended(job_id, told["why"], told["cancelled"])
        case "Refused":
            return Refused(job_id, told["why"])
        case "Withdrawn":
            return Withdrawn(job_id)
    raise ValueError(f"a kernel said {told['kind']!r}: another version of rp_notebook?")
