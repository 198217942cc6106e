"""A real SDK worker for many jobs at once: what it posts is what `run_job` must say."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from rp_notebook import JobRecord, run_job
from rp_notebook.endpoint.queue import Entry, Queue
from rp_notebook.endpoint.worker_routes import Loopback, worker_routes
from rp_notebook.export.recorded import error_parts
from rp_notebook.jobs.posts import Post
from rp_notebook.jobs.request import request_of
from rp_notebook.proof.worker_process import ENDPOINT, KEY, WorkerProcess, clean_environment, runpod_environment

LIMIT_S = 60

# All jobs are taken as one batch: at a time, the SDK would sleep a second between two of them.
START = """

if __name__ == "__main__":
    import runpod
    config = {{"handler": handler, "concurrency_modifier": lambda current: {count}}}
    runpod.serverless.start({{**config, **{options!r}}})
"""


def differences(source: str, inputs: Sequence[Any], scratch: Path, **options: bool) -> list[str]:
    """Where a worker of `source` posts something else than `run_job` says, a line for each job."""
    module = ModuleType("__main__")  # its name in a worker
    exec(compile(source, "handler.py", "exec"), module.__dict__)
    flags = {
        "aggregate": options.get("return_aggregate_stream", False),
        "refresh": options.get("refresh_worker", False),
    }
    ours = [run_job(module.handler, {"id": f"job-{at}", "input": given}, **flags) for at, given in enumerate(inputs)]
    theirs = posted(source + START.format(count=len(inputs), options=options), inputs, scratch)
    pairs = zip(ours, (theirs[f"job-{at}"] for at in range(len(inputs))), strict=True)
    return [found for at, pair in enumerate(pairs) if (found := difference(f"{inputs[at]!r}", *pair))]


def posted(source: str, inputs: Sequence[Any], scratch: Path) -> Mapping[str, Entry]:
    """The ended jobs of a worker, by id."""
    folder, home = scratch / "worker", scratch / "home"
    for made in (folder, home):
        made.mkdir(parents=True)
    (folder / "handler.py").write_text(source)
    queue = Queue(ENDPOINT, time.time)
    for at, given in enumerate(inputs):
        queue.put(request_of({"id": f"job-{at}", "input": given}))
    server = Loopback(worker_routes({ENDPOINT: queue}, KEY, hold_s=0.3))
    server.start()
    environ = {**clean_environment(os.environ, home, ()), **runpod_environment(server.url, "worker-1")}
    worker = WorkerProcess(folder, environ, scratch / "log", sys.executable)
    try:
        end = time.monotonic() + LIMIT_S
        while not server.call(lambda: all(entry.ended for entry in queue.entries)):
            assert worker.ended is None, worker.tail()
            assert time.monotonic() < end, worker.tail()
            time.sleep(0.05)
        return {entry.job.id: entry for entry in server.call(lambda: tuple(queue.entries))}
    finally:
        worker.stop()
        server.stop()


def difference(case: str, ours: JobRecord, theirs: Entry) -> str | None:
    """What differs between a record and what really came of the job; None when nothing does."""
    mine, real = ([comparable(post) for post in posts] for posts in (ours.posts, theirs.posts))
    if mine != real:
        return f"{case}: we say {mine}, the worker posted {real}"
    if (ours.status, bool(ours.lost)) != (theirs.job.status, bool(theirs.job.lost)):
        return f"{case}: we say {ours.status} (lost: {ours.lost}), it was {theirs.job.status} ({theirs.job.lost})"
    return None


def comparable(post: Post) -> tuple[object, ...]:
    """A post without the paths in its traceback and without the worker's identity."""
    body: object = re.sub(rb"0x[0-9a-f]+", b"0x", post.body)  # addresses in what str() makes of an object
    error = post.value.get("error")
    if isinstance(error, str) and (parts := error_parts(error)) is not None:
        body = (list(post.value), parts)
    return post.kind, post.is_stream, body
