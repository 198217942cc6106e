"""RunPod's own clients against every place that serves an endpoint, with the same assertions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from rp_notebook.proof.worker_process import WorkerProcess, clean_environment, runpod_environment
from tests.journeys.places import Place, celling, connected, from_the_shell, in_a_kernel, in_jupyter, jupyter, waited

HERE = Path(__file__).parent
MODULES = Path(sys.prefix) / "node"  # where `make setup` installs RunPod's JavaScript client

WORK = """import time
def work(job):
    given = job["input"]
    if "fail" in given:
        raise ValueError(given["fail"])
    for item in given.get("items", []):
        time.sleep(given.get("pause", 0))
        yield item
    for _ in range(int(given.get("sleep", 0) * 20)):
        time.sleep(0.05)
"""
# An SDK worker hears of a cancelled job only where its handler awaits.
WORKER = """import asyncio
import runpod
async def work(job):
    given = job["input"]
    if "fail" in given:
        raise ValueError(given["fail"])
    for item in given.get("items", []):
        await asyncio.sleep(given.get("pause", 0))
        yield item
    await asyncio.sleep(given.get("sleep", 0))
if __name__ == "__main__":
    runpod.serverless.start({"handler": work, "return_aggregate_stream": True})
"""
HANDLER = f"%%runpod_handler --aggregate\n{WORK}"


@contextmanager
def a_worker(folder: Path):
    worker = folder / "work"
    worker.mkdir()
    (worker / "handler.py").write_text(WORKER)
    with from_the_shell(folder, "--worker", str(worker), "--workers", "1") as place:
        yield place


@contextmanager
def helped(place: Place, root: Path, folder: Path):
    """A worker at the queue of a further kernel of a Jupyter server, which is in a cell, with a key of its own."""
    (folder / "handler.py").write_text(WORKER)
    base = place.url.removesuffix("/runpod/v2")
    client = connected(root / "RUNTIME_DIR" / f"kernel-{jupyter(base, 'POST', '/api/kernels', {})['id']}.json")
    for code in ("%load_ext rp_notebook", HANDLER.replace("_handler", "_handler helped")):
        celling(client)(code)
    over = folder / "over"
    client.execute(f"import os, time\nwhile not os.path.exists({str(over)!r}):\n    time.sleep(0.1)")
    key = jupyter(base, "POST", "/runpod/keys/helped")["key"]
    environ = clean_environment(os.environ, folder)
    environ |= runpod_environment(f"{base}/runpod", "helper", "helped", key)
    worker = WorkerProcess(folder, environ, folder / "log")
    try:
        waited(lambda: jupyter(base, "GET", "/runpod/v2/helped/health")["workers"]["idle"] == 2)
        yield
    finally:
        worker.stop()
        over.touch()
        client.stop_channels()


PLACES = {
    "kernel": lambda folder: in_a_kernel(HANDLER),
    "jupyter": lambda folder: in_jupyter(folder, HANDLER),
    "shell": lambda folder: from_the_shell(
        folder,
        "--private-webhooks",
        notebook=(HANDLER, "%runpod serve", "%runpod prove nowhere", "%runpod rehearse --rate x"),
    ),
    "worker": a_worker,
}


SHOWN = (*PLACES, "worker in jupyter")


def told(place: Place, folder: Path, name: str = "work") -> dict:
    environ = {**os.environ, "RUNPOD_ENDPOINT_BASE_URL": place.url, "HOME": str(folder)}
    python = [sys.executable, str(HERE / "clients.py"), name, place.key]
    got = json.loads(subprocess.run(python, env=environ, stdout=subprocess.PIPE, check=True, timeout=120).stdout)
    if shutil.which("node") and MODULES.is_dir():
        node = ["node", str(HERE / "client.mjs"), place.url, name, place.key, str(MODULES)]
        got["js"] = json.loads(subprocess.run(node, stdout=subprocess.PIPE, check=True, timeout=120).stdout)
    return got


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory):
    """What the clients got, by place; the clients mostly sleep, and so all places are asked at once."""
    folders = {name: tmp_path_factory.mktemp(name) for name in PLACES}
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        places = [stack.enter_context(PLACES[name](folder)) for name, folder in folders.items()]
        server, folder = places[[*PLACES].index("jupyter")], tmp_path_factory.mktemp("helped")
        stack.enter_context(helped(server, folders["jupyter"], folder))
        asked = pool.map(told, [*places, server], [*folders.values(), folder], ["work"] * len(PLACES) + ["helped"])
        return dict(zip(SHOWN, asked, strict=True))


@pytest.mark.kernel
@pytest.mark.parametrize("place", SHOWN)
def test_the_python_client_works_unchanged(everywhere, place):
    got = everywhere[place]["sync"]
    health = got.pop("health")
    assert got == {
        "run_sync": [1, "é"],
        "run_sync of a failing job": None,
        "output": [{"a": None}],
        "status": "COMPLETED",
        "stream": ["a", "b", "c"],
        "purge": {"removed": 2, "status": "completed"},
        "cancel": "CANCELLED",
        "after": ["CANCELLED"] * 3,
        "next": ["next"],
        "wrong key": "RuntimeError",
    }
    assert health == {"completed": 3, "failed": 1, "inProgress": 1, "inQueue": 2, "retried": 0}


@pytest.mark.kernel
@pytest.mark.parametrize("place", SHOWN)
def test_the_asyncio_client_works_unchanged(everywhere, place):
    assert everywhere[place]["asyncio"] == {
        "output": [1, "é"],
        "status": "COMPLETED",
        "stream": ["a", "b"],
        "health": 1,
        "cancel": "CANCELLED",
        "purge": {"removed": 0, "status": "completed"},
    }


@pytest.mark.kernel
@pytest.mark.parametrize("place", SHOWN)
def test_the_javascript_client_works_by_its_base_url(everywhere, place):
    if "js" not in everywhere[place]:
        pytest.skip("node, or RunPod's client for it, is not there: make setup installs the client where npm is")
    assert everywhere[place]["js"] == {
        "runSync": [1, "é"],
        "failed": ["FAILED", "string"],
        "stream": ["a", "b"],
        "status": "COMPLETED",
        "purge": {"removed": 1, "status": "completed"},
        "cancel": "CANCELLED",
        "health": ["completed", "failed", "inProgress", "inQueue", "retried"],
    }
