"""A repository in a clean process: what its jobs post, what it touched, and how it fails."""

from __future__ import annotations

import json
import tempfile
import textwrap
import time

import psutil
import pytest

from rp_notebook.jobs.request import request_of
from rp_notebook.proof.clean import CleanRun, CleanRunEnded, needs_sdk

START = '\n\nif __name__ == "__main__":\n    runpod.serverless.start({"handler": handler})\n'


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(tmp_path_factory, monkeypatch):
    scratch = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    yield
    assert psutil.Process().children(recursive=True) == []
    assert list(scratch.iterdir()) == []


def repo(source, start=START, **files):
    text = "import runpod\n" + textwrap.dedent(source) + start
    return {"handler.py": text.encode(), **{k: v.encode() for k, v in files.items()}}


def bodies(ran):
    return [(post.kind, json.loads(post.body)) for post in ran.posts]


HANDLERS = [
    ("sync", "def handler(job):\n    print('noise')\n    return job['input']", [("done", {"output": 5})]),
    ("async", "async def handler(job):\n    return job['input'] + 1", [("done", {"output": 6})]),
    ("generator", "def handler(job):\n    yield 1\n    yield 2",
     [("stream", {"output": 1}), ("stream", {"output": 2}), ("done", {"output": []})]),
    ("async generator", "async def handler(job):\n    yield 1", [("stream", {"output": 1}), ("done", {"output": []})]),
    ("no file at all", "from pathlib import Path\ndef handler(job):\n    return [p.name for p in Path('.').iterdir()]",
     [("done", {"output": ["handler.py"]})]),
    ("main", "import sys\ndef handler(job):\n    return [__name__, sys.argv[0].endswith('handler.py')]",
     [("done", {"output": ["__main__", True]})]),
    ("its own home", "from pathlib import Path\ndef handler(job):\n    return [*Path.home().iterdir()]",
     [("done", {"output": []})]),
]  # fmt: skip


@pytest.mark.parametrize(("source", "posts"), [h[1:] for h in HANDLERS], ids=[h[0] for h in HANDLERS])
def test_a_job_is_answered_as_a_worker_would(source, posts):
    with CleanRun(repo(source)) as run:
        assert run.error is None
        assert bodies(run.run(request_of({"input": 5}))) == posts


def test_modules_beside_the_notebook_are_not_found(tmp_path, monkeypatch):
    (tmp_path / "beside_it.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with CleanRun(repo("import beside_it\ndef handler(job):\n    return 1")) as run:
        assert run.error is not None
        assert run.error.name == "beside_it"


def test_jobs_of_an_async_handler_share_one_loop():
    source = """
        import asyncio
        lock = []
        async def handler(job):
            if not lock:
                lock.append(asyncio.get_running_loop())
            return lock[0] is asyncio.get_running_loop()
        """
    with CleanRun(repo(source)) as run:
        assert [bodies(run.run(request_of(n)))[0][1]["output"] for n in range(3)] == [True] * 3


def test_what_the_code_touches_is_told(monkeypatch, tmp_path):
    (tmp_path / "outside.txt").write_text("x")
    monkeypatch.setenv("MODE", "fast")
    monkeypatch.setenv("OTHER", "1")
    source = f"""
        import os
        from pathlib import Path
        import utils
        TEXT = Path("data/a.txt").read_text()
        OUT = open({str(tmp_path / "outside.txt")!r}).read()
        TABLE = {{"a": [1, 2]}}
        def used(x):
            return x + TEXT
        def unused(x):
            return x
        def handler(job):
            TABLE["b"] = 3
            Path("gone.txt").exists() or utils.look()
            try:
                open("gone.txt")
            except OSError:
                pass
            return [used("x"), os.environ["MODE"], os.getenv("OTHER")]
        """
    files = {"data/a.txt": "hello", "utils.py": "def look():\n    pass\n"}
    with CleanRun(repo(source, **files), pass_env=["MODE"]) as run:
        before = run.names["TABLE"]
        assert bodies(run.run(request_of(1))) == [("done", {"output": ["xhello", "fast", None]})]
        touched = run.touched()
    assert {"data/a.txt", str(tmp_path / "outside.txt")} <= {*touched.opened}
    assert touched.missing == ("gone.txt",)
    assert touched.environ == ("MODE", "OTHER")
    lines = repo(source)["handler.py"].decode().splitlines()
    ran = {lines[line - 1] if file == "handler.py" else file for file, line in touched.called}
    assert ran == {"def used(x):", "def handler(job):", "utils.py"}
    assert touched.modules["utils"].endswith("utils.py")
    assert before != touched.names["TABLE"]
    assert before.size == "1"


IMPORTS = [
    ("name", "K = lut[1]", "NameError", "lut", 2),
    ("module", "import nowhere_at_all", "ModuleNotFoundError", "nowhere_at_all", 2),
    ("exit", "raise SystemExit(3)", "SystemExit", None, 2),
    ("syntax", "def (", "SyntaxError", None, 2),
]


@pytest.mark.parametrize(("source", "kind", "name", "line"), [i[1:] for i in IMPORTS], ids=[i[0] for i in IMPORTS])
def test_an_import_that_fails_says_what_is_missing(source, kind, name, line):
    files = {"handler.py": f"import runpod\n{source}\n".encode()}
    with CleanRun(files) as run:
        assert run.error is not None
        assert (run.error.type, run.error.name, run.error.line) == (kind, name, line)


def test_a_file_that_is_not_there_is_named():
    with CleanRun(repo("rows = open('data/rows.csv').read()\ndef handler(job):\n    return 1")) as run:
        assert run.error is not None
        assert (run.error.type, run.error.path) == ("FileNotFoundError", "data/rows.csv")
        assert run.touched().missing == ("data/rows.csv",)


def test_a_module_that_starts_nothing_is_no_worker():
    with CleanRun(repo("def handler(job):\n    return 1", start="")) as run:
        assert run.error is not None
        assert "never calls" in run.error.message


def test_a_process_that_ends_or_hangs_is_told_apart():
    source = "import os, time\ndef handler(job):\n    os._exit(7) if job['input'] else time.sleep(60)"
    with pytest.raises(CleanRunEnded, match="exit code 7"), CleanRun(repo(source)) as run:
        run.run(request_of(1))
    began = time.monotonic()
    with pytest.raises(CleanRunEnded, match="no answer within") as end, CleanRun(repo(source), timeout_s=0.5) as run:
        run.run(request_of(0))
    assert not end.value.in_time
    assert time.monotonic() - began < 30


def test_the_sdk_is_loaded_when_more_than_its_start_is_used():
    progress = "def handler(job):\n    runpod.serverless.progress_update(job, 1)\n    return 2"
    with CleanRun(repo(progress)) as run:
        ran = run.run(request_of(1))
    assert [post.kind for post in ran.posts] == ["progress", "done"]


SDK = [
    ("import runpod\nrunpod.serverless.start({})", False),
    ("import runpod\nrunpod.serverless.progress_update(1, 2)", True),
    ("from runpod.serverless.utils import rp_download", True),
    ("import runpod.serverless", True),
    ("import runpod as rp\nrp.serverless.start({})", True),
    ("import runpod\nx = runpod", True),
    ("import runpods", False),
]


@pytest.mark.parametrize(("text", "needed"), SDK, ids=[s[0].replace("\n", " ") for s in SDK])
def test_whether_the_sdk_is_needed_is_read_from_the_code(text, needed):
    assert needs_sdk({"handler.py": text.encode()}) is needed
    assert not needs_sdk({"tests/test_handler.py": text.encode()})
