"""What a job answered in a clean process, beside what it answered when it was recorded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rp_notebook.export.recorded import RecordedJob, RecordedPost, error_parts
from rp_notebook.jobs.posts import Post
from rp_notebook.proof.clean import Ran
from rp_notebook.proof.comparison import compare_job, differences


def as_recorded(job: RecordedJob, ran: Ran) -> bool:
    """Whether a job did what it did when it was recorded."""
    if job.lost is not None or ran.lost is not None:
        return job.lost is not None and ran.lost is not None
    return compare_job(job, ran.posts).likeness != "different"


def only_there(job: RecordedJob, ran: Ran, unstable: set[str]) -> bool:
    """Whether an answer is as recorded but for places that differ each time, and of the same shape there."""
    recorded, posted = bodies(job.posts), bodies(ran.posts)
    if recorded is None:  # kept by its hash only
        return bool(unstable)
    found = differences(recorded, posted, "", job.tolerance)
    return all(_within(each.path, unstable) for each in found) and _fits(recorded, posted)


def _within(path: str, unstable: set[str]) -> bool:
    """Whether a place is one of them or below one: in a list of another length each time, none stays where it was."""
    return any(not at or path == at or path.startswith((f"{at}[", f"{at}.")) for at in unstable)


def bodies(posts: Sequence[Post | RecordedPost]) -> list[Any] | None:
    """What was posted, but for progress; None where a body is kept by its hash only."""
    bodies = [post.body for post in posts if post.kind != "progress"]
    if any(body is None for body in bodies):
        return None
    return [_portable(json.loads(body)) for body in bodies if body is not None]


def error_of(ran: Ran) -> tuple[str, str]:
    """The type and the message of the error that a job ended with, empty without one."""
    final = next((post for post in ran.posts if post.kind == "done"), None)
    error = final.value.get("error") if final is not None else None
    parts = error_parts(error) if isinstance(error, str) else None
    if parts is None:
        return "", str(error) if error else ""
    return parts[0].removeprefix("<class '").removesuffix("'>"), parts[1]


def _portable(value: Any) -> Any:
    error = value.get("error") if isinstance(value, dict) else None
    parts = error_parts(error) if isinstance(error, str) else None
    return value if parts is None else {**value, "error": [*parts]}


def _fits(one: Any, other: Any) -> bool:
    """Whether two values are of one shape: the same keys, and items of the same kinds; None may be anything."""
    if one is None or other is None:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_fits(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return not (one and other) or all(any(_fits(item, each) for each in other) for item in one)
    numbers = {type(one), type(other)} <= {int, float}
    return numbers or type(one) is type(other)
