"""Jobs kept as tests: the lines of `tests/jobs.jsonl`, written from job records or by hand.

One JSON object a line. `input` is all that is needed; a line may have

- `id`: what the handler sees as the job's id (default `line-N`);
- `request`: further keys of the request beside `id` and `input`;
- `output`, or `expected`: the output a client should read. With none of these and no `posts`, any final answer will do;
- `posts`: what a worker has to send, in order. Each has a `kind` (`stream`, `progress`, `done`), `is_stream` where it
  is true, and its body as one of `body` (a JSON value), `text` (the exact text, where a value could not give it
  back) or `sha256` with `bytes` (bodies over 100 kB, or with a secret in them);
- `lost`: why no final answer is sent, for a job that loses its result;
- `skip`: why the job cannot be replayed;
- `tolerance`: how far numbers may be off, relative (default 1e-6).

What looks like a secret in a request is written as `***`; the job then says under `skip` that it cannot be replayed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from rp_notebook.errors import BadInput
from rp_notebook.jobs.job import EXECUTION_TIMEOUT, Status
from rp_notebook.jobs.masking import masked, secrets_in, tells
from rp_notebook.jobs.posts import Post, PostKind
from rp_notebook.jobs.record import JobRecord

TOLERANCE = 1e-6
WHOLE_BYTES = 100_000  # larger bodies are kept by hash
LINE_KEYS = ("id", "input", "request", "output", "expected", "posts", "lost", "skip", "tolerance")


@dataclass(frozen=True)
class RecordedPost:
    """A body to be posted again, whole or by its hash. `bytes` is its size.

    The kind `output` stands for what a client would read as the job's output, however it is posted.
    """

    kind: PostKind | Literal["output"]
    body: bytes | None
    sha256: str
    bytes: int
    is_stream: bool = False


@dataclass(frozen=True)
class RecordedJob:
    """A job to run again, and what must come of it.

    No `posts` and no `lost`: any final answer will do. `skip` says why it cannot be replayed; `tolerance` is relative.
    """

    id: str
    request: dict[str, Any]
    posts: tuple[RecordedPost, ...] = ()
    lost: str | None = None
    tolerance: float = TOLERANCE
    skip: str | None = None


def recorded(record: JobRecord) -> RecordedJob:
    """What to keep of a job that ran. Tracebacks and host names of errors stay out: they differ by nature."""
    original = record.job.request.decoded()
    request, paths = masked(original)
    return RecordedJob(
        id=record.id,
        request=request,
        posts=tuple(_recorded_post(post, original) for post in record.posts),
        lost=record.lost,
        tolerance=TOLERANCE if record.tolerance is None else record.tolerance,
        skip=_why_not(record, (*record.masked, *paths)),
    )


def dump_jobs(jobs: Iterable[RecordedJob]) -> bytes:
    """The bytes of `tests/jobs.jsonl`: our keys are sorted, the user's values keep the order the handler would see."""
    return b"".join(json.dumps(_line(job), ensure_ascii=False).encode() + b"\n" for job in jobs)


def load_jobs(text: bytes) -> tuple[RecordedJob, ...]:
    """The jobs of a `jobs.jsonl`; empty lines count but say nothing. Raises `BadInput` with the line's number."""
    lines = enumerate(text.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1)
    return tuple(_parsed(number, line) for number, line in lines if line.strip())


def error_parts(text: str) -> tuple[str, str] | None:
    """The type (empty for a generator's error) and message in an error text as the SDK writes it; None for another.

    `rp_job.py` posts JSON of six keys for a plain handler, `handler: MESSAGE`, a blank and the traceback for a
    generator.
    """
    if text.startswith("handler: ") and " \ntraceback: " in text:
        return "", text[len("handler: ") : text.index(" \ntraceback: ")]
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    kind, message = value.get("error_type"), value.get("error_message")
    return (kind, message) if isinstance(kind, str) and isinstance(message, str) else None


def _why_not(record: JobRecord, paths: tuple[str, ...]) -> str | None:
    if record.status is Status.CANCELLED:
        return "it was cancelled: what a worker would have answered is not known"
    if record.job.error == EXECUTION_TIMEOUT or record.status is Status.TIMED_OUT:
        return "it ran out of time: what a worker would have answered is not known"
    if record.job.ended_at is None:
        return "it had not ended when it was kept"
    if paths:
        return f"{', '.join(paths)} held a secret, which is masked: keep a job that reads it from the environment"
    return None


def _recorded_post(post: Post, request: dict[str, Any]) -> RecordedPost:
    body = _portable(post)
    kept = recorded_body(post.kind, body, is_stream=post.is_stream)
    return replace(kept, body=None) if tells(body.decode(), secrets_in(request)) else kept


