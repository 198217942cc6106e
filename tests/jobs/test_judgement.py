"""What bites only in production is said at the job, with a code and a fix."""

from __future__ import annotations

import asyncio

import pytest
from runpod.serverless import progress_update

from rp_notebook import JobRecord, run_job

JOB = {"id": "job-1", "input": {"n": 1}}
FAILING = {"error": "bad"}


def codes(record: JobRecord) -> list[str]:
    assert all(finding.fix for finding in record.findings)
    return [finding.code for finding in record.findings]


def returns(value: object):
    return lambda job: value


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        (returns({1}), "RPJ101"),
        (returns("x" * 20_000_001), "RPJ102"),
        (returns("x" * 10_000_001), "RPJ103"),
        (returns("x" * 9_500_000), "RPJ104"),
        (returns([float("nan")]), "RPJ108"),
        (returns({"error": {"code": 1}}), "RPJ109"),
        (returns({"errors": ["e"]}), "RPJ110"),
        (lambda job: FAILING.setdefault("error", "bad") and FAILING, "RPJ111"),
        (lambda job: job.update(id="other"), "RPJ112"),
        (lambda job: progress_update(job, 1), "RPJ113"),
        (lambda job: asyncio.run(asyncio.sleep(0)), "RPJ114"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.filterwarnings("ignore:coroutine")
def test_each_trap_has_its_code_and_its_fix(handler, code: str) -> None:
    assert codes(run_job(handler, JOB)) == [code]


def test_a_large_request_is_told() -> None:
    assert codes(run_job(returns(1), {"image": "x" * 10_000_001})) == ["RPJ105"]


def test_items_that_are_too_large_or_dropped_are_told() -> None:
    def handler(job):
        yield "x" * 1_000_001
        yield {1}

    assert codes(run_job(handler, JOB)) == ["RPJ106", "RPJ107"]


@pytest.mark.parametrize(
    "handler",
    [
        returns(None),
        returns({}),
        returns({"error": "text"}),
        returns({"errors": []}),
        returns("NaN"),
        returns(b"".decode()),
    ],
    ids=["none", "empty", "error", "no errors", "text NaN", "text"],
)
def test_what_is_fine_gets_no_finding(handler) -> None:
    assert not run_job(handler, JOB).findings


def test_a_copy_of_a_module_level_dict_is_fine() -> None:
    assert not run_job(lambda job: dict(FAILING, error="bad"), JOB).findings
