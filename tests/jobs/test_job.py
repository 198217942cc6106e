"""A job changes by its events, and by no event that cannot follow."""

from __future__ import annotations

import pytest

from rp_notebook.errors import InvalidTransition
from rp_notebook.jobs.events import (
    Abandoned,
    Cancelled,
    Completed,
    Failed,
    Lost,
    Progressed,
    Started,
    TimedOut,
    Yielded,
)
from rp_notebook.jobs.job import EXECUTION_TIMEOUT, Job, Status, advance
from rp_notebook.jobs.posts import post_of
from rp_notebook.jobs.request import request_of

POST = post_of("done", {"output": 1})
WAITING = Job("job-1", "handler", request_of({"id": "job-1", "input": 1}), version=3)
RUNNING = advance(WAITING, Started(1.0))
ITEM = Yielded(3.0, POST)
ENDINGS = [Completed(2.0, POST), Failed(2.0, POST), Lost(2.0, "why"), Cancelled(2.0), TimedOut(2.0)]


@pytest.mark.parametrize(
    ("event", "status", "lost", "error"),
    [
        (ENDINGS[0], Status.COMPLETED, None, None),
        (ENDINGS[1], Status.FAILED, None, None),
        (ENDINGS[2], Status.IN_PROGRESS, "why", None),
        (Lost(2.0, "why", fatal=True), Status.FAILED, "why", "why"),
        (ENDINGS[3], Status.CANCELLED, "the job was cancelled", None),
        (ENDINGS[4], Status.FAILED, "the job ran out of time", EXECUTION_TIMEOUT),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_running_job_ends_by_its_event(event, status, lost, error) -> None:
    assert (RUNNING.status, RUNNING.started_at, RUNNING.ended_at) == (Status.IN_PROGRESS, 1.0, None)
    ended = advance(RUNNING, event)
    assert ended == RUNNING._replace(status=status, ended_at=2.0, lost=lost, error=error)


@pytest.mark.parametrize("event", [Yielded(1.5, POST), Progressed(1.5, POST)], ids=["item", "progress"])
def test_an_item_and_an_update_leave_a_running_job_as_it_is(event) -> None:
    assert advance(RUNNING, event) is RUNNING


@pytest.mark.parametrize("event", ENDINGS[3:], ids=["cancelled", "timed out"])
def test_a_waiting_job_can_be_stopped(event) -> None:
    assert advance(WAITING, event).ended_at == 2.0


@pytest.mark.parametrize(
    ("event", "status", "error"),
    [
        (Cancelled(3.0), Status.CANCELLED, None),
        (TimedOut(3.0), Status.FAILED, EXECUTION_TIMEOUT),
        (Abandoned(3.0, "gone"), Status.FAILED, "gone"),
    ],
    ids=["cancelled", "timed out", "abandoned"],
)
def test_a_lost_job_runs_for_the_platform_until_it_is_stopped(event, status, error) -> None:
    stopped = advance(advance(RUNNING, ENDINGS[2]), event)
    assert (stopped.status, stopped.ended_at, stopped.lost, stopped.error) == (status, 3.0, "why", error)


@pytest.mark.parametrize("job", [WAITING, RUNNING], ids=["waiting", "running"])
@pytest.mark.parametrize(("silent", "status"), [(False, Status.FAILED), (True, Status.TIMED_OUT)])
def test_a_job_whose_worker_is_gone_says_so(job, silent, status) -> None:
    gone = advance(job, Abandoned(3.0, "the kernel died", silent))
    assert (gone.status, gone.error, gone.lost) == (status, "the kernel died", "the kernel died")


@pytest.mark.parametrize(
    ("job", "event"),
    [
        *[(WAITING, event) for event in (*ENDINGS[:3], ITEM, Progressed(1.5, POST))],
        (RUNNING, Started(1.5)),
        *[
            (advance(RUNNING, ending), event)
            for ending in ENDINGS
            for event in (Started(3.0), Yielded(3.0, POST), *ENDINGS)
            if not (isinstance(ending, Lost) and isinstance(event, Cancelled | TimedOut))
        ],
    ],
)
def test_no_event_follows_what_it_cannot_follow(job, event) -> None:
    with pytest.raises(InvalidTransition, match=f"{type(event).__name__} cannot follow {job.status} of job job-1"):
        advance(job, event)
