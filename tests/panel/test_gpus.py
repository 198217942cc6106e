"""GPU pools in words: the line below a job and the table say the same, and nothing where nothing was measured."""

from __future__ import annotations

from html import unescape

import pytest

from rp_notebook.jobs.gauge import GpuGauge
from rp_notebook.jobs.pools import GB, shipped, table_of
from rp_notebook.panel import result
from rp_notebook.panel.fit import dollars, fit_line
from rp_notebook.panel.gpus import gpu_report
from tests.jobs.test_pools import TABLE, gpu, record


def test_the_line_names_the_smallest_pool_the_lowest_price_and_its_date() -> None:
    line = fit_line(record(gpu(10 * GB, beside=1 * GB), 750))
    assert line.startswith("fits AMPERE_16 (16 GB) and larger, from 0.12 USD per 1000 jobs on AMPERE_16")
    assert "needs 12.10 GB of one card with head-room" in line
    assert "at this GPU's speed" in line
    assert f"prices of {shipped().date}" in line


def test_the_lowest_price_may_be_that_of_a_larger_pool() -> None:
    pools = [pool | {"usd_per_s": {"SMALL": 0.003}.get(pool["id"], pool["usd_per_s"])} for pool in TABLE["pools"]]
    line = fit_line(record(gpu(GB)), table_of(TABLE | {"pools": pools}, "test"))
    assert line.startswith("fits SMALL (16 GB) and larger, from 2.00 USD per 1000 jobs on LARGE")


def test_without_any_price_the_line_names_none() -> None:
    unpriced = table_of(TABLE | {"pools": TABLE["pools"][:1]}, "test")
    line = fit_line(record(gpu(GB)), unpriced)
    assert "no price is known" in line
    assert "USD" not in line


def test_what_no_card_holds_is_said_to_fit_none_and_to_be_a_sum() -> None:
    line = fit_line(record(gpu(200 * GB, devices=4)))
    assert line.startswith("fits none of the GPU pools: needs 220.00 GB of one card")
    assert "the sum over 4 GPUs" in line


@pytest.mark.parametrize("prices", [None, table_of(TABLE, "test")], ids=["shipped", "given"])
def test_the_result_says_the_same_in_text_and_in_html(prices) -> None:
    ran = record(gpu(2 * GB))
    line = fit_line(ran, prices)
    assert line in " ".join(result.text(ran, prices).split())
    assert line in unescape(result.html(ran, prices))


def test_a_result_without_a_gpu_says_nothing_of_pools() -> None:
    assert "fits" not in result.text(record(None)) + result.html(record(None))


@pytest.mark.parametrize(
    ("gauged", "told"),
    [
        (GpuGauge(GB, 2 * GB, 50_000_000, 0, 0, 1, 0, 87), "GPU peak 1.00 GB (+50.0 MB), reserved 2.00 GB, busy 87 %"),
        (GpuGauge(GB, 2 * GB, 0, 0, 0, 2, 0), "GPU peak 1.00 GB on 2 GPUs, reserved 2.00 GB"),
    ],
    ids=["one", "two, without NVML"],
)
def test_a_result_tells_what_the_job_took_of_the_gpu(gauged: GpuGauge, told: str) -> None:
    assert told in result.text(record(gauged)).replace("  ", ", ").split(", RAM")[1]
    assert told in result.html(record(gauged))


def test_the_table_lists_each_pool_with_its_price_and_no_price_as_none() -> None:
    shown = repr(gpu_report("paint", [record(gpu(17 * GB), 2000)], table_of(TABLE, "test")))
    rows = [line.split()[:6] for line in shown.splitlines() if line.startswith(("LARGE", "UNPRICED", "SMALL"))]
    assert rows == [
        ["LARGE", "80", "GB", "yes", "7.20", "4.00"],
        ["UNPRICED", "24", "GB", "yes", "-", "-"],
        ["SMALL", "16", "GB", "no", "0.36", "-"],
    ]
    assert "2 of 3 GPU pools fit" in shown
    assert "NVIDIA H200 (seen once)" in shown
    assert "prices  of 2026-01-31: a test" in shown


def test_the_report_says_of_several_gpus_that_it_adds_them_up() -> None:
    shown = repr(gpu_report("paint", [record(gpu(300 * GB, devices=4))], shipped()))
    assert shown.startswith("NO POOL FITS")
    assert "4 were in use" in shown


def test_without_a_measurement_the_report_says_so_and_lists_no_pool() -> None:
    report = gpu_report("paint", [record(None)], shipped())
    assert not report.listing
    assert "no job has measured a GPU" in repr(report)
    assert max(map(len, repr(report).splitlines())) <= 80
    assert "AMPERE" not in repr(report)


@pytest.mark.parametrize(
    ("amount", "told"),
    [(12.3, "12.30"), (0.576, "0.58"), (0.0031, "0.0031"), (0.00001, "under 0.0001"), (1234.5, "1234.50")],
)
def test_a_sum_keeps_the_places_that_tell_it_from_another(amount: float, told: str) -> None:
    assert dollars(amount) == told
