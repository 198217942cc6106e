"""What a worker posted against what was recorded: the same, close, or different and where."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from rp_notebook.export.recorded import TOLERANCE, RecordedJob, RecordedPost, error_parts
from rp_notebook.jobs.masking import MASK
from rp_notebook.jobs.posts import Post
from rp_notebook.proof.media import compare_media

Likeness = Literal["same", "close", "different"]

NEAR_ZERO = 1e-9  # absolute; a relative tolerance says nothing about numbers that should be zero
SHOWN_CHARS = 60
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")  # of an object, as its default repr has it: another one in each process


@dataclass(frozen=True)
class Comparison:
    """How alike, and in one line where it differs or how close it is; nothing to say leaves `detail` empty."""

    likeness: Likeness
    detail: str = ""


class Difference(NamedTuple):
    """Where one value is not what another is, and how: `output.score`, `: 0.9 became 0.7`."""

    path: str
    said: str

    def __str__(self) -> str:
        return (self.path or "the body") + self.said


SAME = Comparison("same")


def compare_bodies(expected: bytes, posted: bytes, tolerance: float = TOLERANCE) -> Comparison:
    """One body against another: exact bytes first, else value by value.

    Text (but for addresses of objects, and secrets that were not kept), whole numbers, booleans and null must be equal,
    other numbers within `tolerance` (relative, or 1e-9 near zero), images and sounds alike once decoded, lists and
    dicts of the same shape. Of the SDK's error texts the type and the message count: traceback, host, worker and SDK
    version differ by nature.
    """
    if expected == posted:
        return SAME
    try:
        before, after = json.loads(expected), json.loads(posted)
    except (ValueError, RecursionError):
        return Comparison("different", "the bodies are not JSON, and their bytes differ")
    return compare_values(_errors_apart(before), _errors_apart(after), "", tolerance)


def compare_values(before: Any, after: Any, path: str, tolerance: float = TOLERANCE) -> Comparison:
    """One decoded value against another, from `path` on."""
    first = next(differences(before, after, path, tolerance), None)
    if first is not None:
        return Comparison("different", str(first))
    worst = max(_distances(before, after), default=0.0)
    if worst > 0:
        return Comparison("close", f"numbers differ by up to {worst:.1g} of their size")
    return SAME


def compare_job(job: RecordedJob, posts: Sequence[Post]) -> Comparison:
    """All that was posted for a job, in order; progress updates in any order, for they come from threads."""
    in_order = [post for post in job.posts if post.kind in ("stream", "done")]
    sent = [post for post in posts if post.kind != "progress"]
    if in_order:
        return _worst([*_in_order(in_order, sent, job.tolerance), _progress(job, posts)])
    outputs = [post for post in job.posts if post.kind == "output"]
    return _worst([_output(output, sent, job.tolerance) for output in outputs])


def _in_order(expected: Sequence[RecordedPost], sent: Sequence[Post], tolerance: float) -> Iterator[Comparison]:
    streamed = sum(post.kind == "stream" for post in sent)
    wanted = sum(post.kind == "stream" for post in expected)
    for number, (before, after) in enumerate(zip(expected, sent, strict=False), start=1):
        where = f"stream item {number}: " if before.kind == "stream" else ""
        if before.kind != after.kind:
            break
        if before.is_stream != after.is_stream:
            yield Comparison("different", f"isStream: {_shown(before.is_stream)} became {_shown(after.is_stream)}")
        found = _post(before, after, tolerance)
        yield Comparison(found.likeness, f"{where}{found.detail}" if found.detail else "")
    if streamed != wanted:
        yield Comparison("different", f"{wanted} streamed items became {streamed}")


def _post(before: RecordedPost, after: Post, tolerance: float) -> Comparison:
    if before.body is not None:
        return compare_bodies(before.body, after.body, tolerance)
    if hashlib.sha256(after.body).hexdigest() == before.sha256:
        return SAME
    size = (
        f"{before.bytes:,} bytes became {len(after.body):,}" if before.bytes != len(after.body) else "its bytes differ"
    )
    return Comparison("different", f"{size} (only a hash was kept of this body, so it must be equal)")


def _progress(job: RecordedJob, posts: Sequence[Post]) -> Comparison:
    expected = [post for post in job.posts if post.kind == "progress"]
    left = [post for post in posts if post.kind == "progress"]
    found = []
    for before in expected:
        tried = [(after, _post(before, after, job.tolerance)) for after in left]
        match = next(((after, how) for after, how in tried if how.likeness != "different"), None)
        if match is None:
            detail = tried[0][1].detail if tried else "it did not come"
            return Comparison("different", f"progress update: {detail}")
        left.remove(match[0])
        found.append(match[1])
    if left:
        return Comparison("different", f"{len(expected)} progress updates became {len(expected) + len(left)}")
    return _worst(found)


def _output(expected: RecordedPost, sent: Sequence[Post], tolerance: float) -> Comparison:
    final = next((post for post in sent if post.kind == "done"), None)
    if final is None or expected.body is None:
        return Comparison("different", "there is no output")
    answer = final.value
    output = answer.get("output")
    if final.is_stream and output == []:  # a streaming client reads the items; the final body repeats none of them
        output = [post.value.get("output") for post in sent if post.kind == "stream"]
    if answer.get("error") and "output" not in answer:
        return Comparison("different", f"an error instead of an output: {error_line(answer['error'])}")
    return compare_values(json.loads(expected.body), output, "output", tolerance)


def error_line(error: Any) -> str:
    """An answer's `error` in one line: `ValueError: boom`."""
    kind, message = (error_parts(error) if isinstance(error, str) else None) or ("", str(error))
    name = kind.removeprefix("<class '").removesuffix("'>").removeprefix("__main__.")
    return _cut(" ".join((f"{name}: " if name else "").split() + message.split()), 2 * SHOWN_CHARS)


