"""Real SDK workers over tiny handlers: what a proof says of each way in which a job can end."""

import json
import os
import signal
import sys
import tempfile
import textwrap
import time

import psutil
import pytest

from rp_notebook.errors import ProofImpossible
from rp_notebook.export.recorded import load_jobs
from rp_notebook.proof.process import prove
from rp_notebook.proof.report import report_data, report_lines

pytestmark = pytest.mark.kernel

PLAIN = """
    import asyncio, os, pathlib, sys, threading, time
    import runpod

    LOADED = os.getpid()

    async def later(value):
        await asyncio.sleep(0.01)
        return value

    def handler(job):
        match job["input"]["do"]:
            case "echo": return job["input"]
            case "async": return later({"x": 1})
            case "raise": raise ValueError("boom")
            case "error": return {"error": "bad", "x": 1}
            case "set": return {"a": {1, 2}}
            case "circle":
                a = []; a.append(a); return a
            case "exit": sys.exit(3)
            case "kill": os.kill(os.getpid(), 9)
            case "big": return "é" * 1_000_000
            case "nan": return float("nan")
            case "pi": return [3.14159265358979]
            case "pid": return {"same": LOADED == os.getpid(), "id": job["id"]}
            case "file": return pathlib.Path("forgotten.txt").read_text()
            case "id": job["id"] = "another"; return 1
            case "home": return sorted(os.listdir(os.path.expanduser("~")))
            case "env":
                names = ("RPN_SECRET", "RPN_PASSED", "PYTHONPATH", "HF_HUB_OFFLINE")
                return {name: os.environ.get(name) for name in names}
            case "progress":
                runpod.serverless.progress_update(job, {"step": 1})
                runpod.serverless.progress_update(job, {"step": 2})
                time.sleep(0.3)
                return "done"

    if __name__ == "__main__":
        runpod.serverless.start({"handler": handler})
"""

STREAM = """
    import runpod

    def handler(job):
        for n in range(job["input"]):
            if n == 3:
                raise ValueError("three")
            yield {"n": n}

    runpod.serverless.start({"handler": handler, "return_aggregate_stream": AGGREGATE})
"""


def written(folder, source):
    folder.mkdir(exist_ok=True)
    (folder / "handler.py").write_text(textwrap.dedent(source))
    return folder


def lines(*jobs):
    return load_jobs("\n".join(json.dumps(job) for job in jobs).encode())


def do(what, **expected):
    return {"id": what, "input": {"do": what}, **expected}


def done(body, **more):
    return {"kind": "done", "body": body, **more}


def stream(body):
    return {"kind": "stream", "body": body}


