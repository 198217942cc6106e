"""What a rehearsal's report makes of jobs that nobody waits for in a test."""

from __future__ import annotations

import pytest

from rp_notebook.endpoint.rehearsal import Ran, Rehearsed
from rp_notebook.endpoint.scaling import shipped_rules
from rp_notebook.endpoint.traffic import Traffic
from rp_notebook.jobs.handler import as_handler
from rp_notebook.jobs.pools import said_demand, shipped
from rp_notebook.kernel.rehearsed import Target, rehearsal_report

RULES = shipped_rules()
RARE = Traffic(0.001)
TARGET = Target(RULES.usual, RULES, shipped(), 30.0, "assumed")


def double(job):
    return job["input"] * 2


def report(ran, traffic=RARE, demand=None, **more):
    found = Rehearsed(tuple(ran), more.pop("sent", len(ran)), 10.0, more.pop("stopped", False))
    return rehearsal_report(as_handler(double)._replace(**more), found, str(traffic), traffic, TARGET, demand)


@pytest.mark.parametrize(
    ("ms", "more", "codes"),
    [
        (700_000, {}, ["RPJ182"]),
        (700_000, {"timeout_s": 900.0}, []),
        (500.0, {}, []),
        (500.0, {"traffic": Traffic(2)}, ["RPJ181"]),
        (5000.0, {"traffic": Traffic(2)}, ["RPJ180"]),
        (5000.0, {"traffic": Traffic(2, clients=50)}, []),
        (0.0, {"traffic": Traffic(0.001, burst=3)}, []),
    ],
    ids=["slow", "allowed", "rare", "short", "too many", "clients", "no time at all"],
)
def test_what_it_finds(ms, more, codes) -> None:
    found = report([Ran("COMPLETED", "", 1.0, ms)] * 3, **more)
    assert [finding.code for finding in found.findings] == codes
    assert max(map(len, repr(found).splitlines())) <= 80


@pytest.mark.parametrize(
    ("needed_gb", "pool"), [(1, "AMPERE_16"), (60, "AMPERE_80"), (1000, "BLACKWELL_180, 8.64 USD/h of 2026-08-20 (the")]
)
def test_the_pool_holds_the_jobs_where_one_does(needed_gb, pool) -> None:
    said = repr(report([Ran("COMPLETED", "", 1.0, 500.0)], demand=said_demand(needed_gb, 1)))
    assert f"price     {pool}" in said
    assert ("none holds its jobs" in " ".join(said.split())) == (needed_gb == 1000)


def test_many_ways_to_fail_are_cut_and_what_still_waited_is_told() -> None:
    ran = [Ran("FAILED", f"ValueError: {at}\n{'much ' * 90}", 1.0, 10.0) for at in range(9)]
    said = repr(report(ran, sent=30))
    assert "… 4 more ways to fail" in said
    assert "0 COMPLETED" in said
    assert "21 still waited when it was over" in " ".join(said.split())
    assert max(map(len, said.splitlines())) <= 80
    assert "21 had not ended when it was over" in " ".join(repr(report(ran, sent=30, stopped=True)).split())
    assert repr(report([], sent=2)).startswith("REHEARSED  double: no job ended before that")
