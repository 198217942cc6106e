"""Real SDK workers for many jobs at once: what they post is what `run_job` must say."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from rp_notebook import JobRecord, run_job
from rp_notebook.endpoint.entry import Entry
from rp_notebook.endpoint.loopback import Loopback
from rp_notebook.endpoint.queue import Queue
from rp_notebook.endpoint.worker_routes import worker_routes
from rp_notebook.export.recorded import error_parts
from rp_notebook.jobs.job import Job, Status
from rp_notebook.jobs.posts import Post
from rp_notebook.jobs.request import request_of
from rp_notebook.proof.worker_process import ENDPOINT, KEY, WorkerProcess, clean_environment, runpod_environment

LIMIT_S = 60
IDENTITY = ("hostname", "worker_id", "runpod_version")
MACHINERY = re.compile(  # in an exception group, lines begin with a bar
    r'^((?:  \| )?)  File "[^"]*/(?:rp_job|rp_notebook/jobs/\w+)\.py", line .*\n(?:\1    .*\n)*', re.MULTILINE
)
WORKER = "worker-1"

# Each worker is a process of its own, forked after the import of the SDK, which is most of what a worker costs.
# All its jobs are taken as one batch: at a time, the SDK would sleep a second between two of them.
START = """

if __name__ == "__main__":
    import os, pathlib, runpod
    for number, (handler, concurrency, options) in enumerate([{workers}]):
        child = os.fork()
        if not child:
            break
        _, status = os.waitpid(child, 0)
        pathlib.Path(f"ended-{{number}}").write_text(f"{{os.waitstatus_to_exitcode(status)}}\\n")
    if not child:
        pathlib.Path(f"started-{{number}}").write_text(f"{{os.getpid()}}\\n")
        runpod.serverless.start(
            {{"handler": handler, "concurrency_modifier": lambda current: concurrency, **options}}
        )
"""


@dataclass(frozen=True)
class Batch:
    """The jobs of one worker.

    `handler` is an expression in the source, `inputs` holds what each job gets, `options` are those of
    `runpod.serverless.start`; `concurrency` is how many jobs are taken at a time, None for all of them. `exit_code` is
    how the worker has to end: by our SIGKILL, unless it ends by itself.
    """

    handler: str
    inputs: Sequence[Any]
    options: Mapping[str, bool] = field(default_factory=dict)
    concurrency: int | None = None
    exit_code: int = -signal.SIGKILL

    @property
    def started(self) -> str:
        """What the worker is started with, as Python."""
        return f"({self.handler}, {self.concurrency or len(self.inputs)}, {dict(self.options)!r})"

    def jobs(self, number: int) -> list[dict[str, Any]]:
        """Its jobs, as the batch of that number."""
        return [{"id": f"job-{number}-{at}", "input": given} for at, given in enumerate(self.inputs)]


@dataclass(frozen=True)
class Worked:
    """What came of a batch: its jobs in order, what was posted to ids that no job has, and the worker's exit code."""

    entries: tuple[Entry, ...]
    strays: tuple[tuple[str, Post], ...]
    exit_code: int


def recorded(source: str, batches: Sequence[Batch], scratch: Path) -> list[list[JobRecord]]:
    """What `run_job` says of the jobs; each batch has a fresh module, as each worker has."""
    file = scratch / "handler.py"  # for the lines in tracebacks
    file.write_text(source)
    return [_recorded(compile(source, str(file), "exec"), *batch) for batch in enumerate(batches)]


def _recorded(code: CodeType, number: int, batch: Batch) -> list[JobRecord]:
    module = ModuleType("__main__")  # its name in a worker
    exec(code, module.__dict__)
    handler = eval(batch.handler, module.__dict__)
    flags = {
        "aggregate": batch.options.get("return_aggregate_stream", False),
        "refresh": batch.options.get("refresh_worker", False),
    }
    return [run_job(handler, job, **flags) for job in batch.jobs(number)]


