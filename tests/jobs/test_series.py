"""The same job many times: what its times tell."""

from __future__ import annotations

import pytest

from rp_notebook import JobRecord, run_job
from rp_notebook.jobs.series import Series, percentile


def took(milliseconds: float) -> JobRecord:
    job = run_job(lambda job: 1, 1).job
    return JobRecord(job._replace(started_at=0.0, ended_at=milliseconds / 1000), ())


@pytest.mark.parametrize(
    ("first", "others", "told"),
    [(12, 1, False), (200, 1, True), (200, 150, False), (30, 1, True), (1, 30, False)],
    ids=["little", "cold", "slow anyway", "by 29 ms", "faster"],
)
def test_a_first_job_is_called_slow_that_is_so_by_much_and_by_far(first, others, told) -> None:
    codes = [finding.code for finding in Series([took(first), *[took(others)] * 5]).findings()]
    assert codes == (["RPJ121"] if told else [])


def test_the_first_job_is_no_part_of_the_rest() -> None:
    series = Series([took(ms) for ms in (500, 3, 1, 2)])
    assert [round(value) for value in (series.first_ms, series.rest_ms[0], series.median_ms, series.p95_ms)] == [
        500,
        1,
        2,
        3,
    ]


@pytest.mark.parametrize(("share", "value"), [(0, 1), (50, 10), (95, 19), (100, 20)])
def test_a_percentile_is_the_value_that_so_many_do_not_exceed(share, value) -> None:
    assert percentile(list(range(1, 21)), share) == value
