"""What a job took of the machine. The GPU's numbers come in through the seam; no GPU has confirmed them yet."""

from __future__ import annotations

import asyncio
import os
import sys
from types import ModuleType

import pytest

from rp_notebook.jobs.gauge import Memory, gauging, loaded_cuda
from rp_notebook.jobs.handler import as_handler
from rp_notebook.jobs.history import History
from rp_notebook.jobs.request import request_of
from rp_notebook.jobs.worker import Worker

MB = 1_000_000


class NVMLError(Exception):
    """What pynvml raises, where pynvml is."""


class TwoDevices:
    """The part of torch.cuda that is asked: before the job 100 MB are allocated on each device, after it 130 MB.

    `idle` is the device that torch holds nothing on; the driver raises `trouble`, and NVML `nvml_trouble`.
    """

    def __init__(
        self, idle: int | None = None, trouble: Exception | None = None, nvml_trouble: Exception | None = None
    ) -> None:
        self.reset: list[int] = []
        self.idle = idle
        self.trouble = trouble
        self.nvml_trouble = nvml_trouble

    def is_initialized(self) -> bool:
        return True

    def device_count(self) -> int:
        return 2

    def reset_peak_memory_stats(self, device: int) -> None:
        self.reset.append(device)

    def memory_allocated(self, device: int) -> int:
        return (130 if len(self.reset) == 2 else 100) * MB

    def max_memory_allocated(self, device: int) -> int:
        return 500 * MB

    def max_memory_reserved(self, device: int) -> int:
        return 0 if device == self.idle else 600 * MB

    def memory_reserved(self, device: int) -> int:
        return 0 if device == self.idle else 550 * MB

    def mem_get_info(self, device: int) -> tuple[int, int]:
        if self.trouble is not None:
            raise self.trouble
        return 1000 * MB, 24_000 * MB

    def utilization(self, device: int) -> int:
        if self.nvml_trouble is not None:
            raise self.nvml_trouble
        return (40, 90)[device]


def test_the_gpu_is_gauged_over_all_devices() -> None:
    gpu = gauging(Memory(), TwoDevices())().gpu
    assert gpu is not None
    assert (gpu.peak_allocated, gpu.peak_reserved, gpu.kept) == (1000 * MB, 1200 * MB, 60 * MB)
    assert (gpu.device_used, gpu.device_total) == (46_000 * MB, 48_000 * MB)


@pytest.mark.parametrize(("idle", "devices", "beside"), [(None, 2, 2 * 22_450), (0, 1, 22_450)], ids=["both", "one"])
def test_what_stands_beside_torch_is_that_of_the_devices_it_uses(idle: int | None, devices: int, beside: int) -> None:
    gpu = gauging(Memory(), TwoDevices(idle))().gpu
    assert gpu is not None
    assert (gpu.devices, gpu.beside) == (devices, beside * MB)


def test_a_gpu_that_answers_no_more_is_no_gpu_and_the_rest_is_told() -> None:
    gauge = gauging(Memory(), TwoDevices(trouble=RuntimeError("CUDA error: device-side assert triggered")))()
    assert gauge.gpu is None
    assert gauge.rss_peak > 0


@pytest.mark.parametrize(
    ("trouble", "busy"),
    [(None, 90), (NVMLError("Not Supported"), None), (RuntimeError("no driver"), None)],
    ids=["told", "not supported", "no driver"],
)
def test_nvml_tells_how_busy_the_busiest_device_was(monkeypatch, trouble: Exception | None, busy: int | None) -> None:
    pynvml = ModuleType("pynvml")
    pynvml.NVMLError = NVMLError
    monkeypatch.setitem(sys.modules, "pynvml", pynvml)
    gpu = gauging(Memory(), TwoDevices(nvml_trouble=trouble))().gpu
    assert gpu is not None
    assert gpu.busy == busy


def test_without_nvml_nothing_is_said_of_how_busy_a_device_was(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    gpu = gauging(Memory(), TwoDevices())().gpu
    assert gpu is not None
    assert gpu.busy is None


def test_torch_without_a_gpu_in_use_is_no_gpu() -> None:
    assert loaded_cuda() is None
    assert gauging(Memory())().gpu is None


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


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no file is kept open")
def test_a_forked_process_gauges_itself() -> None:
    memory = Memory()
    before = memory.begin()
    child = os.fork()
    if child == 0:
        own = memory.begin()  # less than its parent's: nothing of files is in it
        held = b"x" * 200 * MB
        os._exit(memory.begin() - own < 150 * MB or not held)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert memory.begin() - before < 100 * MB
