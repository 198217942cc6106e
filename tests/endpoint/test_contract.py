"""The platform's REST API, row by row (facts/runpod-contract.md 5): what our endpoint answers over HTTP.

A row with a `choice` is not documented by the platform: what we chose is told in docs/endpoint.md in these words.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rp_notebook.endpoint import client_routes
from rp_notebook.endpoint.entry import received
from rp_notebook.endpoint.listening import listening
from rp_notebook.endpoint.rates import LIMITS
from rp_notebook.endpoint.service import Service
from tests.endpoint.test_client_routes import KEY, ask

DOCS = (Path(__file__).parents[2] / "docs" / "endpoint.md").read_text()
DAY_S = 24 * 60 * 60
ID = object()  # stands for the id of the row's job
MS = object()  # for some milliseconds


class Stage:
    """An endpoint of its own for a row, whose worker and clock the row moves."""

    def __init__(self, server: Any, now: list[float], name: str) -> None:
        self.server, self.now, self.name = server, now, name
        self.job = ""
        self.given: Any = None

    def queue(self, act: Callable[[Any], Any]) -> Any:
        return self.server.call(lambda: act(self.server.service.endpoints[self.name]))


Step = Callable[[Stage], None]


def asks(line: str, status: int, reply: Any = None, body: Any = None, **headers: str) -> Step:
    """A client's call; `{id}` is the job of the row's last `run` or `runsync`."""

    def step(stage: Stage) -> None:
        method, path = line.split()
        authorization = headers.get("authorization", f"Bearer {KEY}")
        answered, told = ask(
            stage.server, method, f"/v2/{stage.name}/{path.format(id=stage.job)}", body, authorization=authorization
        )
        assert answered == status, told
        if "id" in (told or {}):
            stage.job = told["id"]
        if reply is not None:
            assert told == _filled(reply, stage.job, told)

    return step


def _filled(reply: Any, job_id: str, told: Any) -> Any:
    if not isinstance(reply, dict):
        return reply
    known = {key: job_id if value is ID else value for key, value in reply.items()}
    return {
        key: told.get(key) if value is MS and isinstance(told.get(key), int) else value for key, value in known.items()
    }


def takes(stage: Stage) -> None:
    """The worker takes the next job."""
    (request,) = stage.queue(lambda queue: queue.take("w"))
    stage.given = request.decoded()
    stage.job = stage.given["id"]


def waits(ask: Step, *meanwhile: Step) -> Step:
    """A call that is answered when its job has ended, and what its worker does until then."""

    def step(stage: Stage) -> None:
        with ThreadPoolExecutor() as pool:
            asking = pool.submit(ask, stage)
            while not stage.queue(lambda queue: queue.waiting) and not asking.done():
                time.sleep(0.005)
            for act in meanwhile:
                act(stage)
            asking.result()

    return step


def is_split(stage: Stage) -> None:
    _, reply = ask(stage.server, "GET", f"/v2/{stage.name}/stream/{stage.job}")
    items = [item["output"] for item in reply["stream"]]
    assert ("".join(items), max(len(json.dumps(item)) for item in items) <= 1_000_000) == (TEXT, True)


def heard_of(stage: Stage) -> None:
    stage.queue(lambda queue: queue.ping("w"))


def was_given(expected: dict[str, Any]) -> Step:
    def step(stage: Stage) -> None:
        assert stage.given == {"id": stage.job, **expected}

    return step


def posts(route: str, body: Any) -> Step:
    """What the worker sends for the job that it took."""
    post = received(route, json.dumps(body, ensure_ascii=False).encode())
    return lambda stage: stage.queue(lambda queue: queue.post(stage.given["id"], post))


def after(seconds: float, *, heard: bool = True) -> Step:
    """Time passes; `heard` says whether the worker is heard of meanwhile."""

    def step(stage: Stage) -> None:
        if heard:
            stage.queue(lambda queue: queue.workers._seen.clear())  # one that never goes silent
        stage.now[0] += seconds
        stage.server.call(stage.server.service.endpoints.tick)

    return step


done, item = partial(posts, "done"), partial(posts, "stream")
RUN = asks("POST run", 200, {"id": ID, "status": "IN_QUEUE"}, {"input": {"n": 1}})
GONE = asks("GET status/{id}", 404)
OVER = {"delayTime": MS, "executionTime": MS, "id": ID, "workerId": "w"}


@dataclass(frozen=True)
class Row:
    section: str
    what: str
    steps: tuple[Step, ...]
    choice: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


def row(section: str, what: str, *steps: Step, choice: str | None = None, **options: Any) -> Row:
    return Row(section, what, steps, choice, options)


def told(status: str, **more: Any) -> Step:
    return asks("GET status/{id}", 200, {**OVER, "status": status, **more})


def synced(answer: Any, status: int = 200, reply: Any = None, body: Any = None) -> Step:
    """A `/runsync` whose worker gives that answer."""
    return waits(asks("POST runsync", status, reply, body or {"input": {"n": 1}}), takes, done(answer))


def unfit(**more: Any) -> Step:
    return asks("POST run", 400, None, {"input": 1, **more})


def fit(**more: Any) -> Step:
    return asks("POST run", 200, {"id": ID, "status": "IN_QUEUE"}, {"input": {}, **more})


def sized(size: int) -> bytes:
    return b'{"input": "%s"}' % (b"x" * (size - 13))


TEXT = "é" * 600_000
ROWS = (
    row("5.1", "the key as Bearer or bare", asks("GET health", 200), asks("GET health", 200, authorization=KEY)),
    row("5.1", "no key, or a wrong one", *(asks("GET health", 401, authorization=given) for given in ("", "Bearer x"))),
    row("5.2", "run", RUN),
    row("5.2", "runsync", synced({"output": 1}, 200, {**OVER, "status": "COMPLETED", "output": 1})),
    row(
        "5.2",
        "runsync after its wait",
        asks("POST runsync?wait=1000", 200, {"id": ID, "status": "IN_QUEUE"}, {"input": 1}),
    ),
    row("5.2", "status", RUN, asks("GET status/{id}", 200, {"id": ID, "status": "IN_QUEUE"})),
    row("5.2", "status sets a ttl", RUN, asks("GET status/{id}?ttl=10000", 200), after(10), GONE),
    row("5.2", "a ttl out of its range", RUN, *(asks(f"GET status/{{id}}?ttl={ttl}", 400) for ttl in ("9999", "x"))),
    row(
        "5.2",
        "status-sync",
        RUN,
        takes,
        done({"output": 1}),
        asks("GET status-sync/{id}?wait=1000", 200, {**OVER, "status": "COMPLETED", "output": 1}),
    ),
    row(
        "5.2",
        "stream drains what is new",
        RUN,
        takes,
        item({"output": 1}),
        item({"output": [2]}),
        asks("GET stream/{id}", 200, {"status": "IN_PROGRESS", "stream": [{"output": 1}, {"output": [2]}]}),
        done({"output": []}),
        asks("GET stream/{id}", 200, {"status": "COMPLETED", "stream": []}),
    ),
    row("5.2", "cancel what waits", RUN, asks("POST cancel/{id}", 200, {"id": ID, "status": "CANCELLED"})),
    row(
        "5.2",
        "cancel what runs",
        RUN,
        takes,
        asks("POST cancel/{id}", 200, {"id": ID, "status": "CANCELLED"}),
        done({"output": "late"}),
        told("CANCELLED"),
    ),
    row(
        "5.2",
        "cancel what has ended",
        RUN,
        takes,
        done({"output": 1}),
        asks("POST cancel/{id}", 200, {"id": ID, "status": "COMPLETED"}),
        choice="cancelling a job that has ended",
    ),
    row(
        "5.2",
        "retry what failed, without its output",
        RUN,
        takes,
        done({"error": "boom", "output": 1}),
        asks("POST retry/{id}", 200, {"id": ID, "status": "IN_QUEUE"}),
        asks("GET status/{id}", 200, {"id": ID, "status": "IN_QUEUE"}),
        takes,
        was_given({"input": {"n": 1}}),
    ),
    row(
        "5.2",
        "retry what timed out",
        RUN,
        takes,
        heard_of,
        after(61, heard=False),
        asks("POST retry/{id}", 200, {"id": ID, "status": "IN_QUEUE"}),
    ),
    row(
        "5.2",
        "retry what has not failed",
        RUN,
        asks("POST retry/{id}", 400),
        takes,
        done({"output": 1}),
        asks("POST retry/{id}", 400),
        choice="retrying one that has not failed",
    ),
    row("5.2", "retry what has expired", RUN, takes, done({"error": "x"}), after(1800), asks("POST retry/{id}", 404)),
    row(
        "5.2",
        "purge what waits",
        RUN,
        takes,
        RUN,
        RUN,
        asks("POST purge-queue", 200, {"removed": 2, "status": "completed"}),
        asks("GET status/{id}", 200, {"id": ID, "status": "CANCELLED"}),
        done({"output": 1}),
        choice="jobs that were purged",
    ),
    row(
        "5.2",
        "health",
        RUN,
        takes,
        done({"output": 1}),
        RUN,
        takes,
        RUN,
        asks(
            "GET health",
            200,
            {
                "jobs": {"completed": 1, "failed": 0, "inProgress": 1, "inQueue": 1, "retried": 0},
                "workers": {"idle": 0, "initializing": 0, "ready": 0, "running": 0, "throttled": 0, "unhealthy": 0},
            },
        ),
    ),
    row("5.2", "requests", asks("GET requests", 200, {"requests": []}), choice="`/requests`"),
    row(
        "5.2",
        "openai",
        waits(
            asks("POST openai/v1/x", 200, {"object": "y"}, {"model": "m"}),
            takes,
            was_given({"input": {"openai_route": "/v1/x", "openai_input": {"model": "m"}}}),
            done({"output": {"object": "y"}}),
        ),
    ),
    row(
        "5.2",
        "openai that failed",
        waits(asks("GET openai/v1/models", 400), takes, done({"error": "boom"})),
        choice="`/openai/*` of a job that failed",
    ),
    row(
        "5.2",
        "verbs",
        *(asks(f"GET {name}", 405) for name in ("run", "runsync", "purge-queue", "cancel/x", "retry/x")),
        *(asks(f"POST {name}", 405) for name in ("status/x", "stream/x", "health", "requests")),
        choice="a wrong verb",
    ),
    row("5.3", "input is required", asks("POST run", 400, None, {"inputs": {}}), asks("POST runsync", 400, None, {})),
    row("5.3", "input of any kind", fit(input=None), fit(input=[1]), choice="`input` that is not an object"),
    row(
        "5.3",
        "what a worker is given",
        fit(webhook="https://example.com/x", policy={"ttl": 10000}, s3Config={"bucketName": "b"}, more=1),
        takes,
        was_given(
            {
                "input": {},
                "webhook": "https://example.com/x",
                "policy": {"ttl": 10000},
                "s3Config": {"bucketName": "b"},
            }
        ),
        choice="other keys of a request",
    ),
    row(
        "5.3",
        "a webhook to a private address",
        *(unfit(webhook=f"http://{host}/") for host in ("127.0.0.1", "10.1.1.1")),
        choice="webhooks to loopback and private addresses",
    ),
    row("5.3", "a webhook that is none", unfit(webhook="x"), unfit(webhook=5)),
    row(
        "5.3",
        "executionTimeout, 5 s to 7 days",
        fit(policy={"executionTimeout": 5000}),
        fit(policy={"executionTimeout": 7 * DAY_S * 1000}),
        unfit(policy={"executionTimeout": 4999}),
        unfit(policy={"executionTimeout": 7 * DAY_S * 1000 + 1}),
        unfit(policy={"executionTimeout": "5000"}),
    ),
    row(
        "5.3",
        "executionTimeout is 10 min",
        RUN,
        takes,
        after(599),
        told("IN_PROGRESS"),
        after(1),
        told("FAILED", error="executionTimeout exceeded"),
        choice="An exceeded",
    ),
    row(
        "5.3",
        "executionTimeout of a job",
        fit(policy={"executionTimeout": 5000}),
        takes,
        after(5),
        told("FAILED", error="executionTimeout exceeded"),
    ),
    row(
        "5.3",
        "ttl, 10 s to 7 days",
        fit(policy={"ttl": 10000}),
        fit(policy={"ttl": 7 * DAY_S * 1000}),
        unfit(policy={"ttl": 9999}),
        unfit(policy={"ttl": 7 * DAY_S * 1000 + 1}),
    ),
    row("5.3", "ttl is a day", RUN, after(DAY_S - 1), asks("GET status/{id}", 200), after(1), GONE),
    row(
        "5.3",
        "ttl deletes what runs",
        fit(policy={"ttl": 10000}),
        takes,
        after(10),
        GONE,
        choice="a job whose `ttl` is over",
    ),
    row(
        "5.3",
        "lowPriority",
        fit(policy={"lowPriority": True}),
        unfit(policy={"lowPriority": 1}),
        choice="`lowPriority`",
    ),
    row("5.4", "before a worker has it", RUN, asks("GET status/{id}", 200, {"id": ID, "status": "IN_QUEUE"})),
    row("5.4", "while it runs", RUN, takes, told("IN_PROGRESS")),
    row(
        "5.4",
        "how far it is",
        RUN,
        takes,
        done({"status": "IN_PROGRESS", "output": "half"}),
        told("IN_PROGRESS", output="half"),
    ),
    row(
        "5.4",
        "its times",
        RUN,
        after(2),
        takes,
        after(3),
        done({"output": 1}),
        asks(
            "GET status/{id}",
            200,
            {"delayTime": 2000, "executionTime": 3000, "id": ID, "workerId": "w", "status": "COMPLETED", "output": 1},
        ),
    ),
    row(
        "5.4",
        "output is any JSON",
        RUN,
        takes,
        done({"output": {"a": [None, "é"]}}),
        told("COMPLETED", output={"a": [None, "é"]}),
    ),
    row("5.4", "no output", RUN, takes, done({}), told("COMPLETED")),
    row("5.5", "an error", RUN, takes, done({"error": "boom"}), told("FAILED", error="boom")),
    row(
        "5.5",
        "an error beside an output",
        RUN,
        takes,
        done({"error": "b", "output": 1}),
        told("FAILED", error="b", output=1),
    ),
    row(
        "5.5",
        "an error that is no text",
        RUN,
        takes,
        done({"error": {"code": 1}}),
        told("COMPLETED"),
        choice="`error` that is no text",
    ),
    row(
        "5.5",
        "a worker that falls silent",
        RUN,
        takes,
        heard_of,
        after(61, heard=False),
        told("TIMED_OUT", error="nothing was heard of its worker for 60 s"),
        choice="a lost worker or kernel",
    ),
    row(
        "5.6",
        "10 MB of /run",
        asks("POST run", 200, None, sized(10_000_000)),
        asks("POST run", 413, None, sized(10_000_001)),
    ),
    row(
        "5.6",
        "20 MB of /runsync",
        synced({}, 200, None, sized(20_000_000)),
        asks("POST runsync", 413, None, sized(20_000_001)),
    ),
    row(
        "5.6",
        "10 MB from /run",
        RUN,
        takes,
        done({"output": "x" * 9_999_986}),
        told("COMPLETED", output="x" * 9_999_986),
    ),
    row("5.6", "more than 10 MB from /run", RUN, takes, done({"output": "x" * 9_999_987}), told("COMPLETED")),
    row(
        "5.6",
        "more than 20 MB from /runsync",
        synced({"output": "x" * 19_999_987}, 200, {**OVER, "status": "COMPLETED"}),
    ),
    row(
        "5.6",
        "a streamed text over 1 MB",
        RUN,
        takes,
        item({"output": TEXT}),
        is_split,
        choice="a streamed text over 1 MB",
    ),
    row(
        "5.6",
        "wait, 1 s to 300 s",
        *(asks(f"POST runsync?wait={ms}", 400, None, {"input": 1}) for ms in (999, 300001, "x")),
    ),
    row(
        "5.6",
        "results of /run are kept for 30 min",
        RUN,
        takes,
        done({"output": 1}),
        after(1799),
        told("COMPLETED", output=1),
        after(1),
        GONE,
    ),
    row(
        "5.6",
        "results of /runsync are kept for 1 min",
        synced({"output": 1}),
        after(59),
        told("COMPLETED", output=1),
        after(1),
        GONE,
    ),
    row(
        "5.7",
        "rate limits",
        *(asks("POST purge-queue", 200) for _ in range(2)),
        asks("POST purge-queue", 429),
        *(asks("GET requests", 200) for _ in range(10)),
        asks("GET requests", 429),
        after(10),
        asks("POST purge-queue", 200),
        rate_limits=True,
    ),
    row(
        "5.8",
        "unknown jobs",
        *(asks(f"GET {name}/nobody", 404) for name in ("status", "status-sync", "stream")),
        *(asks(f"POST {name}/nobody", 404) for name in ("cancel", "retry")),
    ),
    row(
        "5.8",
        "what is not JSON",
        *(asks("POST run", 400, None, body) for body in (b"{", b"[]", b"\xff", b"")),
        choice="body of an HTTP error",
    ),
    row(
        "5.8",
        "NaN, and nested too deep",
        asks("POST run", 400, None, b'{"input": NaN}'),
        asks("POST run", 400, None, b'{"input": ' + b"[" * 9999 + b"]" * 9999 + b"}"),
        choice="`NaN` in a request",
    ),
    row(
        "5.2",
        "stream without news",
        RUN,
        asks("GET stream/{id}", 200, {"status": "IN_QUEUE", "stream": []}),
        choice="`/stream` without news",
    ),
    row(
        "5.2",
        "status-sync of what goes on",
        RUN,
        asks("GET status-sync/{id}?wait=1000", 200, {"id": ID, "status": "IN_QUEUE"}),
        choice="`/status-sync` of a job that goes on",
    ),
    row(
        "5.4",
        "input is not told",
        RUN,
        takes,
        asks("GET status/{id}", 200, {**OVER, "status": "IN_PROGRESS"}),
        choice="`input` in a status object",
    ),
    row(
        "5.2",
        "an oversized item that is no text",
        RUN,
        takes,
        item({"output": [TEXT]}),
        asks("GET stream/{id}", 200, {"status": "IN_PROGRESS", "stream": [{"output": [TEXT]}]}),
        choice="a streamed text over 1 MB",
    ),
    row(
        "5.5",
        "what comes after the end",
        RUN,
        takes,
        done({"output": 1}),
        done({"status": "IN_PROGRESS", "output": 2}),
        told("COMPLETED", output=1),
        choice="what a worker posts after the end",
    ),
    row(
        "5.4",
        "a worker to be started anew",
        RUN,
        takes,
        done({"output": 1, "stopPod": True}),
        told("COMPLETED", output=1),
        choice="an answer with `refresh_worker`",
    ),
    row("5.9", "batches", asks("POST batch", 404, None, b"[]"), choice="Batches (`/batch`)"),
)


@pytest.fixture(scope="module")
def stages():
    """Gives each row an endpoint of its own, on one server for all rows with the same options."""
    patch = pytest.MonkeyPatch()
    patch.setattr(client_routes, "HOLD_S", 0.1)
    now = [1_000_000.0]
    servers: dict[str, Any] = {}
    with ExitStack() as stack:

        def stage(row: Row) -> Stage:
            key = repr(row.options)
            if key not in servers:
                service = Service(lambda _: True, lambda: now[0], **row.options)
                servers[key] = stack.enter_context(listening(service, KEY, 0))
                servers[key].service = service
            return Stage(servers[key], now, f"row-{ROWS.index(row)}")

        yield stage
    patch.undo()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.section} {row.what}")
def test_each_row_of_the_contract_is_answered_so(stages, row):
    stage = stages(row)
    for step in row.steps:
        step(stage)
    assert row.choice is None or row.choice in DOCS


def test_the_rate_limits_are_those_of_the_table():
    assert LIMITS == {
        "runsync": (2000, 400),
        "run": (1000, 200),
        "status": (2000, 400),
        "stream": (2000, 400),
        "cancel": (100, 20),
        "purge-queue": (2, None),
        "openai": (2000, 400),
        "requests": (10, 2),
    }
