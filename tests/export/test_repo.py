import hashlib
import json
import os
import subprocess
import sys

import pytest

from rp_notebook.errors import ExportRefused
from rp_notebook.export.repo import TEST_INPUT_LIMIT, Repo, worker_repo
from rp_notebook.export.requirements import Pin
from rp_notebook.export.writing import write_repo
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.payload import RUN_LIMIT
from rp_notebook.jobs.running import run_job

MODULE = """\
import os

GREETING = os.environ.get("GREETING", "hello")


def handler(job):
    return {"said": f"{GREETING} {job['input']['name']}"}


if __name__ == "__main__":
    import runpod

    runpod.serverless.start({"handler": handler})
"""
RUNPOD = Pin("runpod", "1.12.0", "runpod==1.12.0")
ALWAYS = {
    *("handler.py", "requirements.txt", "Dockerfile", ".dockerignore", "README.md", ".env.example"),
    *(".runpod/hub.json", ".github/workflows/ci.yml"),
}


def handler(job):
    if job["input"] == "fail":
        raise ValueError("no")
    large = isinstance(job["input"], dict) and job["input"].get("large")
    return {"said": "x" * RUN_LIMIT if large else "hello"}


def record(job_input, name="handler"):
    made = run_job(handler, {"id": "job-1", "input": job_input}, clock=lambda: 0.0)
    assert made.job.handler == "handler"
    return made


def made(**changed) -> Repo:
    said = {
        "module": MODULE,
        "lines": [(1, number) for number in range(1, 13)],
        "declaration": Declaration("handler", "handler"),
        "records": [],
        "pins": [RUNPOD],
        "python": "3.11",
        "notebook": "note.ipynb",
    }
    return worker_repo(**(said | changed))


def test_without_a_job_the_repository_is_whole_but_for_the_example():
    repo = made()
    assert set(repo) == ALWAYS | {"rp_manifest.json"}
    assert b"test_input.json" not in repo["Dockerfile"]
    assert b"there is no `test_input.json`" in repo["README.md"]
    assert repo["handler.py"] == MODULE.encode()
    assert repo["requirements.txt"] == b"runpod==1.12.0\n"
    assert repo[".env.example"] == b"GREETING=hello\n"


def test_the_last_completed_job_is_the_example():
    repo = made(records=[record({"name": "one"}), record({"name": "two"}), record("fail")])
    assert json.loads(repo["test_input.json"]) == {"input": {"name": "two"}}
    assert b"COPY handler.py test_input.json /app/" in repo["Dockerfile"]


def test_a_job_whose_answer_the_platform_would_refuse_is_no_example_and_no_test_of_the_hub():
    jobs = [record({"name": "one"}), record({"name": "two", "large": True})]
    repo = made(records=jobs)
    assert json.loads(repo["test_input.json"]) == {"input": {"name": "one"}}
    assert [test["input"] for test in json.loads(repo[".runpod/tests.json"])["tests"]] == [{"name": "one"}]


@pytest.mark.parametrize("value", [{}, 0, "", False, [], "text"], ids=repr)
def test_any_input_but_null_makes_an_example(value):
    assert json.loads(made(records=[record(value)])["test_input.json"]) == {"input": value}


@pytest.mark.parametrize("value", [None, "fail", "x" * TEST_INPUT_LIMIT], ids=["null", "failed", "too large"])
def test_a_job_that_makes_no_example_is_passed_over(value):
    assert "test_input.json" not in made(records=[record(value)])
    assert json.loads(made(records=[record({"a": 1}), record(value)])["test_input.json"]) == {"input": {"a": 1}}


def test_a_job_of_another_handler_is_no_example():
    assert "test_input.json" not in made(records=[record({})], declaration=Declaration("other", "handler"))


def test_secrets_of_the_example_are_masked():
    repo = made(records=[record({"hf_token": "s3cr3t", "name": "x"})])
    assert json.loads(repo["test_input.json"]) == {"input": {"hf_token": "***", "name": "x"}}
    assert all(b"s3cr3t" not in body for body in repo.values())


def test_equal_exports_are_equal_byte_for_byte():
    assert dict(made(records=[record({"name": "x"})])) == dict(made(records=[record({"name": "x"})]))


def test_the_manifest_has_the_hash_of_every_other_file():
    repo = made(records=[record({})], jobs_jsonl=b"{}\n", local_files={"pkg/a.py": b"1"})
    hashes = {name: hashlib.sha256(body).hexdigest() for name, body in repo.items() if name != "rp_manifest.json"}
    assert json.loads(repo["rp_manifest.json"])["files"] == hashes
    assert repo["tests/jobs.jsonl"] == b"{}\n"


def test_local_files_are_copied_into_the_image():
    repo = made(local_files={"pkg/a.py": b"1", "data.json": b"{}"})
    assert repo["pkg/a.py"] == b"1"
    assert b"COPY data.json handler.py /app/\nCOPY pkg/a.py /app/pkg/" in repo["Dockerfile"]


@pytest.mark.parametrize("name", ["handler.py", "README.md", "test_input.json", "tests/jobs.jsonl"])
def test_a_local_file_with_a_name_of_ours_is_refused(name):
    with pytest.raises(ExportRefused, match=name):
        made(local_files={name: b""})


def test_the_build_of_torch_decides_the_image():
    torch = Pin("torch", "2.4.1", "torch==2.4.1", build="cu124")
    assert b"cuda:12.4" in made(pins=[RUNPOD, torch])["Dockerfile"]
    assert b"--gpus all" in made(pins=[RUNPOD, torch])["README.md"]


def test_a_requirement_from_a_repository_brings_git():
    pin = Pin("tool", "1", "tool @ git+https://git.example/tool@abc")
    assert b"--no-install-recommends git " in made(pins=[pin])["Dockerfile"]


def test_lines_end_in_line_feeds_alone():
    assert all(b"\r" not in body and body.endswith(b"\n") for body in made().values())


@pytest.mark.parametrize("name", ["/etc/passwd", "../up.py", "a/../../b", "a//b", "./a", "."])
def test_a_name_that_leads_out_of_the_repository_is_refused(name):
    with pytest.raises(ValueError, match="below a repository"):
        Repo({name: b""})


def test_a_repository_is_a_mapping_in_order_and_shows_its_tree():
    repo = Repo({"b.py": b"22", "a.py": b"1"})
    assert (list(repo), len(repo), repo["b.py"]) == (["a.py", "b.py"], 2, b"22")
    assert [line.split() for line in repo.tree().splitlines()] == [["a.py", "1"], ["b.py", "2"]]


@pytest.mark.kernel
def test_the_example_runs_under_the_real_sdk(tmp_path):
    pytest.importorskip("runpod")
    write_repo(made(records=[record({"name": "you"})]), tmp_path / "worker")
    ran = subprocess.run(
        [sys.executable, "-u", "handler.py"],
        cwd=tmp_path / "worker",
        env=dict(os.environ, GREETING="hi"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "hi you" in ran.stdout
