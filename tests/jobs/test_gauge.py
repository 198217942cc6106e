"""What a job took of the machine. The GPU's numbers come in through the seam; no GPU has confirmed them yet."""

from __future__ import annotations

import asyncio
import sys

import pytest

from rp_notebook.jobs.gauge import gauging, loaded_cuda
from rp_notebook.jobs.handler import as_handler
from rp_notebook.jobs.history import History
from rp_notebook.jobs.request import request_of
from rp_notebook.jobs.worker import Worker

MB = 1_000_000


class TwoDevices:
    """The part of torch.cuda that is asked: before the job 100 MB are allocated on each device, after it 130 MB."""

    def __init__(self) -> None:
        self.reset: list[int] = []

    def device_count(self) -> int:
        return 2

    def reset_peak_memory_stats(self, device: int) -> None:
        self.reset.append(device)

    def memory_allocated(self, device: int) -> int:
        return (130 if len(self.reset) == 2 else 100) * MB

    def max_memory_allocated(self, device: int) -> int:
        return 500 * MB

    def max_memory_reserved(self, device: int) -> int:
        return 600 * MB

    def mem_get_info(self, device: int) -> tuple[int, int]:
        return 1000 * MB, 24_000 * MB


def test_the_gpu_is_gauged_over_all_devices() -> None:
    gpu = gauging(TwoDevices())().gpu
    assert gpu is not None
    assert (gpu.peak_allocated, gpu.peak_reserved, gpu.kept) == (1000 * MB, 1200 * MB, 60 * MB)
    assert (gpu.device_used, gpu.device_total) == (46_000 * MB, 48_000 * MB)


def test_torch_without_a_gpu_in_use_is_no_gpu() -> None:
    assert loaded_cuda() is None
    assert gauging()().gpu is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a peak of its own for each job")
def test_the_peak_is_that_of_the_job_and_not_of_an_earlier_one() -> None:
    worker = Worker(History())

    def handler(job):
        return len(b"x" * job["input"])

    large, small = (asyncio.run(worker.run(as_handler(handler), request_of(count))) for count in (200 * MB, 1 * MB))
    assert large.gauge.rss_peak - large.gauge.rss_before > 150 * MB
    assert small.gauge.rss_peak - small.gauge.rss_before < 50 * MB


def test_processor_time_is_told() -> None:
    record = asyncio.run(Worker(History()).run(as_handler(lambda job: sum(range(2_000_000))), request_of(1)))
    assert 1 < record.gauge.cpu_ms < 10_000
