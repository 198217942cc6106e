"""`rp-notebook serve --worker`: several real SDK workers on one queue."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import nbformat
import psutil
import pytest

from tests.journeys.places import from_the_shell, waited

NAME = "trio%20%26%20more"  # as a URL has it
SOURCE = """import os, time
import runpod
def handler(job):
    time.sleep(job["input"])
    return os.getpid()
if __name__ == "__main__":
    runpod.serverless.start({"handler": handler})
"""


def call(place, path: str, body: object = None, method: str | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"{place.url}/{path}", data, {"Authorization": place.key}, method=method)
    with urllib.request.urlopen(asked, timeout=60) as reply:
        return json.load(reply)


@pytest.mark.kernel
def test_three_workers_share_a_queue_and_one_that_dies_is_told_and_followed(tmp_path: Path) -> None:
    worker = tmp_path / "trio & more"
    worker.mkdir()
    (worker / "handler.py").write_text(SOURCE)
    (worker / "test_input.json").write_text('{"input": 0.25}')
    with from_the_shell(tmp_path, "--worker", str(worker), "--workers", "3") as place:
        url, line = place.said.splitlines()
        assert (url, "-d '{\"input\": 0.25}'" in line) == (f"{place.url}/{NAME}", True)
        waited(lambda: call(place, f"{NAME}/health")["workers"]["idle"] == 3)
        if shutil.which("curl"):  # as it would be copied
            assert json.loads(subprocess.check_output(line, shell=True))["status"] == "COMPLETED"
        ids = [call(place, f"{NAME}/run", {"input": 1.5})["id"] for _ in range(3)]
        waited(lambda: all(call(place, f"{NAME}/status/{job_id}")["status"] == "COMPLETED" for job_id in ids))
        told = [call(place, f"{NAME}/status/{job_id}") for job_id in ids]
        assert len({one["output"] for one in told} | {one["workerId"] for one in told}) == 6
        doomed = call(place, f"{NAME}/run", {"input": 60})["id"]
        waited(lambda: call(place, f"{NAME}/status/{doomed}")["status"] == "IN_PROGRESS")
        by = call(place, f"{NAME}/status/{doomed}")["workerId"]
        (pid,) = [
            child.pid
            for child in psutil.Process(place.server.pid).children()
            if child.environ().get("RUNPOD_POD_ID") == by
        ]
        os.kill(pid, signal.SIGKILL)
        waited(lambda: call(place, f"{NAME}/status/{doomed}")["status"] == "FAILED")
        assert call(place, f"{NAME}/status/{doomed}")["error"] == "its worker ended with exit code -9"
        waited(lambda: call(place, f"{NAME}/health")["workers"]["idle"] == 3)


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name a notebook"),
        (("--worker", "nowhere"), "holds no handler.py"),
        (("--worker", "broken"), "does not start"),
        (("missing.ipynb", "--workers", "2"), "--worker DIR"),
        (("missing.ipynb",), "missing.ipynb"),
        (("broken",), "--worker broken serves"),
        (("--worker", "broken", "--port", "99999"), "port 99999 cannot be used"),
    ],
    ids=["nothing", "no folder", "a worker that ends", "workers of nothing", "no notebook", "a folder", "no port"],
)
def test_what_cannot_be_served_is_one_line(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "handler.py").write_text("import sys; sys.exit(3)")
    ran = subprocess.run(
        [sys.executable, "-m", "rp_notebook.cli", "serve", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 1
    assert told in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.kernel
def test_a_served_kernel_that_dies_ends_the_command_which_says_so(tmp_path: Path) -> None:
    cells = [
        nbformat.v4.new_code_cell("%load_ext rp_notebook\nimport rp_notebook\n@rp_notebook.handler\ndef h(job): ...")
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "served.ipynb")
    server = subprocess.Popen(
        [sys.executable, "-m", "rp_notebook.cli", "serve", str(tmp_path / "served.ipynb")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    assert "/v2/h" in server.stdout.readline()
    for child in psutil.Process(server.pid).children(recursive=True):
        child.kill()
    _, told = server.communicate(timeout=60)
    assert (server.returncode, "the kernel died" in told) == (1, True)
    assert "Traceback" not in told
