"""A real kernel that is killed in the middle of a job: the next one knows what ran."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

from tests.journeys.test_jobs_in_a_kernel import text_of

HANDLER = (
    "%%runpod_handler\nimport time\ndef work(job):\n    number = job['input']\n"
    "    if number == 50:\n        print('the last one', flush=True)\n        time.sleep(60)\n    return number"
)
LOOPS = {
    "run_job": "for number in range(1, 51):\n    rp_notebook.run_job(work, {'input': number})",
    "arun_job": "for number in range(1, 51):\n    await rp_notebook.arun_job(work, number)",
    "magic": "for number in range(1, 51):\n    %runpod job number",
}


@contextmanager
def kernel_in(folder: Path) -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(folder))
    try:
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def cell(client: BlockingKernelClient, code: str, hear: Callable[[str], None] = lambda _: None) -> str:
    said: list[str] = []

    def heard(message: dict) -> None:
        said.append(text_of(message["content"]))
        hear(said[-1])

    client.execute_interactive(code, timeout=60, output_hook=heard)
    return "\n".join(filter(None, said))


@pytest.mark.kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_a_kernel_killed_in_its_50th_job_leaves_49_and_one_interrupted(loop: str, tmp_path) -> None:
    with kernel_in(tmp_path) as (_, client):
        cell(client, "%load_ext rp_notebook\nimport rp_notebook, os\nprint(os.getpid())")
        pid = int(re.search(r"\d+", cell(client, "os.getpid()"))[0])
        cell(client, HANDLER)
        client.execute(LOOPS[loop])
        while "the last one" not in text_of(client.get_iopub_msg(timeout=60)["content"]):
            pass
        time.sleep(0.1)  # the print comes from the middle of the job, and that is where it ends
        os.kill(pid, signal.SIGKILL)
    with kernel_in(tmp_path) as (_, client):
        cell(client, "%load_ext rp_notebook")
        shown = cell(client, "%runpod jobs")
        assert "50 jobs: 49 COMPLETED, 1 INTERRUPTED" in shown
        assert "INTERRUPTED (IN_PROGRESS)" in shown.splitlines()[-2]
        assert shown.count("work v1") == 50
        shown = cell(client, "%runpod jobs --status interrupted")
        assert "1 job: 1 INTERRUPTED" in shown
        cell(client, HANDLER.replace("50", "1000"))
        assert "49 of 49 jobs answer as before" in cell(client, "%runpod replay --last 100")


@pytest.mark.kernel
def test_a_restarted_kernel_goes_on_with_the_same_history(tmp_path) -> None:
    with kernel_in(tmp_path) as (manager, client):
        for expected in ("1 job:", "2 jobs:"):
            cell(client, "%load_ext rp_notebook")
            cell(client, HANDLER)
            cell(client, "%runpod job 1")
            assert expected in cell(client, "%runpod jobs")
            manager.restart_kernel(now=False)
            client.wait_for_ready(timeout=60)
