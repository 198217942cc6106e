"""A real kernel: Ctrl-C and timeouts end one job and leave the kernel and what it holds alive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager, start_new_kernel

from tests.journeys.places import waited

SIGN = "it runs"  # a file in the kernel's folder: what is slow has begun
BEGINS = f"open({SIGN!r}, 'w').close()"
SLOW = {
    "sync": f"import time\ndef slow(job):\n    {BEGINS}\n    time.sleep(60)",
    "async": f"import asyncio\nasync def slow(job):\n    {BEGINS}\n    await asyncio.sleep(60)",
    "async that blocks": f"import time\nasync def slow(job):\n    {BEGINS}\n    time.sleep(60)",
    "generator": f"import time\ndef slow(job):\n    yield 1\n    {BEGINS}\n    time.sleep(60)",
    "async generator": f"import asyncio\nasync def slow(job):\n    yield 1\n    {BEGINS}\n    await asyncio.sleep(60)",
}

Cell = Callable[[str], str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("kernel")


@pytest.fixture(scope="module")
def kernel(folder) -> Iterator[tuple[KernelManager, Cell]]:
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(folder))

    def cell(code: str) -> str:
        said: list[str] = []
        client.execute_interactive(
            code, timeout=60, output_hook=lambda message: said.append(text_of(message["content"]))
        )
        return "\n".join(filter(None, said))

    cell("%load_ext rp_notebook\nmodel = 'warm'")
    yield manager, cell
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.fixture
def interrupted(kernel, folder: Path) -> Iterator[Cell]:
    """What a line shows that the user interrupts when its jobs run, which would take minutes."""
    manager, cell = kernel
    begun = folder / SIGN

    def shown(line: str) -> str:
        begun.unlink(missing_ok=True)
        ends = threading.Thread(target=lambda: (waited(begun.exists), time.sleep(0.2), manager.interrupt_kernel()))
        ends.start()
        started = time.monotonic()
        said = cell(line)
        ends.join()
        assert time.monotonic() - started < 50
        return said

    return shown


def text_of(content: dict) -> str:
    return content.get("text") or content.get("data", {}).get("text/plain") or content.get("evalue", "")


@pytest.mark.kernel
@pytest.mark.parametrize("kind", SLOW)
def test_ctrl_c_cancels_the_job_and_spares_the_kernel(kernel, interrupted, kind: str) -> None:
    _, cell = kernel
    cell(f"%%runpod_handler\n{SLOW[kind]}")
    assert "CANCELLED  slow" in interrupted("%runpod job {}")
    assert cell("model") == "'warm'"


@pytest.mark.kernel
@pytest.mark.parametrize("kind", SLOW)
def test_a_timeout_ends_the_job_as_the_platform_would(kernel, kind: str) -> None:
    _, cell = kernel
    cell(f"%%runpod_handler\n{SLOW[kind]}")
    shown = cell("%runpod job --timeout 0.5 {}")
    assert "FAILED  slow" in shown
    assert "executionTimeout exceeded" in shown
    assert cell("model") == "'warm'"


@pytest.mark.kernel
def test_what_a_top_level_await_made_works_inside_an_async_handler(kernel) -> None:
    _, cell = kernel
    cell("import asyncio\nqueue = asyncio.Queue()\nawait queue.put('made in a cell')")
    cell("%%runpod_handler\nasync def takes(job):\n    return await queue.get()")
    assert "made in a cell" in cell("%runpod job {}")


@pytest.mark.kernel
def test_a_stream_is_shown_while_it_arrives_and_the_result_stays(kernel) -> None:
    _, cell = kernel
    cell(
        "%%runpod_handler\nimport time\ndef talks(job):\n"
        "    for word in ['one ', 'two ', 'three ']:\n        yield word\n        time.sleep(0.3)"
    )
    shown = cell("%runpod job {}")
    assert "RUNNING  talks" in shown
    assert "one two" in shown
    assert shown.rindex("COMPLETED  talks") > shown.rindex("RUNNING  talks")


@pytest.mark.kernel
@pytest.mark.parametrize("blocking", ["await asyncio.sleep(60)", "time.sleep(60)"], ids=["awaiting", "blocking"])
def test_ctrl_c_ends_all_jobs_that_run_at_once(kernel, interrupted, blocking: str) -> None:
    _, cell = kernel
    cell(
        "%%runpod_handler\nimport asyncio, time\ncalls = []\nasync def crowd(job):\n"
        f"    calls.append(1)\n    if len(calls) > 3:  # after three, one by one\n        {BEGINS}\n        {blocking}"
    )
    assert "CANCELLED" in interrupted("%runpod job --concurrency 3 {}")
    assert cell("model") == "'warm'"


@pytest.mark.kernel
def test_a_flat_cell_is_tried_and_then_takes_jobs(kernel) -> None:
    _, cell = kernel
    cell("import asyncio\nqueue = asyncio.Queue()\nseen = 0")
    shown = cell(
        "%%runpod_handler say -i word -i times=2\nword, times = 'try', 1\n"
        "await queue.put(word)\nseen += 1\n[model, await queue.get(), *[word] * times]"
    )
    assert "['warm', 'try', 'try']" in shown
    assert "Handler say v1 (async)" in shown
    assert '"job", "job", "job"]' in cell("%runpod job -n say {'word': 'job'}")
    assert cell("word, times, seen") == "('try', 1, 2)"
    failed = cell("%runpod job -n say {'word': 'job', 'times': 'x'}")
    assert "line 5, in say" in failed
    assert "missing input: word" in cell("%runpod job -n say {}")


@pytest.mark.kernel
@pytest.mark.parametrize("kind", SLOW)
def test_ctrl_c_ends_a_loop_over_arun_job(kernel, interrupted, kind: str) -> None:
    _, cell = kernel
    cell(f"import rp_notebook\n{SLOW[kind]}\nbegun = []")
    interrupted("for n in range(3):\n    begun.append(n)\n    await rp_notebook.arun_job(slow, {})")
    assert cell("begun") == "[0]"
    assert "COMPLETED" in cell("await rp_notebook.arun_job(lambda job: model, {})")


@pytest.mark.kernel
@pytest.mark.parametrize("kind", SLOW)
def test_ctrl_c_ends_all_arun_jobs_of_a_gather(kernel, interrupted, kind: str) -> None:
    _, cell = kernel
    cell(f"import asyncio, rp_notebook\n{SLOW[kind]}\nbefore = len(asyncio.all_tasks(asyncio.get_running_loop()))")
    interrupted("await asyncio.gather(*(rp_notebook.arun_job(slow, {}) for _ in range(8)))")
    assert cell("len(asyncio.all_tasks(asyncio.get_running_loop())) - before") == "0"


NATIVE = f"""%%runpod_handler
import hashlib, time
def native(job):
    began = time.perf_counter()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000)
    a_second = int(100_000 / (time.perf_counter() - began))
    {BEGINS}
    print("in native code")
    hashlib.pbkdf2_hmac("sha256", b"", b"", 9 * a_second)
"""


@pytest.mark.kernel
@pytest.mark.parametrize("asked", ["Ctrl-C", "timeout"])
def test_native_code_that_cannot_be_stopped_is_named_below_its_cell(kernel, interrupted, asked: str) -> None:
    _, cell = kernel
    cell(NATIVE)
    shown = cell("%runpod job --timeout 1 {}") if asked == "timeout" else interrupted("%runpod job {}")
    assert shown.count("native is in native code and cannot be stopped") == 1
    assert "executionTimeout exceeded" in shown if asked == "timeout" else "CANCELLED  native" in shown
    assert "native code" not in cell("%runpod job -n time.time {}")