def recorded_body(kind: PostKind | Literal["output"], body: bytes, *, is_stream: bool = False) -> RecordedPost:
    """The body as it is kept: whole up to 100 kB, else its hash."""
    whole = body if len(body) <= WHOLE_BYTES else None
    return RecordedPost(kind, whole, hashlib.sha256(body).hexdigest(), len(body), is_stream)


def _portable(post: Post) -> bytes:
    value = post.value if post.kind == "done" else {}
    error = value.get("error")
    parts = error_parts(error) if isinstance(error, str) else None
    if parts is None:
        return post.body
    kind, message = parts
    text = json.dumps({"error_type": kind, "error_message": message}) if kind else f"handler: {message} \ntraceback: "
    return json.dumps({**value, "error": text}, ensure_ascii=False).encode()


def _line(job: RecordedJob) -> dict[str, Any]:
    output = next((post.body for post in job.posts if post.kind == "output"), None)
    line = {
        "id": job.id,
        "input": job.request.get("input"),
        "lost": job.lost,
        "posts": [_post_line(post) for post in job.posts if post.kind != "output"],
        "request": {key: value for key, value in job.request.items() if key not in ("id", "input")},
        "skip": job.skip,
        "tolerance": None if job.tolerance == TOLERANCE else job.tolerance,
    }
    said = {key: value for key, value in line.items() if key in ("id", "input") or value not in (None, [], {})}
    if output is not None:
        said["output"] = json.loads(output)
    return dict(sorted(said.items()))


def _post_line(post: RecordedPost) -> dict[str, Any]:
    line: dict[str, Any] = {"kind": post.kind}
    if post.is_stream:
        line["is_stream"] = True
    if post.body is None:
        line |= {"bytes": post.bytes, "sha256": post.sha256}
    else:
        value = json.loads(post.body)
        exact = not _holds_nan(post.body) and json.dumps(value, ensure_ascii=False).encode() == post.body
        line |= {"body": value} if exact else {"text": post.body.decode()}
    return dict(sorted(line.items()))


def _holds_nan(body: bytes) -> bool:
    odd: list[str] = []
    json.loads(body, parse_constant=lambda word: odd.append(word))
    return bool(odd)


def _parsed(number: int, line: bytes) -> RecordedJob:
    try:
        return _job(number, json.loads(line))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"line {number} is not JSON: {error}") from None
    except BadInput as error:
        raise BadInput(f"line {number}: {error}") from None


def _job(number: int, line: Any) -> RecordedJob:
    if not isinstance(line, dict):
        raise BadInput(f'a JSON {type(line).__name__}, where an object like {{"input": {{...}}}} is needed')
    if unknown := [key for key in line if key not in LINE_KEYS]:
        raise BadInput(f"unknown key {unknown[0]!r}; known: {', '.join(LINE_KEYS)}")
    if "input" not in line:
        raise BadInput('there is no "input"')
    job_id = _typed(line, "id", str, f"line-{number}")
    posts = tuple(_post(post) for post in _typed(line, "posts", list, []))
    expected = [line[key] for key in ("output", "expected") if key in line]
    outputs = [recorded_body("output", json.dumps(value).encode()) for value in expected[:1]]
    return RecordedJob(
        id=job_id,
        request={**_typed(line, "request", dict, {}), "id": job_id, "input": line["input"]},
        posts=(*posts, *(replace(output, body=json.dumps(expected[0]).encode()) for output in outputs)),
        lost=_typed(line, "lost", str, None),
        tolerance=float(_typed(line, "tolerance", (int, float), TOLERANCE)),
        skip=_typed(line, "skip", str, None),
    )


def _post(post: Any) -> RecordedPost:
    if not isinstance(post, dict) or post.get("kind") not in ("stream", "progress", "done"):
        raise BadInput('each of "posts" is an object with a "kind": stream, progress or done')
    is_stream = bool(_typed(post, "is_stream", bool, default=0))
    if "body" in post:
        return recorded_body(post["kind"], json.dumps(post["body"], ensure_ascii=False).encode(), is_stream=is_stream)
    if "text" in post:
        return recorded_body(post["kind"], _typed(post, "text", str, "").encode(), is_stream=is_stream)
    if "sha256" in post:
        return RecordedPost(
            post["kind"], None, _typed(post, "sha256", str, ""), _typed(post, "bytes", int, 0), is_stream
        )
    raise BadInput('a post has one of "body", "text" or "sha256"')


def _typed(line: dict[str, Any], key: str, kind: Any, default: Any) -> Any:
    value = line.get(key)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise BadInput(f'"{key}" is a JSON {type(value).__name__}')
    return value
