"""The tests that an export carries, run as its user would: by pytest, beside the handler, without rp_notebook."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from rp_notebook.export.handler_tests import handler_tests, needs_gpu
from tests.export.test_hub import draft

pytestmark = pytest.mark.kernel

PLAIN = """
import asyncio
import base64
import io
import os
from pathlib import Path

import runpod

CALLS = []


async def later(value):
    await asyncio.sleep(0)
    return value


def picture(shade):
    from PIL import Image

    kept = io.BytesIO()
    Image.new("RGB", (32, 32), (shade, 90, 90)).save(kept, "PNG")
    return base64.b64encode(kept.getvalue()).decode()


def handler(job):
    match job["input"]:
        case "async":
            return later(job["id"])
        case "raise":
            raise ValueError("no")
        case "set":
            return {1, 2}
        case "pi":
            return {"pi": 3.14159265, "n": 3}
        case "picture":
            return picture(121)
        case "file":
            return Path("data.txt").read_text() + LOADED
        case "refresh":
            return {"refresh_worker": True, "a": 1}


if __name__ == "__main__":
    LOADED = "!"
    runpod.serverless.start({"handler": handler})
"""
STREAM = """
import runpod


async def handler(job):
    for n in range(job["input"]):
        if n == 2:
            raise ValueError("two")
        yield {"n": n}


runpod.serverless.start({"handler": handler, "return_aggregate_stream": True})
"""


def done(body):
    return {"kind": "done", "body": body}


def picture(shade):
    scope = {}
    exec(PLAIN.partition("def handler")[0], scope)
    return scope["picture"](shade)


ERROR = json.dumps({"error_type": "<class 'ValueError'>", "error_message": "no"})
JOBS = {
    "async": [done({"output": "async"})],
    "raise": [done({"error": ERROR})],
    "pi": [done({"output": {"pi": 3.14159264, "n": 3}})],
    "file": [done({"output": "data!"})],
    "refresh": [done({"output": {"a": 1}, "stopPod": True})],
    "picture": [done({"output": picture(120)})],
}


def ran(folder, module, jobs, **options):
    """Lays out a worker, runs its tests, and gives what came of each job by id."""
    (folder / "tests").mkdir()
    (folder / "handler.py").write_text(module)
    (folder / "data.txt").write_text("data")
    (folder / "tests" / "test_handler.py").write_text(handler_tests(draft(**options)))
    (folder / "tests" / "jobs.jsonl").write_text("".join(json.dumps(job) + "\n" for job in jobs))
    command = [sys.executable, "-m", "pytest", "-rA", "-q", "-p", "no:cacheprovider", "tests"]
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    said = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False).stdout
    lines = [line for line in said.splitlines() if line.startswith(("PASSED", "FAILED", "SKIPPED"))]
    assert lines, said
    return {line.partition("[")[2].partition("]")[0]: line.split()[0] for line in lines}, said


def test_what_ran_in_the_notebook_passes_and_what_differs_fails(tmp_path):
    jobs = [{"id": name, "input": name, "posts": posts} for name, posts in JOBS.items()]
    jobs += [
        {"id": "lost", "input": "set", "lost": "output is set: not JSON"},
        {"id": "bare", "input": "pi", "output": {"pi": 3.14159265, "n": 3}},
        {"id": "other number", "input": "pi", "output": {"pi": 3.14, "n": 3}},
        {"id": "loose", "input": "pi", "output": {"pi": 3.14, "n": 3}, "tolerance": 0.01},
        {"id": "whole number", "input": "pi", "output": {"pi": 3.14159265, "n": 4}},
        {"id": "other picture", "input": "picture", "output": picture(240)},
        {"id": "other message", "input": "raise", "posts": [done({"error": ERROR.replace("no", "yes")})]},
        {"id": "not lost", "input": "pi", "lost": "then"},
        {"id": "masked", "input": "pi", "skip": "it held a secret"},
    ]
    outcome, said = ran(tmp_path, PLAIN, jobs)
    bad = {"other number", "whole number", "other picture", "other message", "not lost"}
    assert {name for name, word in outcome.items() if word == "FAILED"} == bad, said
    assert {name for name, word in outcome.items() if word == "PASSED"} == {*JOBS, "lost", "bare", "loose"}
    assert "1 skipped" in said


def test_a_stream_is_compared_item_by_item_and_a_start_without_a_guard_starts_nothing(tmp_path):
    one, two = {"output": {"n": 0}}, {"output": {"n": 1}}
    stream = [{"kind": "stream", "body": body} for body in (one, two)]
    final = {"kind": "done", "is_stream": True, "body": {"output": [{"n": 0}, {"n": 1}]}}
    error = {"kind": "done", "is_stream": True, "body": {"error": "handler: two \ntraceback: "}}
    jobs = [
        {"id": "whole", "input": 2, "posts": [*stream, final]},
        {"id": "broken", "input": 3, "posts": [*stream, error]},
        {"id": "short", "input": 1, "posts": [*stream, final]},
    ]
    outcome, said = ran(tmp_path, STREAM, jobs)
    assert outcome == {"whole": "PASSED", "broken": "PASSED", "short": "FAILED"}, said


@pytest.mark.parametrize(
    ("module", "build", "needed"),
    [
        ('model.to("cuda")', "cu124", True),
        ("model.cuda()", "cu124", True),
        ('model.to("cuda" if torch.cuda.is_available() else "cpu")', "cu124", False),
        ('model.to("cuda")', None, False),
        ("model = load()", "cu124", False),
    ],
)
def test_a_gpu_is_needed_where_the_module_names_one_for_certain(module, build, needed):
    made = draft(build=build, module=textwrap.dedent(module))
    assert needs_gpu(made) is needed
    assert f"NEEDS_GPU = {needed}\n" in handler_tests(made)


def test_the_text_is_clean_for_a_linter():
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E,F,W,I,B,PL,PT,N", "--line-length"]
    command += ["120", "--ignore", "B905,PLR2004,PLR0912,PLW2901,PLC0415", "-"]
    said = subprocess.run(command, input=handler_tests(draft()), text=True, capture_output=True, check=False)
    assert said.returncode == 0, said.stdout
