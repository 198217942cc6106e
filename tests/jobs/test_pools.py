"""Which GPU pools hold a job and at what price: nothing fits that would not, and no price is made up."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rp_notebook.errors import BadInput
from rp_notebook.jobs.gauge import Gauge, GpuGauge
from rp_notebook.jobs.pools import GB, SHIPPED, Pool, demand_of, shipped, table_of
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.running import run_job

GIB = 2**30
TABLE = {
    "date": "2026-01-31",
    "source": "a test",
    "pools": [
        {"id": "UNPRICED", "memory_gb": 24, "gpus": [], "usd_per_s": None},
        {"id": "LARGE", "memory_gb": 80, "gpus": ["NVIDIA H200"], "usd_per_s": 0.002, "note": "seen once"},
        {"id": "SMALL", "memory_gb": 16, "gpus": ["NVIDIA RTX A4000"], "usd_per_s": 0.0001},
    ],
}


def gpu(reserved: int, beside: int = 0, devices: int = 1) -> GpuGauge:
    return GpuGauge(reserved // 2, reserved, 0, reserved + beside, 80 * GB, devices, beside)


def record(taken: GpuGauge | None, took_ms: float = 1000, handler: Callable[[Any], Any] = lambda job: 1) -> JobRecord:
    """A job that really ran, with a GPU's numbers and its time put in."""
    ran = run_job(handler, {"input": {}})
    job = ran.job._replace(started_at=100.0, ended_at=100.0 + took_ms / 1000)
    return replace(ran, job=job, gauge=Gauge(1.0, 1, 1, 1, taken))


def names(pools: tuple[Any, ...]) -> list[str]:
    return [pool.id for pool in pools]


@pytest.mark.parametrize(
    ("sold_gb", "found"),
    [(24, 22.03), (48, 44.40), (24, 23.65), (16, 15.61), (80, 79.1)],
    ids=["L4", "L40", "RTX 4090", "RTX A4000", "H100"],
)
def test_what_fits_a_pool_fits_on_what_torch_finds_of_its_cards(sold_gb: int, found: float) -> None:
    pool = Pool("CARD", sold_gb, (), None)
    assert not pool.holds(int(found * GIB) + 1)
    assert pool.holds(int(0.9 * found * GIB))


def test_the_cheapest_comes_first_and_a_pool_without_a_price_last() -> None:
    table = table_of(TABLE, "test")
    assert names(table.fitting(10 * GB)) == ["SMALL", "LARGE", "UNPRICED"]
    assert (names(table.fitting(20 * GB)), names(table.failing(20 * GB))) == (["LARGE", "UNPRICED"], ["SMALL"])


def test_a_price_is_that_of_the_seconds_and_is_not_there_where_none_is_known() -> None:
    unpriced, large, _ = table_of(TABLE, "test").pools
    assert large.usd_per_1000(500) == pytest.approx(0.002 * 0.5 * 1000)
    assert large.usd_per_hour == pytest.approx(7.2)
    assert (unpriced.usd_per_1000(500), unpriced.usd_per_hour) == (None, None)


@pytest.mark.parametrize(
    ("taken", "fits"),
    [
        (gpu(14 * GB), True),
        (gpu(15 * GB), False),
        (gpu(13 * GB, beside=2 * GB), False),
        (gpu(14 * GB, devices=2), True),
        (gpu(20 * GB, devices=2), False),
    ],
    ids=["with head-room", "without", "beside torch", "sum on one card", "sum too large"],
)
def test_a_job_needs_its_reserved_peak_and_what_stands_beside_it_and_head_room(taken: GpuGauge, fits: bool) -> None:
    demand = demand_of([record(taken)])
    assert demand is not None
    assert ("SMALL" in names(table_of(TABLE, "test").fitting(demand.needed))) is fits


def test_the_worst_job_counts_and_the_median_time_without_the_first() -> None:
    records = [record(gpu(2 * GB), 9000), record(gpu(5 * GB), 100), record(gpu(3 * GB), 300), record(gpu(1 * GB), 200)]
    demand = demand_of(records)
    assert demand is not None
    assert (demand.gpu.peak_reserved, demand.jobs) == (5 * GB, 4)
    assert demand.time_ms == pytest.approx(200)


def fails(job: Any) -> None:
    raise MemoryError


@pytest.mark.parametrize(
    "measured",
    [
        [],
        [record(None)],
        [record(gpu(0, devices=0))],
        [record(gpu(9 * GB), handler=fails)],
        [run_job(lambda job: 1, {})],
    ],
    ids=["no job", "no GPU", "nothing on it", "failed", "no gauge"],
)
def test_without_a_measurement_there_is_no_demand(measured: list[JobRecord]) -> None:
    assert demand_of(measured) is None


def test_the_table_that_ships_holds_to_its_own_shape_and_says_when_and_whence() -> None:
    table = shipped()
    assert table.date.startswith("20")
    assert "RunPod" in table.source
    assert {pool.id: pool.memory_gb for pool in table.pools}["AMPERE_16"] == 16
    assert [pool.id for pool in table.pools if pool.usd_per_s is None] == ["ADA_32_PRO"]
    assert json.loads(SHIPPED.read_text("utf-8"))["date"] == table.date


def changed(*path: Any, to: Any) -> Any:
    value = copy.deepcopy(TABLE)
    inner: Any = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return value


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([], 'mine.json: must be an object with "date", "pools", "source"'),
        ({"pools": []}, 'mine.json: lacks "date", "source"'),
        (changed("date", to="last year"), 'mine.json: "date" must be text as "2026-08-20", not \'last year\''),
        (changed("date", to=20260820), "not 20260820"),
        (changed("source", to=" "), 'mine.json: "source"'),
        (changed("pools", to=[]), 'mine.json: "pools" must be a list'),
        (changed("pools", to={"id": "X"}), 'mine.json: "pools" must be a list'),
        (changed("pools", 1, to="ADA_24"), "mine.json: pools[1]: must be an object"),
        (changed("pools", 1, "usd_per_hour", to=1), 'mine.json: pools[1]: "usd_per_hour" means nothing here'),
        (changed("pools", 1, "usd_per_s", to=0), 'mine.json: pools[1]: "usd_per_s" must be a number above 0'),
        (changed("pools", 1, "usd_per_s", to="0.1"), "not '0.1'"),
        (changed("pools", 1, "usd_per_s", to=float("nan")), "not nan"),
        (changed("pools", 1, "usd_per_s", to=True), "not True"),
        (changed("pools", 2, "memory_gb", to=-1), 'mine.json: pools[2]: "memory_gb" must be a number above 0'),
        (changed("pools", 2, "memory_gb", to=float("inf")), "not inf"),
        (changed("pools", 0, "gpus", to="NVIDIA L4"), 'mine.json: pools[0]: "gpus" must be a list'),
        (changed("pools", 0, "id", to=7), 'mine.json: pools[0]: "id"'),
        (changed("pools", 0, "note", to=7), 'mine.json: pools[0]: "note"'),
        (changed("pools", 0, "id", to="LARGE"), "mine.json: the pool 'LARGE' is there twice"),
    ],
)
def test_a_file_of_another_shape_is_told_where_it_is_wrong(value: Any, told: str) -> None:
    with pytest.raises(BadInput) as raised:
        table_of(value, "mine.json")
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)
