"""Rows of `make bench` about the endpoint: in a kernel and through a Jupyter server, over the SDK's dev server.

LitServe and the kernel gateway are installed for it into a folder that is thrown away, and only shown beside it.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat

from tests.bench import SHOWN, Row
from tests.journeys.places import Place, free_port, in_a_kernel, in_jupyter, waited

ECHO = "def echo(job):\n    return job['input']\n"
TICKS = "def ticks(job):\n    import time\n    for n in range(5):\n        time.sleep(0.3)\n        yield n\n"
CELLS = (f"%%runpod_handler\n{TICKS}", f"%%runpod_handler\n{ECHO}")
SIZES = {"1 KB": (1_000, 200), "1 MB": (1_000_000, 31), "8 MB": (8_000_000, 7)}
INSTALL_S = 120
LITSERVE = """
import sys, litserve
class Echo(litserve.LitAPI):
    def setup(self, device): ...
    def decode_request(self, request): return request["input"]
    def predict(self, given): return given
    def encode_response(self, output): return {"output": output}
if __name__ == "__main__":
    litserve.LitServer(Echo(api_path="/runsync"), accelerator="cpu").run(
        host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False
    )
"""
GATEWAY = "# POST /runsync\nimport json\nprint(json.dumps({'output': json.loads(REQUEST)['body']['input']}))"
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
        made = {name: entered(stack, serving(folder)) for name, serving in PEERS.items()}
        peers = {name: place for name, place in made.items() if isinstance(place, Place)}
        rows = [
            Row(f"/runsync, {name} / SDK's", 0.0, SHOWN, f"cannot be had here: {why}")
            for name, why in made.items()
            if name not in peers
        ]
        for size, (count, rounds) in SIZES.items():
            took = medians({**places, **peers}, json.dumps({"input": {"text": "x" * count}}).encode(), rounds)
            for name in ("kernel", "jupyter", *peers):
                detail = f"{took[name] * 1e3:.2f} ms against {took['sdk'] * 1e3:.2f} ms"
                ratio = took[name] / took["sdk"]
                most = SHOWN if name in peers else ALLOWED.get((name, size), 1.5)
                rows.append(Row(f"/runsync, {size}, {name} / SDK's", ratio, most, detail))
        rows += [apart(name, places[name]) for name in ("kernel", "jupyter")]
    return rows


@contextmanager
def dev_server(folder: Path) -> Iterator[Place]:
    """The SDK's own server for local tests."""
    (folder / "handler.py").write_text(f"import runpod\n{ECHO}\nrunpod.serverless.start({{'handler': echo}})\n")
    with served(folder, lambda port: ("handler.py", "--rp_serve_api", "--rp_api_port", str(port))) as place:
        yield place


@contextmanager
def litserve(folder: Path) -> Iterator[Place]:
    """The same handler behind LitServe."""
    (folder / "lit.py").write_text(LITSERVE)
    with served(folder, lambda port: ("lit.py", str(port)), "litserve") as place:
        yield place


@contextmanager
def kernel_gateway(folder: Path) -> Iterator[Place]:
    """The same handler in a cell behind the kernel gateway, in its notebook-http mode."""
    cells, kernel = [nbformat.v4.new_code_cell(GATEWAY)], {"name": "python3", "display_name": "Python 3"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "gateway.ipynb")
    app = "--KernelGatewayApp"
    mode = (f"{app}.api=kernel_gateway.notebook_http", f"{app}.seed_uri={folder / 'gateway.ipynb'}")
    words = ("-m", "kernel_gateway", *mode, f"{app}.ip=127.0.0.1")
    with served(folder, lambda port: (*words, f"{app}.port={port}"), "jupyter-kernel-gateway") as place:
        yield place


PEERS = {"LitServe": litserve, "kernel gateway": kernel_gateway}


def entered(stack: ExitStack, peer: AbstractContextManager[Place]) -> Place | str:
    """Where a peer serves, or why it cannot be had."""
    try:
        return stack.enter_context(peer)
    except (OSError, subprocess.SubprocessError, AssertionError) as error:
        return str(error)


@contextmanager
def served(folder: Path, command: Callable[[int], tuple[str, ...]], needs: str | None = None) -> Iterator[Place]:
    """A server on a free port, with one package that only it needs; what that needs is there."""
    environ = {**os.environ, "RUNPOD_LOG_LEVEL": "ERROR"}
    if needs is not None:
        target = folder / needs
        install = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--target", str(target), needs]
        subprocess.run(install, check=True, capture_output=True, timeout=INSTALL_S)
        environ["PYTHONPATH"] = str(target)
    port = free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    process = subprocess.Popen([sys.executable, *command(port)], cwd=folder, env=environ, **quiet)
    place = Place(f"http://127.0.0.1:{port}", "none")
    try:
        waited(lambda: answers(place))
        yield place
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its own group: what it started ends with it
        process.wait()


def answers(place: Place) -> bool:
    try:
        called(place, "POST", "runsync", b'{"input": {"a": 1}}')  # the SDK's own fails on an empty answer
    except (OSError, ValueError):  # some listen before they can answer
        return False
    return True


def medians(places: dict[str, Place], body: bytes, rounds: int) -> dict[str, float]:
    took: dict[str, list[float]] = {name: [] for name in places}
    for _ in range(rounds):
        for name, place in places.items():
            path = "echo/runsync" if name in ("kernel", "jupyter") else "runsync"
            start = time.perf_counter()
            told = called(place, "POST", path, body)
            took[name].append(time.perf_counter() - start)
            assert "output" in told, f"{name} refused: {str(told)[:200]}"
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
    connection.request(
        method,
        f"/{base}/{path}".replace("//", "/"),
        body,
        {"Authorization": place.key, "Content-Type": "application/json"},
    )
    told = json.loads(connection.getresponse().read())
    connection.close()
    return told