def _worst(found: Sequence[Comparison]) -> Comparison:
    order: tuple[Likeness, ...] = ("different", "close", "same")
    return next((one for kind in order for one in found if one.likeness == kind), SAME)


def _errors_apart(body: Any) -> Any:
    error = body.get("error") if isinstance(body, dict) else None
    parts = error_parts(error) if isinstance(error, str) else None
    return body if parts is None else {**body, "error": {"type": parts[0], "message": parts[1]}}


def differences(before: Any, after: Any, path: str, tolerance: float = TOLERANCE) -> Iterator[Difference]:
    """Each place where one decoded value is not what the other is."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before:
            if key in after:
                yield from differences(before[key], after[key], _member(path, key), tolerance)
            else:
                yield Difference(_member(path, key), " is gone")
        for key in after:
            if key not in before:
                yield Difference(_member(path, key), f" is new: {_shown(after[key])}")
    elif isinstance(before, list) and isinstance(after, list):
        for index, (old, new) in enumerate(zip(before, after, strict=False)):
            yield from differences(old, new, f"{path}[{index}]", tolerance)
        if len(before) != len(after):
            yield Difference(path, f": {len(before)} items became {len(after)}")
    elif not _alike(before, after, tolerance):
        media = compare_media(before, after) if isinstance(before, str) and isinstance(after, str) else None
        if media is None:
            yield Difference(path, f": {_shown(before)} became {_shown(after)}")
        elif not media.close:
            yield Difference(path, f": {media.detail}")


def _alike(before: Any, after: Any, tolerance: float) -> bool:
    if _numbers(before, after):
        if math.isnan(before) or math.isnan(after):
            return math.isnan(before) and math.isnan(after)
        return math.isclose(before, after, rel_tol=tolerance, abs_tol=NEAR_ZERO)
    if isinstance(before, str) and isinstance(after, str):
        return before == after or _ADDRESS.sub("", before) == _ADDRESS.sub("", after) or _fits(before, after)
    return type(before) is type(after) and bool(before == after)


def _fits(before: str, after: str) -> bool:
    """Whether a text that was kept without its secrets may be the other: a mask stands for anything."""
    first, *parts = before.split(MASK)
    if not parts or not after.startswith(first):
        return False
    at = len(first)
    for part in parts[:-1]:
        found = after.find(part, at + 1)
        if found == -1:
            return False
        at = found + len(part)
    return len(after) - len(parts[-1]) > at and after.endswith(parts[-1])


def _numbers(before: Any, after: Any) -> bool:
    """Whether both are numbers and one of them is not whole: 1 and 1.0 are close, 1 and 2 never."""
    return {type(before), type(after)} in ({float}, {int, float})


def _distances(before: Any, after: Any) -> Iterator[float]:
    if isinstance(before, dict):
        for key in before:
            yield from _distances(before[key], after[key])
    elif isinstance(before, list):
        for old, new in zip(before, after, strict=True):
            yield from _distances(old, new)
    elif isinstance(before, str) and before != after:
        media = compare_media(before, after)
        yield media.distance if media is not None else 0.0
    elif _numbers(before, after) and before != after and math.isfinite(before):
        yield abs(before - after) / max(abs(before), abs(after))


def _member(path: str, key: str) -> str:
    if not key.isidentifier():
        return f"{path}[{json.dumps(key)}]"
    return f"{path}.{key}" if path else key


def _shown(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False), SHOWN_CHARS)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."
