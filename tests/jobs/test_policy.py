"""What a request asks of the platform for itself is obeyed, or refused as the platform would."""

from __future__ import annotations

import asyncio
import time

import pytest

from rp_notebook import arun_job, run_job
from rp_notebook.errors import BadInput
from rp_notebook.jobs import policy
from rp_notebook.jobs.handler import as_handler
from rp_notebook.jobs.history import History
from rp_notebook.jobs.request import request_of
from rp_notebook.jobs.worker import Worker, _limit


def asking(**policy: object) -> dict:
    return {"input": 1, "policy": policy}


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [({"executionTimeout": 5000}, 5.0), ({"executionTimeout": 604_800_000}, 604_800.0), ({"lowPriority": True}, None)],
)
def test_the_execution_timeout_is_read_in_milliseconds(asked: dict, seconds: float | None) -> None:
    assert request_of(asking(**asked)).timeout_s == seconds


@pytest.mark.parametrize("name", ["executionTimeout", "ttl"])
@pytest.mark.parametrize("value", [0, 4999, -1, 604_800_001, "5000", None, True, float("nan"), [5000]], ids=repr)
def test_what_the_platform_refuses_is_refused_with_its_limits(name: str, value: object) -> None:
    with pytest.raises(BadInput, match=rf"policy\.{name} is .* to 604800000 milliseconds"):
        request_of(asking(**{name: value}))


@pytest.mark.parametrize("value", [None, 5000, []], ids=repr)
def test_a_policy_is_an_object(value: object) -> None:
    with pytest.raises(BadInput, match="policy is"):
        run_job(lambda job: 1, {"input": 1, "policy": value})


def test_the_handler_is_given_the_policy_as_the_sdk_would_hand_it_over() -> None:
    assert run_job(lambda job: job["policy"], asking(ttl=10_000)).output == {"ttl": 10_000}


@pytest.mark.parametrize(
    ("typed", "asked", "declared", "holds"),
    [(1.0, 6000, 3.0, 1.0), (None, 6000, 3.0, 6.0), (None, None, 3.0, 3.0), (None, None, None, None)],
)
def test_a_flag_is_stronger_than_the_policy_and_that_than_the_handler(typed, asked, declared, holds) -> None:

    request = request_of(asking(executionTimeout=asked) if asked else {"input": 1})
    assert _limit(as_handler(len)._replace(timeout_s=declared), request, typed) == holds


def sleeps(job):
    time.sleep(10)


async def awaits(job):
    await asyncio.sleep(10)


@pytest.mark.parametrize("handler", [sleeps, awaits])
@pytest.mark.parametrize("way", ["run_job", "arun_job", "worker", "worker, at once"])
def test_a_job_past_its_policys_timeout_ends_as_the_platform_would_end_it(way: str, handler, monkeypatch) -> None:
    monkeypatch.setattr(policy, "LIMITS_MS", {"executionTimeout": (50, 60)})  # five real seconds tell no more
    job = asking(executionTimeout=50)

    async def on_a_worker():
        return (await Worker(History()).run_together(as_handler(handler), [request_of(job)]))[0]

    record = {
        "run_job": lambda: run_job(handler, job),
        "arun_job": lambda: asyncio.run(arun_job(handler, job)),
        "worker": lambda: asyncio.run(Worker(History()).run(as_handler(handler), request_of(job))),
        "worker, at once": lambda: asyncio.run(on_a_worker()),
    }[way]()
    assert (record.status, record.error) == ("FAILED", "executionTimeout exceeded")
