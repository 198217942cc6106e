"""What clients are told about jobs, as the very bytes (facts/runpod-contract.md 5.2, 5.4)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rp_notebook.endpoint.entry import Entry
from rp_notebook.jobs.job import Status
from rp_notebook.jobs.payload import ITEM_LIMIT
from rp_notebook.jobs.posts import Bare, Post, ascii_json

Parts = Sequence[bytes | memoryview]

ANSWER, PROGRESS = b'{"output": ', b'{"status": "IN_PROGRESS", "output": '


def status_reply(entry: Entry, now: float) -> Parts:
    """The status object of a job, in parts. A posted answer is one of them: a large one is not decoded."""
    job = entry.job
    told: dict[str, Any] = {}
    if job.started_at is not None:
        # To a client, a lost job goes on.
        ended = now if job.ended_at is None or not entry.is_final else job.ended_at
        told["delayTime"] = milliseconds(job.started_at - entry.put_at)
        told["executionTime"] = milliseconds(ended - job.started_at)
    if job.error is not None:
        told["error"] = job.error
    told |= {"id": job.id, "status": str(job.status)}
    if entry.worker is not None:
        told["workerId"] = entry.worker
    return (b"{", *_answer(entry), ascii_json(told)[1:].encode())


def stream_reply(status: Status, posts: Iterable[Post]) -> bytes:
    """What `/stream` answers: the items that are new, and the status."""
    items = b", ".join(body for post in posts for body in _pieces(post))
    return b'{"status": "%s", "stream": [%s]}' % (str(status).encode(), items)


def brief(entry: Entry) -> dict[str, Any]:
    """What `/run`, `/cancel` and `/retry` answer."""
    return {"id": entry.job.id, "status": str(entry.job.status)}


def error_reply(why: str) -> bytes:
    """The body of an HTTP error."""
    return json.dumps({"error": why}).encode()


def milliseconds(seconds: float) -> int:
    """Whole milliseconds, none of them negative though the clock was set back."""
    return max(round(seconds * 1000), 0)


def _answer(entry: Entry) -> Iterator[bytes | memoryview]:
    """The members `output` and `error` of a status object, with what separates them from the next."""
    post = entry.final if entry.is_final else entry.progress
    if post is None or entry.job.status is Status.CANCELLED:
        return
    body, start = post.body, ANSWER if post.kind == "done" else PROGRESS
    bare = isinstance(post, Bare) or (b'"error"' not in body and b'"stopPod"' not in body[-64:])
    if bare and body.startswith(start):
        yield from (b'"output": ', memoryview(body)[len(start) : -1], b", ")
        return
    value: Mapping[str, Any] = post.value
    if "output" in value:
        yield b'"output": %s, ' % json.dumps(value["output"]).encode()
    if isinstance(value.get("error"), str) and post.kind == "done":
        yield b'"error": %s, ' % json.dumps(value["error"]).encode()


def _pieces(post: Post) -> Iterator[bytes]:
    """The item, or several where it is text over the limit. Anything else cannot be split."""
    output = post.value.get("output") if len(post.body) > ITEM_LIMIT else None
    if not isinstance(output, str):
        yield post.body
        return
    step = ITEM_LIMIT // 8  # a character takes up to 6 bytes in JSON
    for at in range(0, len(output), step):
        yield json.dumps({"output": output[at : at + step]}).encode()
