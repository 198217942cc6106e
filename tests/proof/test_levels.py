"""The levels of a proof: exported workers in fresh environments, and what is said where a level cannot be had."""

import os
import re
import shutil
import sys
from dataclasses import replace

import pytest

from rp_notebook.errors import ProofImpossible
from rp_notebook.export.recorded import load_jobs
from rp_notebook.proof.engines import NO_ENGINE, BuildFailed
from rp_notebook.proof.environment import worker_python
from rp_notebook.proof.indexes import CERTIFICATE, mounts, pip_settings, told_settings, without_unreachable
from rp_notebook.proof.levels import proved_at
from rp_notebook.proof.proving import prove_folder
from rp_notebook.proof.report import report_lines
from tests.proof.exports import exported
from tests.proof.git_package import installed_from_git
from tests.proof.hub import cached

PLAIN = """
import fastjsonschema
import shout

CHECK = fastjsonschema.compile({"type": "object"})


def handler(job):
    return shout.loud(str(CHECK(job["input"])))
"""
FETCHING = """
import urllib.request

import runpod


def handler(job):
    return urllib.request.urlopen("URL/api/models/owner/tiny/x").status


runpod.serverless.start({"handler": handler})
"""


@pytest.mark.kernel
def test_a_fresh_environment_from_the_requirements_is_enough_and_a_download_is_found(tmp_path, hub, monkeypatch):
    environment = cached(tmp_path / "huggingface")
    with installed_from_git(tmp_path / "git") as (address, site):
        environment |= {"PYTHONPATH": str(site)}
        jobs, _ = exported([PLAIN], tmp_path, tmp_path / "plain", [{"a": 1}], environment)
        assert f"shout @ {address}\n" in (tmp_path / "plain" / "requirements.txt").read_text()
        assert "install -y --no-install-recommends git " in (tmp_path / "plain" / "Dockerfile").read_text()
        monkeypatch.setenv("PYTHONPATH", str(site))  # of this machine alone: the proof at level venv does not see it
        proof = prove_folder(tmp_path / "plain", level="venv", only=True)
    assert proof.passed, report_lines(proof)
    assert proof.offline in (True, None)  # None where this machine does not let a process leave its network
    from rp_notebook.proof.offline import Again, proved_offline
    from rp_notebook.proof.process import prove

    (tmp_path / "fetching").mkdir()
    (tmp_path / "fetching" / "handler.py").write_text(FETCHING.replace("URL", hub))
    jobs = load_jobs(b'{"id": "j", "input": {}, "output": 200}')
    online = prove(tmp_path / "fetching", jobs)
    assert online.passed
    first, *_ = told = report_lines(replace(proof, below=(online,)))
    assert "level process: passed" in first
    assert [line.split()[0] for line in told if re.fullmatch(r"\w+( +\d+\.\d\d){5}", line)] == ["process", "venv"]
    assert "not proved: the image" in "\n".join(told)
    again = Again("process", str(tmp_path / "fetching"), sys.executable, "", (), 60)
    offline = proved_offline(online, again, jobs, lambda _: None)
    codes = [finding.code for finding in offline.findings]
    assert codes in (["RPP123"], ["RPP122"])
    assert offline.passed is (codes == ["RPP122"])


def worker(folder, requirements="", **files):
    folder.mkdir()
    (folder / "handler.py").write_text("import runpod\nrunpod.serverless.start({'handler': lambda job: 1})\n")
    (folder / "requirements.txt").write_text(requirements)
    for name, text in files.items():
        (folder / name.replace("__", "/")).parent.mkdir(exist_ok=True)
        (folder / name.replace("__", "/").replace("_json", ".json")).write_text(text)
    return folder


JOBS = load_jobs(b'{"id": "j", "input": {}}')


def test_an_index_that_does_not_answer_is_left_out_and_said(tmp_path, hub):
    text = f"--extra-index-url http://127.0.0.1:9/whl\n--extra-index-url {hub}/simple\npackaging==25.0\n"
    folder = worker(tmp_path / "w", text)
    (finding,) = without_unreachable(folder)
    assert (finding.code, finding.severity) == ("RPP126", "warning")
    assert "127.0.0.1:9" in finding.message
    assert (folder / "requirements.txt").read_text() == text.partition("\n")[2]


