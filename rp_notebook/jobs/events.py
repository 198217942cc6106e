"""What can happen to a job: small frozen facts, in the order in which a worker would cause them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rp_notebook.jobs.posts import Post


@dataclass(frozen=True)
class Started:
    """The handler was called. `at` is in seconds since the epoch, here and below."""

    at: float


@dataclass(frozen=True)
class Yielded:
    """A generator yielded: `post` is the stream body, or None when `lost` says why the item is dropped."""

    at: float
    post: Post | None
    lost: str | None = None


@dataclass(frozen=True)
class Progressed:
    """A progress update: `post` is its body, or None when `lost` says why it is dropped."""

    at: float
    post: Post | None
    lost: str | None = None


@dataclass(frozen=True)
class Completed:
    """The final body was posted and the platform counts the job as a success."""

    at: float
    post: Post


@dataclass(frozen=True)
class Failed:
    """The final body was posted with an error that the platform counts."""

    at: float
    post: Post


@dataclass(frozen=True)
class Lost:
    """No final body would be posted: the client waits until the job times out.

    `unsent` is what the answer would have looked like, where there was one; `fatal` says that the worker ended, too.
    """

    at: float
    why: str
    unsent: Any = None
    fatal: bool = False


@dataclass(frozen=True)
class Cancelled:
    """The job was stopped from outside. A worker posts nothing."""

    at: float


@dataclass(frozen=True)
class TimedOut:
    """The job exceeded its execution timeout. A worker posts nothing."""

    at: float


@dataclass(frozen=True)
class Abandoned:
    """Who ran the job is gone and `why` says how; `silent` when it was not heard of any more. Nothing was posted."""

    at: float
    why: str
    silent: bool = False


Event = Started | Yielded | Progressed | Completed | Failed | Lost | Cancelled | TimedOut | Abandoned
