"""What a client sees of a worker that fails: made by failing, on a handler and a queue of the real kind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from rp_notebook.endpoint.asked import asked_of
from rp_notebook.endpoint.endpoint import Endpoint
from rp_notebook.endpoint.rehearsal import NAME, reporting
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.handler import Handler, Kind
from rp_notebook.jobs.payload import RUN_LIMIT
from rp_notebook.jobs.worker import Worker

LIMIT_S = 0.05  # what stands for the endpoint's execution timeout where that is to pass
AGES_S = 3600.0
FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "exception": "the handler raises",
        "timeout": f"the handler takes longer than its execution timeout, here {LIMIT_S:g} s",
        "lost": "there is a set in the answer, which is no JSON",
        "oversized": "the answer is larger than the 10 MB that /run takes",
        "death": "the worker takes the job and is never heard of again",
    }
)


@dataclass(frozen=True)
class Seen:
    """What GET on `route` answers, so many seconds after the job began or, where that was its end, at its end."""

    route: str
    after_s: float
    body: bytes


@dataclass(frozen=True)
class Fault:
    """A kind of failure, what a client saw of it, oldest first, and what we say of the job."""

    kind: str
    seen: tuple[Seen, ...]
    findings: tuple[Finding, ...] = ()


class _Watch:
    """A clock that can be put forward: nobody waits ten minutes to see a timeout."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self._ahead

    def reach(self, at: float) -> None:
        self._ahead += max(at - self(), 0.0)


async def injected(kind: str, handler: Handler, worker: Worker) -> Fault | None:
    """Lets a job fail on a handler that is declared as this one, which is not called; None when somebody stopped it."""
    watch = _Watch()
    endpoint = Endpoint(handler.name, watch, timeout_s=lambda: handler.timeout_s)
    job_id = endpoint.run(asked_of(b'{"input": {}}', "run")).job.id
    findings: tuple[Finding, ...] = ()
    if kind == "death":
        endpoint.queue.ask(NAME, busy=False)
        endpoint.queue.take(NAME)
    else:
        request = endpoint.queue.reserve()
        assert request is not None  # nobody else takes it
        failing = handler._replace(call=_failing(kind, handler.kind))
        aside = lambda job, event: reporting(endpoint.queue, job, event)  # noqa: E731 (one line of it)
        record = await worker.run(failing, request, LIMIT_S if kind == "timeout" else None, aside=aside)
        if record.outcome == "CANCELLED":
            return None
        findings = record.findings
    return Fault(kind, (*_seen(endpoint, job_id, watch),), findings)


def _seen(endpoint: Endpoint, job_id: str, watch: _Watch) -> Iterator[Seen]:
    """The answers until nothing more will come; what the platform waits for is waited for."""
    job = endpoint.entry(job_id).job
    began = job.started_at or watch()
    if any(post.kind == "stream" for post in endpoint.entry(job_id).posts):
        yield Seen("stream", watch() - began, endpoint.stream(job_id))
    yield Seen("status", watch() - began, endpoint.status(job_id))
    while not endpoint.is_over(job_id) and endpoint.due is not None:
        watch.reach(endpoint.due)
        endpoint.tick()
        if endpoint.is_over(job_id):
            yield Seen("status", watch() - began, endpoint.status(job_id))


def _failing(kind: str, of: Kind) -> Callable[[Any], Any]:
    """A handler of a kind that fails in a way."""

    def plain(_job: Any) -> Any:
        return _act(kind)

    def generator(_job: Any) -> Iterator[Any]:
        yield _act(kind)

    async def coroutine(_job: Any) -> Any:
        await asyncio.sleep(AGES_S if kind == "timeout" else 0)
        return _act(kind)

    async def async_generator(job: Any) -> AsyncIterator[Any]:
        yield await coroutine(job)

    match of:
        case Kind.SYNC:
            return plain
        case Kind.GENERATOR:
            return generator
        case Kind.ASYNC:
            return coroutine
        case Kind.ASYNC_GENERATOR:
            return async_generator


def _act(kind: str) -> Any:
    match kind:
        case "exception":
            raise RuntimeError("injected by %runpod rehearse --fail exception")
        case "timeout":
            time.sleep(AGES_S)
        case "lost":
            return {"labels": {"cat", "dog"}}
    return "x" * RUN_LIMIT