def test_a_build_is_given_the_settings_of_this_machines_pip(tmp_path, monkeypatch):
    (tmp_path / "wheels").mkdir()
    (tmp_path / "ca.crt").write_text("a certificate")
    for name, value in {"FIND_LINKS": tmp_path / "wheels", "CERT": tmp_path / "ca.crt", "RETRIES": "3"}.items():
        monkeypatch.setenv(f"PIP_{name}", str(value))
    settings = pip_settings()
    assert settings["find-links"] == str(tmp_path / "wheels")
    assert "retries" not in settings
    options = mounts(settings, tmp_path)
    assert f"{tmp_path / 'wheels'}:{tmp_path / 'wheels'}:ro" in options
    assert f"cert = {CERTIFICATE}" in (tmp_path / "pip.conf").read_text()
    assert [finding.code for finding in told_settings(settings)] == ["RPP127"]


@pytest.mark.kernel
def test_requirements_that_cannot_be_installed_together_are_told_with_what_pip_says(tmp_path):
    folder = worker(tmp_path / "w", "packaging==24.0\npackaging==25.0\n", tests__jobs_jsonl='{"input": {}}')
    proof = prove_folder(folder, level="venv")
    assert [(one.level, one.passed) for one in (*proof.below, proof)] == [("process", True), ("venv", False)]
    (finding,) = proof.findings
    assert finding.code == "RPP120"
    assert "packaging==2" in finding.fix
    assert [job.verdict for job in proof.jobs] == ["missing"]


def test_a_worker_of_another_python_is_not_proved_with_this_one(tmp_path):
    folder = worker(tmp_path / "w", rp_manifest_json='{"tool": "rp-notebook", "python": "3.4"}')
    with pytest.raises(ProofImpossible, match=r"there is no python3\.4 here"):
        worker_python(folder)


def test_without_a_builder_the_way_to_one_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProofImpossible) as told:
        proved_at(worker(tmp_path / "w"), JOBS, level="image")
    assert str(told.value) == NO_ENGINE
    assert "apt-get install buildah" in NO_ENGINE


NOT_FETCHED = (
    "STEP 1/2: FROM there/is-none:1\nError: creating build container: no such host",
    "Step 1/2 : FROM there/is-none:1\npull access denied for there/is-none",
    "   1 | >>> FROM there/is-none:1\nERROR: failed to solve: there/is-none:1: failed to resolve source metadata",
)
NOT_BUILT = (
    'STEP 1/2: FROM python:3.11\nSTEP 2/2: RUN pip install x\nERROR: No matching distribution FROM here\n',
    "Dockerfile:2\n   1 |     FROM python:3.11\n   2 | >>> RUN false\nERROR: failed to solve: exit code: 1",
    "no space left on device",
)  # fmt: skip


def test_a_base_image_that_cannot_be_fetched_is_told_from_a_step_that_fails():
    assert [BuildFailed(tail).without_base for tail in (*NOT_FETCHED, *NOT_BUILT)] == [True] * 3 + [False] * 3


@pytest.mark.image
@pytest.mark.skipif(not shutil.which("buildah") or os.geteuid() != 0, reason="builds images with Buildah, as root")
def test_a_base_image_that_is_nowhere_is_told_with_the_way_to_give_one(tmp_path):
    folder = worker(tmp_path / "w", Dockerfile="FROM localhost/there-is-none:1\nCOPY handler.py /app/\n")
    proof = proved_at(folder, JOBS, level="image")
    (finding, *_) = proof.findings
    assert (finding.code, finding.fix.split(";")[0]) == ("RPP133", "build on one that is here: --base IMAGE")
    assert "could not be refused" not in "\n".join(report_lines(proof))


@pytest.mark.kernel
def test_files_for_the_hub_that_were_edited_are_held_to_its_schemas(tmp_path):
    hub_json = '{"title": "T", "description": "d", "type": "serverless", "category": "Image", "config": {}}'
    tests_json = '{"tests": [{"name": "one", "input": {"input": {"a": 1}}}], "config": {"cpuFlavor": "cpu3c"}}'
    folder = worker(tmp_path / "w", _runpod__hub_json=hub_json, _runpod__tests_json=tests_json)
    (folder / "_runpod").rename(folder / ".runpod")
    proof = proved_at(folder, JOBS)
    said = [str(finding) for finding in proof.findings]
    assert not proof.passed
    assert any("RPP130" in one and "category" in one for one in said)
    assert any("RPP130" in one and "runsOn" in one for one in said)
    assert any("RPP131" in one and "'one' wraps its input" in one for one in said)
