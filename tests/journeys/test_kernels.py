"""The oldest IPython and ipykernel that we claim and each Python on the machine: a whole worker in a kernel of each."""

from __future__ import annotations

import json
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

from tests.journeys.places import celling, url_and_key, waited

ENVIRONMENTS = Path(sys.prefix) / "kernels"
NAMES = ("ipython-7.34", "ipython-8.12", "python-3.12", "python-3.13")
PLAIN = "%%runpod_handler\ndef shout(job):\n    return {'text': job['input']['text'].upper() + mark}"
STREAM = (
    "%%runpod_handler --aggregate\nasync def words(job):\n    for word in job['input'].split():\n        yield word"
)
SLOW = (
    "%%runpod_handler\nimport asyncio\nasync def slow(job):\n    open('runs', 'w').close()\n    await asyncio.sleep(60)"
)


def python_of(name: str) -> str:
    python = ENVIRONMENTS / name / "bin" / "python"
    if not (ENVIRONMENTS / name / ".ready").exists():
        pytest.skip(f"there is no environment {name}: make test makes it where its Python is on the machine")
    return str(python)


@contextmanager
def kernel_of(python: str, folder: Path) -> Iterator[tuple[KernelManager, Any]]:
    manager = KernelManager()
    launch = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=launch, display_name="", language="python")
    manager.start_kernel(cwd=str(folder))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    try:
        yield manager, celling(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.kernel
@pytest.mark.parametrize("name", NAMES)
def test_a_worker_is_made_and_proved_in_an_older_kernel(name: str, tmp_path: Path) -> None:
    with kernel_of(python_of(name), tmp_path) as (manager, cell):
        assert cell("%load_ext rp_notebook") == ""
        assert cell("mark = '!'") == ""
        assert "Handler shout v1" in cell(PLAIN)
        assert "HI!" in cell("%runpod job {'text': 'hi'}")
        cell(PLAIN.replace("mark}", "mark, 1: {2}}"))
        assert "LOST  shout" in cell("%runpod job {'text': 'hi'}")
        assert "run its job in the next cell" in cell(f"{PLAIN}\n%runpod job {{'text': 'ho'}}")
        cell(PLAIN)
        assert "HO!" in cell("%runpod job {'text': 'ho'}")
        awaited = "import rp_notebook\n(await rp_notebook.arun_job(shout, {'text': 'a'})).output"
        assert cell(awaited) == "{'text': 'A!'}"
        cell(STREAM)
        assert "streamed 3 items" in cell("%runpod job 'one two three'")
        cell(SLOW)
        threading.Thread(target=lambda: (waited((tmp_path / "runs").exists), manager.interrupt_kernel())).start()
        assert "CANCELLED  slow" in cell("%runpod job {}")
        assert "executionTimeout" in cell("%runpod job --timeout 0.2 {}")
        assert "CANCELLED" in cell("%runpod jobs")
        assert "In[" in cell("%runpod why -n shout mark")
        exported = cell("%runpod export -n shout worker")
        assert exported.startswith("CREATED  shout"), exported
        assert "answered alike in a clean process" in exported
        proved = cell("%runpod prove worker")
        with_sdk = cell("import importlib.util as u; u.find_spec('runpod') is not None") == "True"
        assert ("PROVED  Proof at level process: passed" if with_sdk else "rp-notebook[prove]") in proved, proved
        # As in VS Code and Colab, where no Jupyter server can be reached: the kernel serves by itself.
        url, key = url_and_key(cell("%runpod serve"))
        assert asked(f"{url}/shout/runsync", key, {"text": "b"})["output"] == {"text": "B!"}
        cell("%runpod serve --stop")
        assert cell("%unload_ext rp_notebook\n%load_ext rp_notebook\nmark") == "'!'"
        assert "handler shout" in cell("%runpod")


def asked(url: str, key: str, job: Any) -> Any:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps({"input": job}).encode(), headers)) as reply:
        return json.load(reply)
