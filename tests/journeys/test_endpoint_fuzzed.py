"""The endpoint of a kernel under thousands of requests that nobody of good will sends; all but IPython is real."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import psutil
import pytest

from rp_notebook.endpoint import listening
from rp_notebook.endpoint.operations import OPERATIONS, WORKER_OPERATIONS, Operation
from rp_notebook.endpoint.worker_routes import worker_routes
from rp_notebook.jobs.handler import as_handler
from rp_notebook.jobs.handlers import Handlers
from rp_notebook.jobs.history import History
from rp_notebook.jobs.worker import Worker
from rp_notebook.kernel.pump import Pump
from rp_notebook.kernel.serving import Serving
from tests.journeys.fuzzing import Fuzz

CANARY = "the answer of somebody else's job"
REQUESTS = 4600  # and some five hundred of schemathesis


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    """`%runpod serve`, on a loop that a thread turns instead of IPython's."""
    handlers = Handlers()
    for name, answer in {
        "echo": lambda job: json.dumps(job["input"]),
        "strange": lambda job: json.dumps(job["input"]),
        "other": lambda _job: CANARY,
        "idle": lambda _job: 1,
    }.items():
        handlers.register(as_handler(answer, name=name))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    worker = Worker(History())
    pump = Pump(worker, lambda name: handlers.chosen(name, {}), loop)
    unlisten = worker.history.listen(pump._happened)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listening, "worker_routes", partial(worker_routes, hold_s=0.01))
        served = Serving(handlers, pump)
    yield served
    served.stop()
    unlisten()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    worker.history.close()


def call(serving: Serving, path: str, body: object = None, method: str | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"{serving.url}/{path}", data, {"Authorization": serving.key}, method=method)
    with urllib.request.urlopen(asked, timeout=20) as reply:
        return json.load(reply)


def fuzz_of(serving: Serving, endpoint: str, operations: Mapping[str, Operation], seed: str) -> Fuzz:
    document = call(serving, f"{endpoint}/openapi.json")
    document["paths"] = {path: item for path, item in document["paths"].items() if path.split("/")[1] in operations}
    assert len(document["paths"]) == len(operations)
    foreign = call(serving, "other/runsync", {"input": 1})["id"]
    ids = [call(serving, f"{endpoint}/run", {"input": number})["id"] for number in range(3)]
    return Fuzz(f"{serving.url}/{endpoint}", serving.key, document, [*ids, foreign], CANARY, random.Random(seed))


def test_thousands_of_odd_requests_are_answered_as_the_document_says(serving, tmp_path) -> None:
    seed = str(time.time())
    stranger = subprocess.Popen(
        [
            *(Path(sys.executable).with_name("schemathesis"), "run", f"{serving.url}/strange/openapi.json"),
            *("--header", f"Authorization: {serving.key}", "--phases", "coverage,fuzzing", "--max-examples", "20"),
            *("--generation-deterministic", "--exclude-path-regex", "^/(job-|ping|retry)", "--no-color"),
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        clients, workers = fuzz_of(serving, "echo", OPERATIONS, seed), fuzz_of(serving, "idle", WORKER_OPERATIONS, seed)
        clients.run(REQUESTS)
        workers.run(REQUESTS // 10)
    finally:
        told, _ = stranger.communicate(timeout=120)
    assert stranger.returncode == 0, told
    answered = clients.answered + workers.answered
    assert {200, 204, 400, 401, 404, 405} <= {*answered}, f"{answered}, seed {seed}"
    assert int(told.split(" generated,")[0].split()[-1]) + answered.total() > 5000
    assert call(serving, "echo/runsync", {"input": "alive"})["output"] == '"alive"'
    assert call(serving, "echo/health")["jobs"]["inQueue"] == 0


def connected(serving: Serving) -> socket.socket:
    host, port = serving.url.removeprefix("http://").removesuffix("/v2").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def head(serving: Serving, line: str, *more: str, key: str | None = None) -> bytes:
    return "\r\n".join((f"{line} HTTP/1.1", "Host: x", f"Authorization: {key or serving.key}", *more, "", "")).encode()


def test_half_sent_bodies_and_slow_readers_hold_nobody_up(serving) -> None:
    large = call(serving, "echo/runsync", {"input": "x" * 8_000_000})["id"]
    with ExitStack() as stack:
        sockets = [stack.enter_context(connected(serving)) for _ in range(40)]
        for number, half in enumerate(sockets):
            if number % 2:
                half.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                half.sendall(head(serving, f"GET /v2/echo/status/{large}"))  # and reads nothing of it
            else:
                half.sendall(head(serving, "POST /v2/echo/run", f"Content-Length: {10**number}") + b'{"input": ')
        for number in range(5):
            began = time.monotonic()
            assert call(serving, "echo/runsync", {"input": number})["output"] == str(number)
            assert time.monotonic() - began < 5
    assert call(serving, "echo/health")["jobs"]["inQueue"] == 0


@pytest.mark.parametrize(("key", "status"), [(None, 413), ("wrong", 401)], ids=["the key", "a wrong key"])
@pytest.mark.parametrize("path", ["/v2/echo/run", "/v2/echo/job-done/w/x", "/nothing"])
def test_30_mb_are_read_to_their_end_and_not_kept(serving, path, key, status) -> None:
    before = psutil.Process().memory_info().rss
    for _ in range(3):
        with connected(serving) as sending:
            sending.sendall(head(serving, f"POST {path}", "Content-Length: 30000000", key=key))
            for _ in range(300):
                sending.sendall(b"x" * 100_000)
            answered = int(sending.recv(1000).split()[1])
        assert answered == (status if path.endswith("run") or key else {"/nothing": 404}.get(path, 400))
    assert psutil.Process().memory_info().rss - before < 120_000_000
