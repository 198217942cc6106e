"""The simulated endpoint against what queueing theory and plain reckoning say of it."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from rp_notebook.endpoint.scaling import Scaling, shipped_rules
from rp_notebook.endpoint.simulation import Simulated, simulated
from rp_notebook.endpoint.traffic import Traffic
from rp_notebook.endpoint.work import Work
from rp_notebook.errors import BadInput
from tests.jobs.real_worker import Batch, worked

ALWAYS_ON = Scaling(1, 1, "delay", 4, 5)
FLEX = Scaling(0, 3, "delay", 4, 5)
EXPONENTIAL = tuple(-math.log1p(-(at + 0.5) / 5000) for at in range(5000))  # of mean 1 s
HOUR = 3600.0


def always_on(workers: int) -> Scaling:
    return replace(ALWAYS_ON, workers_min=workers, workers_max=workers)


def erlang_c(servers: int, load: float) -> float:
    """The share of jobs that have to wait where Poisson traffic of `load` Erlang meets so many servers."""
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(load**k / math.factorial(k) for k in range(servers)) + last)


@pytest.mark.parametrize(
    ("times", "servers", "rate", "wait_s"),
    [
        ((1.0,), 1, 0.6, 0.6 / (2 * (1 - 0.6))),  # M/D/1
        (EXPONENTIAL, 1, 0.6, 0.6 / (1 - 0.6)),  # M/M/1
        (EXPONENTIAL, 3, 2.1, erlang_c(3, 2.1) / (3 - 2.1)),  # M/M/3
        (EXPONENTIAL, 8, 6.0, erlang_c(8, 6.0) / (8 - 6.0)),  # M/M/8
    ],
    ids=["M/D/1", "M/M/1", "M/M/3", "M/M/8"],
)
def test_workers_that_always_run_let_jobs_wait_as_long_as_theory_says(times, servers, rate, wait_s) -> None:
    waits = []
    for seed in range(3):
        run = simulated(Traffic(rate), 10_000 / rate, Work(times, 30.0), always_on(servers), seed=seed)
        waits.append(statistics.fmean(run.delays_s))
    assert statistics.fmean(waits) == pytest.approx(wait_s, rel=0.06)


def test_the_slots_of_one_worker_count_as_so_many_servers() -> None:
    work = Work(EXPONENTIAL, 30.0, concurrency=3, blocks=False)
    one, three = (simulated(Traffic(2.1), 7000, each, scaling, seed=3) for each, scaling in
                  ((work, always_on(1)), (replace(work, concurrency=1), always_on(3))))  # fmt: skip
    assert one.delays_s == pytest.approx(three.delays_s)


def test_with_hardly_any_traffic_a_job_waits_for_nothing_or_for_a_cold_start() -> None:
    rare = Traffic(1 / HOUR)
    work = Work((2.0,), 30.0)
    assert set(simulated(rare, 100 * HOUR, work, ALWAYS_ON).delays_s) == {0.0}
    cold = simulated(rare, 100 * HOUR, work, FLEX)
    assert statistics.median(cold.delays_s) == pytest.approx(30.0)
    each = cold.billed_s / len(cold.delays_s)
    assert each == pytest.approx(30 + 2 + 5, rel=0.02)


CASES = [
    (Traffic(0.5), Work((1.0, 3.0), 20.0), FLEX),
    (Traffic(0.5, burst=10), Work((1.0, 3.0), 20.0, look_again_s=1), Scaling(0, 5, "requests", 1, 5)),
    (Traffic(3.0), Work((0.2, 2.5), 8.0, concurrency=4, blocks=False, look_again_s=1), Scaling(1, 3, "delay", 2, 0)),
    (Traffic(9.0), Work((1.0,), 8.0), Scaling(0, 2, "requests", 4, 5)),  # more than they can do
    (Traffic(1.0, clients=7), Work((1.0, 2.0), 12.0, look_again_s=1), FLEX),
    (Traffic(1.0, clients=1), Work((0.1,), 0.0), Scaling(0, 1, "delay", 4, 0)),
]


@pytest.mark.parametrize(("traffic", "work", "scaling"), CASES, ids=[str(at) for at in range(len(CASES))])
def test_every_job_is_done_and_every_second_of_a_worker_is_told(traffic, work, scaling) -> None:
    run = simulated(traffic, 300, work, scaling, billed_by_s=1e-9)
    other = simulated(traffic, 300, work, always_on(50), billed_by_s=1e-9)
    if not traffic.clients:  # whose jobs depend on how fast they are answered
        assert len(run.delays_s) == len(other.delays_s)
    assert min(run.delays_s) >= 0
    assert run.billed_s == pytest.approx(run.busy_s + run.cold_s + run.idle_s, abs=0.01)
    assert run.usd_per_1000(0.5) == pytest.approx(
        (run.busy_s + run.cold_s + run.idle_s) * 500 / len(run.delays_s), 1e-4
    )
    area = sum((then - at) * count for (at, count), (then, _) in pairwise(run.alive))
    assert area == pytest.approx(run.billed_s, abs=0.01)
    assert run.alive[-1][1] == 0
    assert run.peak <= scaling.workers_max
    assert run.mean_workers <= run.peak
    if work.concurrency == 1 and not traffic.clients:
        assert run.busy_s == pytest.approx(other.busy_s)  # the same jobs, by whomever they are done
    assert run == simulated(traffic, 300, work, scaling, billed_by_s=1e-9)


def p95(run: Simulated) -> float:
    return run.delays_s[int(len(run.delays_s) * 0.95)]


def waits(scaling: Scaling, rate: float, seed: int) -> list[float]:
    """The 95th percentile for more and more workers; `scaling` says what they do besides."""
    work = Work((1.0, 1.5, 4.0), 15.0, look_again_s=1)
    many = [replace(scaling, workers_max=most) for most in (1, 2, 3, 6, 12)]
    return [p95(simulated(Traffic(rate), 400 / rate, work, each, seed=seed)) for each in many]


SEEDS = [(seed, rate) for seed in range(2) for rate in (0.2, 0.8, 2.0, 5.0)]


def test_more_workers_never_make_jobs_wait_longer() -> None:
    for seed, rate in SEEDS:
        on = [
            p95(simulated(Traffic(rate), 400 / rate, Work((1.0, 4.0), 15.0), always_on(n), seed=seed))
            for n in (1, 2, 3, 6)
        ]
        assert on == sorted(on, reverse=True), (seed, rate)
        stay = waits(replace(FLEX, workers_max=1, idle_timeout_s=1e6), rate, seed)
        assert stay == sorted(stay, reverse=True), (seed, rate)


@pytest.mark.parametrize("scale_by", ["delay", "requests"])
def test_workers_that_stop_soon_cost_a_cold_start_more_at_worst(scale_by) -> None:
    """Where more of them have emptied the queue, they stop, and the next jobs find them cold."""
    for seed, rate in SEEDS:
        found = waits(Scaling(0, 1, scale_by, 4, 5), rate, seed)
        assert all(more <= less + 15.0 for less, more in pairwise(found)), (seed, rate, found)
        assert found[-1] <= found[0]


@pytest.mark.parametrize(
    ("work", "each_s"),
    [
        (Work((0.3,), 0.0, look_again_s=1), 1.0),
        (Work((1.5,), 0.0, look_again_s=1), 2.5),
        (Work((0.3,), 0.0, blocks=False, look_again_s=1), 1.0),
        (Work((1.5,), 0.0, blocks=False, look_again_s=1), 2.0),
    ],
    ids=["short", "long", "short async", "long async"],
)
def test_a_full_worker_takes_its_next_job_when_the_sdk_looks_again(work: Work, each_s: float) -> None:
    """The figures are those of a real worker of SDK 1.12 on four jobs that wait."""
    run = simulated(Traffic(1e-6, burst=4), 1, work, ALWAYS_ON)
    assert run.delays_s == pytest.approx([each_s * at for at in range(4)])


def test_it_takes_jobs_as_a_real_worker_does(tmp_path) -> None:
    pytest.importorskip("runpod")
    source = "import time\ndef blocks(job):\n    time.sleep(job['input'])\n"
    (real,) = worked(source, [Batch("blocks", [1.05, 1.05], concurrency=1)], tmp_path)
    work = Work((1.05,), 0.0, look_again_s=shipped_rules().look_again_s)
    ours = simulated(Traffic(1e-6, burst=2), 1, work, ALWAYS_ON).delays_s
    first, second = (entry.job.started_at for entry in real.entries)
    assert ours[1] - 0.1 < second - first < ours[1] + 0.6


def test_a_worker_that_takes_several_thinks_for_a_moment_that_it_has_more() -> None:
    """The figures are those of a real worker of SDK 1.12 on nine jobs that come within milliseconds."""
    work = Work((1.5,), 0.0, concurrency=3, blocks=False, look_again_s=1)
    run = simulated(Traffic(1000), 0.009, work, ALWAYS_ON, seed=4)
    assert [round(delay) for delay in run.delays_s[:9]] == [0, 0, 1, 2, 2, 3, 4, 4, 5]


def test_a_worker_is_billed_by_the_second_from_its_start_to_its_stop() -> None:
    run = simulated(Traffic(1e-6), 1, Work((2.3,), 10.1), FLEX)
    assert (run.busy_s, run.cold_s, run.idle_s) == pytest.approx((2.3, 10.1, 5.0))
    assert run.billed_s == 18
    assert run.usd_per_1000(0.001) == pytest.approx(18.0)


def test_by_requests_workers_stop_as_soon_as_nothing_is_left_for_them() -> None:
    run = simulated(Traffic(1e-6, burst=3), 1, Work((2.0,), 10.0), Scaling(0, 3, "requests", 1, 5))
    assert (run.peak, run.idle_s) == (3, 0.0)
    assert run.delays_s == pytest.approx((10.0, 10.0, 10.0))


def test_by_delay_the_first_worker_comes_at_once_and_others_when_jobs_have_waited() -> None:
    run = simulated(Traffic(1e-6, burst=3), 1, Work((60.0,), 10.0), FLEX)
    assert run.delays_s == pytest.approx((10.0, 14.0, 14.0))


@pytest.mark.parametrize(
    "settings",
    [(-1, 3, "delay", 4, 5), (4, 3, "delay", 4, 5), (0, 0, "delay", 4, 5), (0, 3, "delay", 0, 5),
     (0, 3, "requests", math.nan, 5), (0, 3, "delay", 4, -1)],
    ids=["negative", "crossed", "none", "threshold", "nan", "idle"],
)  # fmt: skip
def test_settings_that_no_endpoint_can_have_are_refused(settings) -> None:
    with pytest.raises(BadInput):
        Scaling(*settings)


@pytest.mark.parametrize("given", [(0,), (-1,), (math.inf,), (1, 0), (1, 1, -1)], ids=str)
def test_traffic_that_cannot_be_is_refused(given) -> None:
    with pytest.raises(BadInput):
        Traffic(*given)


def test_the_rules_have_a_date_and_a_source() -> None:
    rules = shipped_rules()
    assert rules.date
    assert rules.source
    assert str(rules.usual) == "0-3 workers, delay over 4 s"


def test_whatever_the_settings_nothing_is_lost_and_nobody_works_for_nothing() -> None:
    chance = Random(20261128)
    for case in range(150):
        traffic = Traffic(chance.choice((0.02, 0.5, 4)), chance.choice((1, 1, 7)), chance.choice((0, 0, 1, 5)))
        work = Work(
            [chance.choice((1e-4, 0.1, 1.0, 9.0)) for _ in range(3)],
            chance.choice((0.0, 0.5, 20.0)),
            chance.choice((1, 2, 5)),
            blocks=False,
            look_again_s=chance.choice((0, 1)),
        )
        work = replace(work, blocks=work.concurrency == 1 and chance.random() < 0.5)
        least, more = chance.choice((0, 0, 1, 3)), chance.choice((0, 1, 4))
        scale_by, threshold = chance.choice((("delay", 0.5), ("delay", 4), ("requests", 1), ("requests", 4)))
        scaling = Scaling(least, max(least + more, 1), scale_by, threshold, chance.choice((0, 5, 60)))
        seconds = 5.0 if traffic.clients else 60.0
        run = simulated(traffic, seconds, work, scaling, billed_by_s=1e-9, seed=case)
        told = (case, traffic, work, scaling)
        if not traffic.clients:
            assert len(run.delays_s) == len(simulated(traffic, seconds, work, always_on(40), seed=case).delays_s), told
        assert run.delays_s[0] >= 0, told
        assert run.end_s >= seconds, told
        assert min(run.busy_s, run.cold_s) >= 0 <= run.idle_s + 1e-6, told
        counts = [count for at, count in run.alive if at < run.end_s]
        assert max(counts, default=0) <= scaling.workers_max, told
        assert min(counts[least:], default=least) >= least, told
        area = sum((then - at) * count for (at, count), (then, _) in pairwise(run.alive))
        assert area == pytest.approx(run.busy_s + run.cold_s + run.idle_s, abs=1e-3), told
