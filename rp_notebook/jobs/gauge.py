"""What a job took of the machine: processor time, memory, and GPU memory where torch already uses a GPU."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESET_PEAK = Path("/proc/self/clear_refs")  # Linux: writing 5 starts the process's peak anew (proc_pid_clear_refs(5))
STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class GpuGauge:
    """GPU memory in bytes, as torch's allocator counts it, summed over devices.

    `kept` is what stayed allocated after the job; `device_used` and `device_total` are of the device as a whole.
    """

    peak_allocated: int
    peak_reserved: int
    kept: int
    device_used: int
    device_total: int


@dataclass(frozen=True)
class Gauge:
    """Of one job: processor time in ms, resident memory in bytes, and the GPU's share where there is one.

    `rss_peak` is the highest during the job where the system tells it (Linux), else the higher of its two ends.
    """

    cpu_ms: float
    rss_before: int
    rss_after: int
    rss_peak: int
    gpu: GpuGauge | None = None


def gauging(cuda: Any = None) -> Callable[[], Gauge]:
    """Starts to measure; the returned function ends it. `cuda` is `torch.cuda`, by default that of a loaded torch."""
    cuda = loaded_cuda() if cuda is None else cuda
    end_gpu = _gauging_gpu(cuda) if cuda is not None else None
    before = resident()
    _reset_peak()
    cpu = time.process_time()

    def end() -> Gauge:
        cpu_ms = (time.process_time() - cpu) * 1000
        after = resident()
        peak = max(before, after, _peak())
        return Gauge(cpu_ms, before, after, peak, end_gpu() if end_gpu is not None else None)

    return end


def loaded_cuda() -> Any:
    """`torch.cuda` when the user's code has loaded torch and put something on a GPU; torch is never imported here."""
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    return cuda if cuda is not None and cuda.is_initialized() else None


def resident() -> int:
    """Bytes of this process that are in memory."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def _gauging_gpu(cuda: Any) -> Callable[[], GpuGauge]:
    devices = range(cuda.device_count())
    before = sum(cuda.memory_allocated(device) for device in devices)
    for device in devices:
        cuda.reset_peak_memory_stats(device)

    def end() -> GpuGauge:
        free_and_total = [cuda.mem_get_info(device) for device in devices]
        return GpuGauge(
            peak_allocated=sum(cuda.max_memory_allocated(device) for device in devices),
            peak_reserved=sum(cuda.max_memory_reserved(device) for device in devices),
            kept=sum(cuda.memory_allocated(device) for device in devices) - before,
            device_used=sum(total - free for free, total in free_and_total),
            device_total=sum(total for _, total in free_and_total),
        )

    return end


def _reset_peak() -> None:
    try:
        RESET_PEAK.write_text("5")
    except OSError:  # not Linux, or not allowed: the peak is then that of the two ends
        return


def _peak() -> int:
    """The process's peak in bytes since `_reset_peak`; 0 where that cannot be had."""
    try:
        status = STATUS.read_text()
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1]) * 1024
