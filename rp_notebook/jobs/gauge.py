"""What a job took of the machine: processor time, memory, and GPU memory where torch already uses a GPU."""

from __future__ import annotations

import os
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESET_PEAK = "/proc/self/clear_refs"  # Linux: writing 5 starts the process's peak anew (proc_pid_clear_refs(5))
STATUS = "/proc/self/status"
STATM = "/proc/self/statm"  # in pages, the second of them resident (proc_pid_statm(5))
READ = 8192  # bytes, more than they hold


@dataclass(frozen=True)
class GpuGauge:
    """GPU memory in bytes, as torch's allocator counts it, summed over devices.

    `kept` is what stayed allocated after the job; `device_used` and `device_total` are of the device as a whole.
    `devices` counts those that torch holds memory on, and `beside` is what is in use on them, after the job, that
    torch's allocator does not hold: the CUDA context, other libraries, other processes. `busy` is the percentage of
    its last moments (NVML samples 1/6 s to 1 s) in which the busiest of them computed; None where NVML is not there.
    """

    peak_allocated: int
    peak_reserved: int
    kept: int
    device_used: int
    device_total: int
    devices: int
    beside: int
    busy: int | None = None


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


class Memory:
    """This process's memory in bytes. Its files stay open: to open them costs most of what a small job may cost."""

    def __init__(self) -> None:
        self._process = 0
        self._files: dict[str, int] = {}

    def begin(self) -> int:
        """How much is resident; from here on the peak is counted anew, where the system does so."""
        with suppress(OSError):  # not Linux, or not allowed: the peak is then that of the two ends
            os.write(self._file(RESET_PEAK, os.O_WRONLY), b"5")
        try:
            return _of_statm(os.pread(self._file(STATM), READ, 0))
        except OSError:
            return resident()

    def end(self) -> tuple[int, int]:
        """How much is resident, and the most since `begin`, or the same where that cannot be had."""
        try:  # 1 kB VmRSS: 1 kB
            found = os.pread(self._file(STATUS), READ, 0).partition(b"VmHWM:")[2].split(maxsplit=4)
        except OSError:
            found = []
        if found[2:3] != [b"VmRSS:"]:
            now = resident()
            return now, now
        return int(found[3]) * 1024, int(found[0]) * 1024

    def _file(self, path: str, flags: int = os.O_RDONLY) -> int:
        if self._process != os.getpid():  # in a forked process they are its parent's
            self._process, self._files = os.getpid(), {}
        if path not in self._files:
            self._files[path] = file = os.open(path, flags)
            weakref.finalize(self, os.close, file)
        return self._files[path]


def gauging(memory: Memory, cuda: Any = None) -> Callable[[], Gauge]:
    """Starts to measure; the returned function ends it. `cuda` is `torch.cuda`, by default that of a loaded torch."""
    cuda = loaded_cuda() if cuda is None else cuda
    end_gpu = _gauging_gpu(cuda) if cuda is not None else None
    before = memory.begin()
    cpu = time.process_time()

    def end() -> Gauge:
        cpu_ms = (time.process_time() - cpu) * 1000
        after, peak = memory.end()
        return Gauge(cpu_ms, before, after, max(before, peak), end_gpu() if end_gpu is not None else None)

    return end


def loaded_cuda() -> Any:
    """`torch.cuda` when the user's code has loaded torch and put something on a GPU; torch is never imported here."""
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    return cuda if cuda is not None and cuda.is_initialized() else None


def resident() -> int:
    """Bytes of this process that are in memory."""
    try:  # a tenth of what psutil takes, which first finds out who this process is
        return _of_statm(Path(STATM).read_bytes())
    except OSError:
        import psutil

        return int(psutil.Process().memory_info().rss)


def _gauging_gpu(cuda: Any) -> Callable[[], GpuGauge | None]:
    devices = range(cuda.device_count())
    before = sum(cuda.memory_allocated(device) for device in devices)
    for device in devices:
        cuda.reset_peak_memory_stats(device)

    def end() -> GpuGauge | None:
        try:
            free_and_total = [cuda.mem_get_info(device) for device in devices]
        except RuntimeError:  # an assertion that failed on the device leaves a context that answers nothing any more
            return None
        used = [total - free for free, total in free_and_total]
        held = [device for device in devices if cuda.max_memory_reserved(device)]
        return GpuGauge(
            peak_allocated=sum(cuda.max_memory_allocated(device) for device in devices),
            peak_reserved=sum(cuda.max_memory_reserved(device) for device in devices),
            kept=sum(cuda.memory_allocated(device) for device in devices) - before,
            device_used=sum(used),
            device_total=sum(total for _, total in free_and_total),
            devices=len(held),
            beside=sum(max(used[device] - cuda.memory_reserved(device), 0) for device in held),
            busy=_busy(cuda, held),
        )

    return end


def _busy(cuda: Any, devices: Sequence[int]) -> int | None:
    try:
        import pynvml  # the user's own where it is there; torch asks NVML through it
    except ImportError:
        return None
    try:
        return max((cuda.utilization(device) for device in devices), default=None)
    except (ImportError, RuntimeError, pynvml.NVMLError):  # a slice of a card (MIG), another maker's, a hidden driver
        return None


def _of_statm(text: bytes) -> int:
    return int(text.split(maxsplit=2)[1]) * os.sysconf("SC_PAGE_SIZE")
