"""A job, and the only way in which it changes: the next event."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

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
from rp_notebook.jobs.request import Request


class Status(str, Enum):
    """The platform's own words (facts/runpod-contract.md 5.5)."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"

    __str__ = str.__str__


EXECUTION_TIMEOUT = "executionTimeout exceeded"  # what clients see (facts/runpod-contract.md 5.5)


# Unlike its neighbours a tuple: three are made for each job, and a frozen dataclass sets its fields one by one.
class Job(NamedTuple):
    """One request to a handler. Times are in seconds since the epoch, None until they have come.

    `version` is the registration of the handler that ran it (an edited handler is the next version); `lost` says why
    no final body was posted; `error` is the platform's own error, where it has one.
    """

    id: str
    handler: str
    request: Request
    status: Status = Status.IN_QUEUE
    started_at: float | None = None
    ended_at: float | None = None
    lost: str | None = None
    error: str | None = None
    version: int = 1

    @property
    def input(self) -> Any:
        """What the client sent as `input`."""
        return self.request.decoded().get("input")


def advance(job: Job, event: Event) -> Job:
    """The job after `event`. Raises `InvalidTransition` when the event cannot follow."""
    if job.ended_at is None:
        match job.status, event:
            case Status.IN_QUEUE, Started(at=at):
                return Job(job.id, job.handler, job.request, Status.IN_PROGRESS, at, version=job.version)
            case Status.IN_PROGRESS, Yielded() | Progressed():
                return job
            case Status.IN_PROGRESS, Completed(at=at):
                return _ended(job, Status.COMPLETED, at)
            case Status.IN_PROGRESS, Failed(at=at):
                return _ended(job, Status.FAILED, at)
            case Status.IN_PROGRESS, Lost(at=at, why=why):
                return _ended(job, Status.IN_PROGRESS, at, why)
            case ((Status.IN_QUEUE | Status.IN_PROGRESS), Cancelled(at=at)):
                return _ended(job, Status.CANCELLED, at, "the job was cancelled")
            case ((Status.IN_QUEUE | Status.IN_PROGRESS), TimedOut(at=at)):
                # Users see FAILED with this text, though the docs speak of TIMED_OUT.
                return _ended(job, Status.FAILED, at, "the job ran out of time", EXECUTION_TIMEOUT)
    raise InvalidTransition(f"{type(event).__name__} cannot follow {job.status.value} of job {job.id}")


def _ended(job: Job, status: Status, at: float, lost: str | None = None, error: str | None = None) -> Job:
    return Job(job.id, job.handler, job.request, status, job.started_at, at, lost, error, job.version)