def worked(
    source: str, batches: Sequence[Batch], scratch: Path, sdk: Path | None = None, environ: Mapping[str, str] = {}
) -> list[Worked]:
    """What real workers make of the jobs, one worker for each batch. `sdk` is a folder with another SDK."""
    folder, home = scratch / "worker", scratch / "home"
    for made in (folder, home):
        made.mkdir(parents=True)
    (folder / "handler.py").write_text(source + START.format(workers=", ".join(batch.started for batch in batches)))
    queue = Queue(ENDPOINT, time.time)
    with Loopback(worker_routes({ENDPOINT: queue}, KEY, hold_s=0.3)) as server:
        ours = clean_environment(os.environ, home, ())
        path = {"PYTHONPATH": str(sdk)} if sdk else {}
        theirs = {**ours, **runpod_environment(server.url, WORKER), **path, **environ}
        process = WorkerProcess(folder, theirs, scratch / "log", sys.executable)
        try:
            return [_worked(*batch, folder, process, server, queue) for batch in enumerate(batches)]
        finally:
            process.stop(grace_s=0)


def _worked(number: int, batch: Batch, folder: Path, process: WorkerProcess, server: Loopback, queue: Queue) -> Worked:
    ended = folder / f"ended-{number}"
    requests = [request_of(job) for job in batch.jobs(number)]

    def entries() -> tuple[Entry, ...]:
        return tuple(queue.entry(request.id) for request in requests)

    pid = _number(folder / f"started-{number}", process)
    server.call(lambda: [queue.put(request) for request in requests])
    if batch.exit_code == -signal.SIGKILL:
        _wait(lambda: ended.exists() or server.call(lambda: all(entry.ended for entry in entries())), process)
        if not ended.exists():
            os.kill(pid, signal.SIGKILL)
    code = _number(ended, process)
    for entry in server.call(entries):
        if entry.job.status is Status.IN_PROGRESS:
            server.call(lambda job_id=entry.job.id: queue.lose(job_id, "the worker process ended"))
    return Worked(server.call(entries), tuple(queue.strays), code)


def _number(path: Path, process: WorkerProcess) -> int:
    _wait(lambda: path.exists() and path.read_text().endswith("\n"), process)
    return int(path.read_text())


def _wait(there: Callable[[], bool], process: WorkerProcess) -> None:
    end = time.monotonic() + LIMIT_S
    while not there():
        assert process.ended is None or there(), process.tail()
        assert time.monotonic() < end, process.tail()
        time.sleep(0.02)


def differing(
    batches: Sequence[Batch], ours: Sequence[Sequence[JobRecord]], theirs: Sequence[Worked]
) -> dict[str, str]:
    """What differs, by handler and input."""
    found = {}
    for batch, records, work in zip(batches, ours, theirs, strict=True):
        for given, record, entry in zip(batch.inputs, records, work.entries, strict=True):
            if said := difference(record, entry):
                found[f"{batch.handler} {given!r} {dict(batch.options)}"] = said
        if work.exit_code != batch.exit_code:
            found[batch.handler] = f"the worker ended with {work.exit_code} instead of {batch.exit_code}"
    return found


def difference(ours: JobRecord, theirs: Entry) -> str | None:
    """What differs between a record and what really came of the job; None when nothing does."""
    mine, real = ([comparable(post) for post in posts] for posts in (ours.posts, theirs.posts))
    if mine != real:
        return f"we say {mine}, the worker posted {real}"
    if _ending(ours) != _ending(theirs.job):
        return f"we say {ours.status} (lost: {ours.lost}), it was {theirs.job.status} ({theirs.job.lost})"
    return None


def _ending(job: JobRecord | Job) -> str:
    return "lost" if job.lost else job.status  # what the platform makes of a lost one is no matter of the worker's


def comparable(post: Post) -> tuple[object, ...]:
    """A post without the paths in its traceback and without the worker's identity."""
    value = post.value
    error = value.get("error")
    if not isinstance(error, str) or error_parts(error) is None:
        # Addresses are in what str() makes of an object.
        return post.kind, post.is_stream, re.sub(rb"0x[0-9a-f]+", b"0x", post.body)
    if error.startswith("{"):
        told = json.loads(error)
        error = {**told, "error_traceback": pathless(told["error_traceback"]), **dict.fromkeys(IDENTITY)}
    else:
        error = pathless(error)
    return post.kind, post.is_stream, repr({**value, "error": error})


def pathless(traceback: str) -> str:
    """A traceback with the names of its files only, and without the frames of the SDK and of what stands for it."""
    return re.sub(r'  File "(?:.*/)?([^/"]+)"', r'  File "\1"', MACHINERY.sub("", traceback))
