"""`runpod.serverless.progress_update` in a handler: heard, recorded, and sent nowhere."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest
import runpod
from runpod.serverless import progress_update
from runpod.serverless.modules import rp_progress

from rp_notebook import arun_job, run_job
from rp_notebook.jobs.progress import Listening

JOB = {"id": "job-1", "input": {}}


def posted(record) -> list[tuple[str, bytes]]:
    return [(post.kind, post.body) for post in record.posts]


def test_an_update_is_posted_in_its_place_under_every_import() -> None:
    def handler(job):
        progress_update(job, "1/2")
        runpod.serverless.progress_update(job, {"percent": 50})
        rp_progress.progress_update(job, None)
        return "done"

    assert posted(run_job(handler, JOB)) == [
        ("progress", b'{"status": "IN_PROGRESS", "output": "1/2"}'),
        ("progress", b'{"status": "IN_PROGRESS", "output": {"percent": 50}}'),
        ("progress", b'{"status": "IN_PROGRESS", "output": null}'),
        ("done", b'{"output": "done"}'),
    ]


def circular() -> list[object]:
    found: list[object] = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    ("update", "why"),
    [
        ({1, 2}, "progress is set: not JSON"),
        ("\ud800", "progress holds a lone surrogate: not UTF-8"),
        (circular(), "progress[0] contains itself: not JSON"),
    ],
    ids=["set", "surrogate", "circular"],
)
def test_an_update_that_is_not_json_is_dropped_and_the_job_goes_on(update: object, why: str) -> None:
    def handler(job):
        progress_update(job, update)
        return "done"

    record = run_job(handler, JOB)
    assert posted(record) == [("done", b'{"output": "done"}')]
    assert record.dropped == (why,)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there, encoding and rendering have a limit of their own")
def test_an_update_that_is_too_deep_is_dropped() -> None:
    deep: list[object] = []
    for _ in range(800):
        deep = [deep]

    def handler(job):
        update = deep
        for _ in range(200):
            update = [update]
            progress_update(job, update)

    assert any("is nested more than 900 deep" in why for why in run_job(handler, JOB).dropped)


def test_an_update_of_another_job_is_left_to_the_sdks_thread() -> None:
    heard, told = [], []
    with Listening("job-1", told.append):
        thread = rp_progress.threading.Thread(
            target=lambda job, progress: heard.append(progress), args=({"id": "other"}, 5), daemon=True
        )
        thread.start()
        thread.join()
    assert (heard, told, thread.daemon) == ([5], [], True)


def test_the_sdk_is_left_as_it_was() -> None:
    before = rp_progress.threading
    run_job(lambda job: progress_update(job, 1), JOB)
    assert rp_progress.threading is before


async def _streaming(job):
    progress_update(job, 0.5)
    yield 1


def test_updates_of_an_async_generator_come_between_its_items() -> None:
    assert [kind for kind, _ in posted(run_job(_streaming, JOB))] == ["progress", "stream", "done"]


def test_overlapping_jobs_hear_their_own_updates_and_leave_the_sdk_as_it_was() -> None:
    before = rp_progress.threading

    async def handler(job):
        first, second = job["input"]
        await asyncio.sleep(first)
        progress_update(job, job["id"])
        await asyncio.sleep(second)

    async def together():
        # They start in this order, and end in any: each leaves before, between and after the others.
        waits = {"a": (0.02, 0.02), "b": (0.06, 0.06), "c": (0.04, 0.04), "d": (0.01, 0.16)}
        return await asyncio.gather(*(arun_job(handler, {"id": name, "input": wait}) for name, wait in waits.items()))

    told = [[post.value["output"] for post in record.posts[:-1]] for record in asyncio.run(together())]
    assert told == [["a"], ["b"], ["c"], ["d"]]
    assert rp_progress.threading is before


FIRST = """
import asyncio, inspect, json, sys
from rp_notebook import arun_job, run_job

def handler(job):
    import runpod
    runpod.serverless.progress_update(job, "half")
    return "done"

async def overlapping(job):
    await asyncio.sleep(job["input"])
    import runpod
    runpod.serverless.progress_update(job, job["input"])
    await asyncio.sleep(0.3 - job["input"])

async def both():
    return await asyncio.gather(*(arun_job(overlapping, {"id": str(n), "input": n}) for n in (0, 0.1)))

finders = [*sys.meta_path]
records = asyncio.run(both()) if sys.argv[1] == "overlapping" else [run_job(handler, {"id": "1", "input": {}})]
from runpod.serverless.modules import rp_progress
assert rp_progress.threading.__name__ == "threading" and sys.meta_path == finders
assert "def progress_update" in inspect.getsource(rp_progress) and rp_progress.__loader__ is rp_progress.__spec__.loader
print(json.dumps([[post.value["output"] for post in record.posts] for record in records]))
"""


@pytest.mark.parametrize(
    ("kind", "outputs"),
    [("alone", [["half", "done"]]), ("overlapping", [[0, None], [0.1, None]])],
    ids=["alone", "overlapping"],
)
def test_updates_of_the_job_that_imports_the_sdk_are_heard(kind: str, outputs: list[list[object]]) -> None:
    ran = subprocess.run([sys.executable, "-c", FIRST, kind], capture_output=True, text=True, check=False)
    assert ran.stdout, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1]) == outputs
