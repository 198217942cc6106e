"""A job in a queue: what became of it, who runs it, and what was posted for it."""

from __future__ import annotations

import json
from typing import Literal, NamedTuple

from rp_notebook.errors import BadInput
from rp_notebook.jobs.events import Completed, Event, Failed, Progressed, Yielded
from rp_notebook.jobs.job import Job, Status, advance
from rp_notebook.jobs.posts import Bare, Post
from rp_notebook.jobs.request import Request

SPENT = (Status.COMPLETED, Status.CANCELLED)  # which is not tried again
OPEN = (Status.IN_QUEUE, Status.IN_PROGRESS)


# A tuple for its speed, like `Job`.
class Entry(NamedTuple):
    """A job in the queue, the worker that took it, and the bodies it posted.

    `put_at` is in seconds since the epoch; `number` counts what was put, also under an id that was there before.
    A final body over `limit` bytes is not kept, and `oversized` is its size.
    `late` holds what came after the job had ended: the platform ignores it (facts/runpod-contract.md 6.4).
    `posts` is one list through all states of the entry: a tuple would be copied for each streamed item.
    """

    job: Job
    put_at: float
    number: int
    posts: list[Post]
    limit: int | None = None
    worker: str | None = None
    late: tuple[Post, ...] = ()
    oversized: int | None = None

    def after(self, event: Event) -> Entry:
        """The entry after `event`. What no worker is given again keeps no body."""
        job = advance(self.job, event)
        if job.status in SPENT:
            job = job._replace(request=Request(job.id, ""))
        return self._replace(job=job)

    @property
    def ended(self) -> bool:
        """Whether nothing the worker still does can change the job."""
        return self.job.ended_at is not None

    @property
    def is_final(self) -> bool:
        """Whether a client sees it as over: a lost job goes on for it until its timeout."""
        return self.job.status not in OPEN

    @property
    def final(self) -> Post | None:
        """The body that ended the job; None while it runs, and when none was posted."""
        return next((post for post in reversed(self.posts) if post.kind == "done"), None)

    @property
    def progress(self) -> Post | None:
        """The newest progress update that came in time."""
        return next((post for post in reversed(self.posts) if post.kind == "progress"), None)


def received(route: Literal["stream", "done"], body: bytes, *, is_stream: bool = False) -> Post:
    """The post that came in at `job-stream` or `job-done`; a progress update is told by its `status`.

    Raises `BadInput` when the body is not a JSON object. A literal NaN passes, marked as not valid JSON.
    """
    odd: list[str] = []
    try:
        value = json.loads(body, parse_constant=lambda word: odd.append(word))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"a posted body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadInput(f"a posted body is a JSON {type(value).__name__}, not an object")
    kind = "progress" if route == "done" and value.get("status") == Status.IN_PROGRESS else route
    return Post(kind, body, is_stream, valid_json=not odd)


def event_of(post: Post, at: float) -> Event:
    """What the platform makes of a post that came at `at`."""
    match post.kind:
        case "stream":
            return Yielded(at, post)
        case "progress":
            return Progressed(at, post)
        case "done":
            # Users report that a job with any other kind of error ends COMPLETED (facts/runpod-contract.md 2.3).
            may_fail = not isinstance(post, Bare) and b'"error"' in post.body
            failed = may_fail and isinstance(post.value.get("error"), str)
            return (Failed if failed else Completed)(at, post)
