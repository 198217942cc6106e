"""A finished job as it is kept on disk, without its secrets, and back again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.gauge import Gauge, GpuGauge
from rp_notebook.jobs.job import Job, Status
from rp_notebook.jobs.masking import masked, may_hold_secrets, scrubbed, secrets_in
from rp_notebook.jobs.payload import encodable
from rp_notebook.jobs.posts import Post, wire_json
from rp_notebook.jobs.record import KERNEL_DIED, JobRecord
from rp_notebook.jobs.request import Request

SMALL = 4096  # bytes: a body up to this stands in its job's row, a larger one is kept once, by its hash
NOTE = 300  # characters
RECORD = (
    "id, handler, version, status, started_at, ended_at, lost, error, request, request_sha, facts, small, outcome,"
    " tolerance, id_at"
)

Fetch = Callable[[str], bytes | None]
RequestKept = tuple[str, tuple[str, ...], frozenset[str]]


@dataclass(frozen=True)
class Body:
    """A large body and the sha256 of its bytes."""

    sha256: str
    content: bytes


@dataclass(frozen=True)
class Packed:
    """What goes into the columns of a job that ended: `facts` is JSON, `small` the small bodies one after another."""

    facts: str
    small: bytes
    large: tuple[Body, ...]
    note: str
    lost: str | None


@dataclass(eq=False)
class Running:
    """A job that a store was told of: its row once its start is written, and its record once it has ended."""

    job: Job
    row: int | None = None
    kept: RequestKept | None = None
    record: JobRecord | None = None
    complete: bool = False

    @property
    def size(self) -> int:
        """Bytes that are to be written."""
        posts = () if self.record is None else self.record.posts
        return self.job.request.size + sum([len(post.body) for post in posts])


def body_of(content: bytes) -> Body:
    """The body, named by its hash."""
    return Body(hashlib.sha256(content).hexdigest(), content)


def request_kept(request: Request, known: Collection[str] = ()) -> RequestKept:
    """The request's body without its secrets, where in it they were, and the secrets themselves, `known` ones too."""
    if not may_hold_secrets(request.body, known):
        return request.body, (), frozenset()
    whole = request.decoded()
    without, paths = masked(whole, known)
    if not paths:
        return request.body, (), frozenset()
    return encodable(wire_json(without)), paths, frozenset(text for _, text in secrets_in(whole, known=known))


def without_id(id_: str, body: str) -> tuple[int | None, str]:
    """A request without its job's id, and where that stood: what is sent again and again differs in nothing else."""
    written = wire_json(id_)
    before, found, after = body.partition(written)
    return (len(before), before + after) if found else (None, body)


def cleared(record: JobRecord, known: Collection[str]) -> JobRecord:
    """A job without the secrets of its request, and without the `known` ones wherever they are."""
    body, paths, secrets = request_kept(record.job.request, known)
    every = secrets | frozenset(known)
    posts = tuple(post._replace(body=_kept(post.body, every)) for post in record.posts)
    request = record.job.request._replace(body=body) if paths else record.job.request
    masked_at = tuple(dict.fromkeys((*record.masked, *paths)))
    if not paths and all(new.body == old.body for new, old in zip(posts, record.posts, strict=True)):
        return record
    return replace(record, job=record.job._replace(request=request), posts=posts, masked=masked_at)


def packed(record: JobRecord, request: RequestKept, known: Collection[str] = ()) -> Packed:
    """A job that ended, as it is kept: what was posted, and what was seen, without its secrets and the `known` ones.

    `request` is what `request_kept` gave of it.
    """
    _, masked_at, secrets = request
    secrets |= frozenset(known)
    small: list[bytes] = []
    large: list[Body] = []
    posts: list[tuple[Any, ...]] = []
    for post in record.posts:
        body = _kept(post.body, secrets)
        sha = None
        if len(body) <= SMALL:
            small.append(body)
        else:
            large.append(body_of(body))
            sha = large[-1].sha256
        posts.append((post.kind, post.is_stream, post.valid_json, len(body), sha))
    facts: dict[str, Any] = {"posts": posts}
    if record.dropped:
        facts["dropped"] = record.dropped
    if record.printed:
        facts["printed"] = scrubbed(record.printed, secrets)
    if record.gauge is not None:
        facts["gauge"] = asdict(record.gauge)
    if record.noted:
        facts["noted"] = [asdict(finding) for finding in record.noted]
    if masked_at:
        facts["masked"] = masked_at
    note = record.note
    return Packed(
        encodable(wire_json(facts)),
        b"".join(small),
        tuple(large),
        encodable(scrubbed(note[:NOTE], secrets)) if note else "",
        encodable(scrubbed(record.lost, secrets)) if record.lost else None,
    )


def unpacked(columns: Sequence[Any], fetch: Fetch) -> JobRecord:
    """The record of a row's `RECORD` columns; `fetch` gives a large body by its hash.

    A body that cannot be had is not in the record.
    """
    id_, handler, version, status, started_at, ended_at, lost, error, *bodies, outcome, tolerance, at = columns
    request, sha, facts, small = bodies
    if sha is not None and (content := fetch(sha)) is not None:
        request = content.decode()
        request = request if at is None else f"{request[:at]}{wire_json(id_)}{request[at:]}"
    job = Job(
        id=id_,
        handler=handler,
        request=Request(id_, request or wire_json({"id": id_, "input": None})),
        status=Status(status),
        started_at=started_at,
        ended_at=ended_at,
        lost=KERNEL_DIED if outcome == "INTERRUPTED" else lost,
        error=error,
        version=version,
    )
    told: dict[str, Any] = json.loads(facts or "{}")
    return JobRecord(
        job,
        tuple(_posts(told.get("posts", ()), small or b"", fetch)),
        tuple(told.get("dropped", ())),
        told.get("printed", ""),
        _gauge(told.get("gauge")),
        tuple(Finding(**finding) for finding in told.get("noted", ())),
        tuple(told.get("masked", ())),
        tolerance,
    )


def _kept(body: bytes, secrets: frozenset[str]) -> bytes:
    text = body.decode()
    without = scrubbed(text, secrets)
    return body if without == text else without.encode()


def _posts(listed: Sequence[Sequence[Any]], small: bytes, fetch: Fetch) -> Iterator[Post]:
    at = 0
    for kind, is_stream, valid_json, size, sha in listed:
        if sha is None:
            body: bytes | None = small[at : at + size]
            at += size
        else:
            body = fetch(sha)
        if body is not None:
            yield Post(kind, body, is_stream, valid_json)


def _gauge(told: dict[str, Any] | None) -> Gauge | None:
    if told is None:
        return None
    gpu = told["gpu"]
    return Gauge(**{**told, "gpu": None if gpu is None else GpuGauge(**gpu)})