def error_of(kind, message):
    return done({"error": json.dumps({"error_type": f"<class '{kind}'>", "error_message": message})})


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """Where the proofs of this module work, so that what is left of them can be told from other runs."""
    folder = tmp_path_factory.mktemp("scratch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(scratch):
    """No process and no file of ours survives, not even a process that was handed to init."""
    yield
    assert psutil.Process().children(recursive=True) == []
    assert [p for p in psutil.process_iter(["cwd"]) if (p.info["cwd"] or "").startswith(str(scratch))] == []
    assert list(scratch.iterdir()) == []


# What each job must come to: (line, verdict, words of its detail).
TABLE = [
    (do("echo", output={"do": "echo"}), "same", ""),
    (do("async", posts=[done({"output": {"x": 1}})]), "same", ""),
    (do("raise", posts=[error_of("ValueError", "boom")]), "same", ""),
    (
        do("raise", id="raised", posts=[error_of("ValueError", "bang")]),
        "different",
        'error.message: "bang" became "boom"',
    ),
    (do("raise", id="any answer"), "same", "answered with an error: ValueError: boom"),
    (do("error", posts=[done({"output": {"x": 1}, "error": "bad"})]), "same", ""),
    (do("set", lost="output.a is set: not JSON"), "same", "nothing was posted, as recorded"),
    (do("set", id="was fine", output=1), "lost", "asked for its next job without posting an answer"),
    (do("circle", output=1), "lost", "asked for its next job without posting an answer"),
    (do("big", posts=[done({"output": "é" * 1_000_000})]), "same", ""),
    (do("nan", posts=[{"kind": "done", "text": '{"output": NaN}'}]), "same", ""),
    (do("pi", output=[3.1415926]), "close", "numbers differ"),
    (do("pid", output={"same": True, "id": "pid"}), "same", ""),
    (do("echo", id="was lost", lost="then"), "different", "and now an answer was posted"),
    (do("file", output="text"), "different", "FileNotFoundError"),
    (do("home", output=[]), "same", ""),
    (
        do("env", output={"RPN_SECRET": None, "RPN_PASSED": "yes", "PYTHONPATH": None, "HF_HUB_OFFLINE": "1"}),
        "same",
        "",
    ),
    (do("echo", id="cancelled", skip="it was cancelled"), "skipped", "it was cancelled"),
    (
        do(
            "progress",
            posts=[{"kind": "progress", "body": {"status": "IN_PROGRESS", "output": {"step": step}}} for step in (2, 1)]
            + [done({"output": "done"})],
        ),
        "same",
        "",
    ),
    (do("exit", output=1), "lost", "the worker process ended with exit code 3 and posted nothing"),
    (do("kill", output=1), "lost", "signal 9 killed the worker and posted nothing"),
    (do("id", output=1), "lost", "its answer went to the job id 'another'"),
    (do("echo", id="after all that", output={"do": "echo"}), "same", ""),
]


@pytest.fixture(scope="module")
def proof(tmp_path_factory, scratch):
    folder = written(tmp_path_factory.mktemp("work") / "plain", PLAIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)
        (folder.parent / "forgotten.txt").write_text("only here")
        patch.setenv("RPN_SECRET", "hush")
        patch.setenv("RPN_PASSED", "yes")
        patch.setenv("PYTHONPATH", str(folder))
        return prove(folder, lines(*(line for line, _, _ in TABLE)), pass_env=["RPN_PASSED"], timeout_s=60)


@pytest.mark.parametrize("number", range(len(TABLE)), ids=[line["id"] for line, _, _ in TABLE])
def test_each_job_is_judged_by_what_the_worker_posted(proof, number):
    _, verdict, words = TABLE[number]
    checked = proof.jobs[number]
    assert checked.verdict == verdict, checked
    assert words in checked.detail


def test_the_findings_name_what_went_wrong(proof):
    verdicts = [job.verdict for job in proof.jobs]
    codes = [finding.code for finding in proof.findings]
    assert not proof.passed
    assert codes.count("RPP102") == verdicts.count("different")
    assert codes.count("RPP103") == verdicts.count("lost")
    assert "Object of type set is not JSON serializable" in next(f.fix for f in proof.findings if f.code == "RPP103")
    assert [finding.severity for finding in proof.findings if finding.code == "RPP105"] == ["warning"]


def test_times_sizes_and_versions_are_in_the_report(proof):
    sizes = {job.id: job.bytes for job in proof.jobs}
    assert sizes["big"] == 2_000_014
    assert sizes["exit"] is None
    assert 0 < proof.seconds_to_ready < 60
    text = "\n".join(report_lines(proof))
    assert "FAILED" in text
    assert "not proved: the GPU" in text
    assert json.loads(json.dumps(report_data(proof)))["jobs"][0]["verdict"] == "same"


def test_a_generator_that_aggregates_posts_its_items_twice(tmp_path):
    folder = written(tmp_path, STREAM.replace("AGGREGATE", "True"))
    items = [{"n": 0}, {"n": 1}]
    posts = [*(stream({"output": item}) for item in items), done({"output": items}, is_stream=True)]
    assert [job.verdict for job in prove(folder, lines({"input": 2, "posts": posts})).jobs] == ["same"]


def test_what_a_generator_posts_is_compared_item_by_item(tmp_path):
    folder = written(tmp_path, STREAM.replace("AGGREGATE", "False"))
    items = [stream({"output": {"n": n}}) for n in range(3)]
    jobs = lines(
        {"input": 2, "output": [{"n": 0}, {"n": 1}]},
        {"input": 5, "posts": [*items, done({"error": "handler: three \ntraceback: "}, is_stream=True)]},
        {"input": 1, "posts": [*items[:2], done({"output": []}, is_stream=True)]},
    )
    proof = prove(folder, jobs, timeout_s=60)
    assert [job.verdict for job in proof.jobs] == ["same", "same", "different"]
    assert proof.jobs[-1].detail == "2 streamed items became 1"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "import runpod\nopen('forgotten.txt')",
            "FileNotFoundError: [Errno 2] No such file or directory: 'forgotten.txt'",
        ),
        ("import runpod\ndef f():\n    raise KeyError('a')\nf()", "exit code 1: KeyError: 'a'"),
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("def handler(job): pass", "does it call runpod.serverless.start?"),
        ("def handler(job) pass", "SyntaxError"),
    ],
    ids=["file", "raise", "package", "no start", "syntax"],
)
def test_a_worker_that_cannot_start_fails_at_once_and_says_why(tmp_path, source, words):
    (tmp_path / "forgotten.txt").touch()
    folder = tmp_path / "worker"
    folder.mkdir()
    (folder / "handler.py").write_text(source)
    began = time.monotonic()
    proof = prove(folder, lines({"input": 1}, {"input": 2}))
    assert time.monotonic() - began < 20
    (finding,) = proof.findings
    assert finding.code == "RPP101"
    assert words in finding.message
    assert [job.verdict for job in proof.jobs] == ["missing", "missing"]
    assert not proof.passed


