"""A job, and the only way in which it changes: the next event."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from rp_notebook.errors import InvalidTransition
from rp_notebook.jobs.events import (
    Abandoned,
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
        runs = job.started_at is not None
        match event:
            case Yielded() | Progressed() if runs:
                return job
            case Started() if not runs:
                return Job(*job[:3], Status.IN_PROGRESS, event.at, None, None, None, job.version)
            case Completed() if runs:
                return _ended(job, Status.COMPLETED, event.at)
            case Failed() if runs:
                return _ended(job, Status.FAILED, event.at)
            case Lost(fatal=True) if runs:  # with its worker, which the platform notices
                return _ended(job, Status.FAILED, event.at, event.why, event.why)
            case Lost() if runs:
                return _ended(job, Status.IN_PROGRESS, event.at, event.why)
            case Cancelled():
                return _ended(job, Status.CANCELLED, event.at, "the job was cancelled")
            case TimedOut():
                # Users see FAILED with this text, though the docs speak of TIMED_OUT.
                return _ended(job, Status.FAILED, event.at, "the job ran out of time", EXECUTION_TIMEOUT)
            case Abandoned():
                return _ended(job, Status.TIMED_OUT if event.silent else Status.FAILED, event.at, event.why, event.why)
    elif job.status is Status.IN_PROGRESS:  # lost: to the platform it runs on
        match event:
            case Cancelled():
                return _ended(job, Status.CANCELLED, event.at, job.lost)
            case TimedOut():
                return _ended(job, Status.FAILED, event.at, job.lost, EXECUTION_TIMEOUT)
            case Abandoned():
                return _ended(job, Status.FAILED, event.at, job.lost, event.why)
    raise InvalidTransition(f"{type(event).__name__} cannot follow {job.status.value} of job {job.id}")


def _ended(job: Job, status: Status, at: float, lost: str | None = None, error: str | None = None) -> Job:
    return Job(job.id, job.handler, job.request, status, job.started_at, at, lost, error, job.version)
