"""Many jobs at once or in a row, in a real shell: times, leaks and races are told."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import pytest

from rp_notebook.jobs.gauge import Gauge, gauging
from tests.kernel.conftest import Cell


@pytest.fixture
def codes(cell: Cell):
    def run(handler: str, line: str) -> list[str]:
        cell(f"%%runpod_handler\n{handler}")
        return [finding.code for finding in cell(line).result.findings]

    return run


def test_repeating_tells_times_and_finds_nothing_in_a_sound_handler(cell: Cell) -> None:
    cell("%%runpod_handler\ndef sound(job):\n    return 1")
    report = cell("%runpod job --repeat 12 {}").result
    assert "median" in repr(report)
    assert "RPJ120" not in [finding.code for finding in report.findings]


def test_memory_that_grows_is_called_a_leak(codes) -> None:
    pages = "kept.append(mmap.mmap(-1, 3_000_000))\n    kept[-1].write(b'x' * 3_000_000)"  # none that were free before
    leaking = f"import mmap\nkept = []\ndef leaks(job):\n    {pages}\n    return len(kept)"
    assert "RPJ120" in codes(leaking, "%runpod job --repeat 20 {}")


def test_a_slow_first_job_is_told(codes) -> None:
    lazy = (
        "import time\nseen = []\ndef lazy(job):\n    seen or time.sleep(0.1)\n    seen.append(1)\n    time.sleep(0.002)"
    )
    assert "RPJ121" in codes(lazy, "%runpod job --repeat 5 {}")


def test_async_jobs_overlap(cell: Cell) -> None:
    cell(
        "%%runpod_handler\nimport asyncio\nasync def waits(job):\n    await asyncio.sleep(0.1)\n    return job['input']"
    )
    report = cell("%runpod job --concurrency 5 [1, 2, 3, 4, 5]").result
    assert not report.findings
    assert "times as fast" in repr(report)


def test_shared_state_that_breaks_is_found(codes) -> None:
    racing = (
        "import asyncio\nstate = {}\nasync def races(job):\n    state['now'] = job['input']\n"
        "    await asyncio.sleep(0.01)\n    return state['now']"
    )
    assert "RPJ132" in codes(racing, "%runpod job --concurrency 3 [1, 2, 3]")


def test_an_answer_that_differs_by_itself_is_no_race(codes) -> None:
    counting = (
        "import asyncio, itertools\nn = itertools.count()\nasync def counts(job):\n"
        "    await asyncio.sleep(0.05)\n    return next(n)"
    )
    assert set(codes(counting, "%runpod job --concurrency 3 {}")) == {"RPJ133"}


def test_a_sync_handler_is_said_not_to_overlap(codes) -> None:
    assert codes("def sync(job):\n    return 1", "%runpod job --concurrency 3 {}") == ["RPJ130"]


def test_a_handler_that_blocks_the_loop_is_found(codes) -> None:
    blocking = "import time\nasync def blocks(job):\n    time.sleep(0.03)"
    assert codes(blocking, "%runpod job --concurrency 3 {}") == ["RPJ131"]


@pytest.mark.parametrize("flag", ["--repeat 3", "--concurrency 3"])
@pytest.mark.parametrize("handler", ["def never(job):\n    ran.append(1)", "async def never(job):\n    ran.append(1)"])
def test_an_interrupt_before_the_first_job_runs_none(cell: Cell, flag: str, handler: str, monkeypatch) -> None:
    async def interrupted() -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr("rp_notebook.jobs.worker.settled", interrupted)  # where ipykernel's interrupt arrives
    cell("ran = []")
    cell(f"%%runpod_handler\n{handler}")
    assert "CANCELLED" in repr(cell(f"%runpod job {flag} {{}}").result)
    assert cell("ran").result == []


@pytest.mark.parametrize("flag", ["--repeat 3", "--concurrency 3"])
def test_an_interrupt_before_the_first_step_of_a_job_runs_none(cell: Cell, flag: str, monkeypatch) -> None:
    def interrupting(memory) -> Callable[[], Gauge]:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        return gauging(memory)

    monkeypatch.setattr("rp_notebook.jobs.worker.gauging", interrupting)  # the last thing before a job's task is made
    cell("ran = []")
    cell("%%runpod_handler\nasync def never(job):\n    ran.append(1)")
    assert repr(cell(f"%runpod job {flag} {{}}").result).startswith("CANCELLED")
    assert cell("ran").result == []
