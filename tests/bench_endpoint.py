"""Rows of `make bench` about the endpoint: in a kernel and through a Jupyter server, over the SDK's dev server."""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import Row
from tests.journeys.places import Place, free_port, in_a_kernel, in_jupyter, waited

ECHO = "def echo(job):\n    return job['input']\n"
TICKS = "def ticks(job):\n    import time\n    for n in range(5):\n        time.sleep(0.3)\n        yield n\n"
CELLS = (f"%%runpod_handler\n{TICKS}", f"%%runpod_handler\n{ECHO}")
SIZES = {"1 KB": (1_000, 200), "1 MB": (1_000_000, 15), "8 MB": (8_000_000, 7)}
ALLOWED = {("kernel", "1 KB"): 1.0, ("jupyter", "1 KB"): 3.0}  # the rest: 1.5


def endpoint_over_sdk() -> list[Row]:
    """The median `/runsync` of each size, the servers asked in turns; and how far apart streamed items arrive."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        places = {
            "sdk": stack.enter_context(dev_server(folder)),
            "kernel": stack.enter_context(in_a_kernel(*CELLS)),
            "jupyter": stack.enter_context(in_jupyter(folder, *CELLS)),
        }
        rows = []
        for size, (count, rounds) in SIZES.items():
            took = medians(places, json.dumps({"input": {"text": "x" * count}}).encode(), rounds)
            for name in ("kernel", "jupyter"):
                detail = f"{took[name] * 1e3:.2f} ms against {took['sdk'] * 1e3:.2f} ms"
                ratio = took[name] / took["sdk"]
                rows.append(Row(f"/runsync, {size}, {name} / SDK's", ratio, ALLOWED.get((name, size), 1.5), detail))
        rows += [apart(name, places[name]) for name in ("kernel", "jupyter")]
    return rows


@contextmanager
def dev_server(folder: Path) -> Iterator[Place]:
    """The SDK's own server for local tests."""
    (folder / "handler.py").write_text(f"import runpod\n{ECHO}\nrunpod.serverless.start({{'handler': echo}})\n")
    port = free_port()
    command = [sys.executable, "handler.py", "--rp_serve_api", "--rp_api_port", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, "RUNPOD_LOG_LEVEL": "ERROR"}, **quiet)
    place = Place(f"http://127.0.0.1:{port}", "none")
    try:
        waited(lambda: answers(place))
        yield place
    finally:
        process.kill()
        process.wait()


def answers(place: Place) -> bool:
    try:
        called(place, "POST", "runsync", b'{"input": {}}')
    except OSError:
        return False
    return True


def medians(places: dict[str, Place], body: bytes, rounds: int) -> dict[str, float]:
    took: dict[str, list[float]] = {name: [] for name in places}
    for _ in range(rounds):
        for name, place in places.items():
            path = "runsync" if name == "sdk" else "echo/runsync"
            start = time.perf_counter()
            called(place, "POST", path, body)
            took[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in took.items()}


def apart(name: str, place: Place) -> Row:
    """Five items that are yielded 0.3 s apart."""
    job_id = called(place, "POST", "ticks/run", b'{"input": {}}')["id"]
    arrived: list[float] = []
    status = ""
    while status != "COMPLETED":
        told = called(place, "GET", f"ticks/stream/{job_id}")
        status = told["status"]
        arrived += [time.perf_counter()] * len(told["stream"])
    gaps = [later - earlier for earlier, later in pairwise(arrived)]
    worst = max(abs(gap - 0.3) for gap in gaps)
    shown = ", ".join(f"{gap:.2f}" for gap in gaps)
    return Row(f"items 0.3 s apart, {name}: off by / 0.1 s", worst / 0.1, 1.0, f"they arrived {shown} s apart")


def called(place: Place, method: str, path: str, body: bytes | None = None) -> dict:
    host, _, base = place.url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request(method, f"/{base}/{path}".replace("//", "/"), body, {"Authorization": place.key})
    told = json.loads(connection.getresponse().read())
    connection.close()
    return told
