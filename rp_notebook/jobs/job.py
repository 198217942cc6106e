"""A job, and the only way in which it changes: the next event."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from rp_notebook.errors import InvalidTransition
from rp_notebook.jobs.events import (
    Cancelled,
    Completed,
    Event,
    Failed,
    Lost,
    Progressed,
    Started,
    TimedOut,
    Yielded,
)


class Status(str, Enum):
    """The platform's own words (facts/runpod-contract.md 5.5)."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"

    __str__ = str.__str__


@dataclass(frozen=True)
class Job:
    """One request to a handler. Times are in seconds since the epoch, None until they have come.

    `request` is the whole job as JSON gives it to the handler; `lost` says why no final body was posted.
    """

    id: str
    handler: str
    request: dict[str, Any]
    status: Status = Status.IN_QUEUE
    started_at: float | None = None
    ended_at: float | None = None
    lost: str | None = None

    @property
    def input(self) -> Any:
        """What the client sent as `input`."""
        return self.request.get("input")


def advance(job: Job, event: Event) -> Job:
    """The job after `event`. Raises `InvalidTransition` when the event cannot follow."""
    if job.ended_at is None:
        match job.status, event:
            case Status.IN_QUEUE, Started(at=at):
                return replace(job, status=Status.IN_PROGRESS, started_at=at)
            case Status.IN_PROGRESS, Yielded() | Progressed():
                return job
            case Status.IN_PROGRESS, Completed(at=at):
                return replace(job, status=Status.COMPLETED, ended_at=at)
            case Status.IN_PROGRESS, Failed(at=at):
                return replace(job, status=Status.FAILED, ended_at=at)
            case Status.IN_PROGRESS, Lost(at=at, why=why):
                return replace(job, ended_at=at, lost=why)
            case (Status.IN_QUEUE | Status.IN_PROGRESS), Cancelled(at=at):
                return replace(job, status=Status.CANCELLED, ended_at=at, lost="the job was cancelled")
            case (Status.IN_QUEUE | Status.IN_PROGRESS), TimedOut(at=at):
                return replace(job, status=Status.TIMED_OUT, ended_at=at, lost="the job ran out of time")
    raise InvalidTransition(f"{type(event).__name__} cannot follow {job.status.value} of job {job.id}")