def test_a_failed_fitness_check_is_the_reason(tmp_path):
    folder = written(
        tmp_path,
        """
        import runpod
        @runpod.serverless.register_fitness_check
        def weights_there():
            raise RuntimeError("no weights")
        runpod.serverless.start({"handler": lambda job: 1})
        """,
    )
    (finding,) = prove(folder, lines({"input": 1})).findings
    assert "weights_there: RuntimeError: no weights" in finding.message


def test_a_worker_that_is_refreshed_after_each_job_is_started_again(tmp_path):
    folder = written(
        tmp_path,
        """
        import runpod
        runpod.serverless.start({"handler": lambda job: job["input"], "refresh_worker": True})
        """,
    )
    posts = [done({"output": 1, "stopPod": True})]
    proof = prove(folder, lines({"input": 1, "posts": posts}, {"input": 1, "posts": posts}), timeout_s=60)
    assert [job.verdict for job in proof.jobs] == ["same", "same"]
    assert proof.passed


def test_a_worker_with_concurrency_is_judged_alike(tmp_path):
    folder = written(
        tmp_path,
        """
        import runpod
        async def handler(job):
            return {1} if job["input"] == "set" else job["input"]
        runpod.serverless.start({"handler": handler, "concurrency_modifier": lambda now: 4})
        """,
    )
    proof = prove(folder, lines({"input": 1, "output": 1}, {"input": "set", "lost": "set"}, {"input": 2, "output": 2}))
    assert [job.verdict for job in proof.jobs] == ["same", "same", "same"]


def test_a_job_that_never_ends_is_missing_and_its_worker_killed(tmp_path):
    folder = written(
        tmp_path,
        """
        import signal, time
        import runpod
        def handler(job):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while job["input"] == "hang":
                time.sleep(1)
            return 1
        runpod.serverless.start({"handler": handler})
        """,
    )
    began = time.monotonic()
    proof = prove(folder, lines({"input": "hang"}, {"input": "go", "output": 1}), timeout_s=4)
    assert [job.verdict for job in proof.jobs] == ["missing", "same"]
    assert proof.findings[0].message == "job line-1 did not end: no final answer within 4 s"
    assert time.monotonic() - began < 25


def test_an_interrupt_leaves_no_process(tmp_path):
    folder = written(tmp_path, PLAIN)

    def interrupt(_):
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            prove(folder, lines(do("echo"), do("echo")), on_progress=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)


def test_only_skipped_jobs_prove_nothing(tmp_path):
    proof = prove(written(tmp_path, PLAIN), lines(do("echo", skip="it was cancelled")))
    assert [finding.code for finding in proof.findings] == ["RPP104"]
    assert not proof.passed


def bare_python(folder):
    """A Python in a virtual environment that has no packages."""
    import venv

    venv.create(folder, with_pip=False, symlinks=True)
    return str(folder / "bin" / "python")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"level": "moon"}, "no level 'moon'"),
        ({"jobs": ()}, "no jobs to prove with: run %runpod job first"),
        ({"python": "/no/such/python"}, "not a Python that runs"),
    ],
    ids=["unknown level", "no jobs", "no python"],
)
def test_the_impossible_is_refused_in_a_line(tmp_path, change, words):
    given = {"jobs": lines(do("echo")), "level": "process", "python": sys.executable, **change}
    with pytest.raises(ProofImpossible, match=words):
        prove(written(tmp_path, PLAIN), **given)


def test_without_a_handler_file_there_is_nothing_to_prove(tmp_path):
    with pytest.raises(ProofImpossible, match=r"no handler\.py"):
        prove(tmp_path, lines(do("echo")))


def test_without_the_sdk_the_extra_is_named(tmp_path):
    with pytest.raises(ProofImpossible, match=r"rp-notebook\[prove\]"):
        prove(written(tmp_path / "w", PLAIN), lines(do("echo")), python=bare_python(tmp_path / "bare"))
