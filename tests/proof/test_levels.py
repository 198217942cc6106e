"""Exported workers in fresh environments and in images that are really built, and the faults that only those show."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rp_notebook.errors import ProofImpossible
from rp_notebook.export.recorded import load_jobs
from rp_notebook.proof.engines import NO_ENGINE, BuildFailed, Engine
from rp_notebook.proof.environment import worker_python
from rp_notebook.proof.indexes import CERTIFICATE, mounts, pip_settings, told_settings, without_unreachable
from rp_notebook.proof.levels import proved_at
from rp_notebook.proof.proving import prove_folder
from rp_notebook.proof.report import report_lines

SCRIPTS = Path(__file__).parents[2] / "scripts"
BASE = "localhost/rp-notebook-test-base:1"
COMMIT = "0c9f1d2e3b4a5968778695a4b3c2d1e0f9182736"
CONFIG = b'{"answer": 42}'
TOKEN = "hf_" + "qWeRtYuIoPaSdFgHjKlZxCvBnM01234567"

# All that an image has to have: a file beside the notebook, a package, a library of the system, weights of a hub.
WHOLE = """
import ctypes
import json
from pathlib import Path

import fastjsonschema
from huggingface_hub import hf_hub_download

GOMP = ctypes.CDLL("libgomp.so.1")
GREETING = Path("greeting.txt").read_text().strip()
CONFIG = json.loads(Path(hf_hub_download("owner/tiny", "config.json")).read_text())
CHECK = fastjsonschema.compile({"type": "object"})


def handler(job):
    CHECK(job["input"])
    Path("scratch.txt").write_text("a worker may write where it works")
    threads = GOMP.omp_get_max_threads()
    return {"said": f"{GREETING} {job['input']['name']}", "answer": CONFIG["answer"], "threads": threads > 0}
"""
STREAM = """
import ctypes

import fastjsonschema
import huggingface_hub
import shelf

GOMP = ctypes.CDLL("libgomp.so.1")


async def handler(job):
    for word in shelf.words(job["input"]["text"]):
        yield {"word": word, "known": bool(fastjsonschema.VERSION and huggingface_hub.__version__)}
"""


class Hub(BaseHTTPRequestHandler):
    """As much of Hugging Face's hub as its own client asks for one file of one repository."""

    def do_GET(self, *, body=True):
        if self.path.startswith("/api/models/owner/tiny/"):
            said = {"id": "owner/tiny", "sha": COMMIT, "siblings": [{"rfilename": "config.json"}], "tags": []}
            if "/tree/" in self.path:
                said = [{"type": "file", "path": "config.json", "size": len(CONFIG), "oid": "a" * 40}]
            self.answer(json.dumps(said).encode(), "application/json", body=body)
        elif re.fullmatch(rf"/owner/tiny/resolve/({COMMIT}|main)/config\.json", self.path):
            self.answer(CONFIG, "text/plain", body=body)
        else:
            self.send_error(404)

    def do_HEAD(self):
        self.do_GET(body=False)

    def answer(self, content, kind, *, body):
        self.send_response(200)
        for name, value in {"Content-Type": kind, "ETag": '"abc"', "X-Repo-Commit": COMMIT}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_):
        """Says nothing."""


@pytest.fixture(scope="module")
def hub():
    """The address of a hub on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def cached(home: Path) -> dict[str, str]:
    """The environment of a kernel that has loaded the model from its cache."""
    folder = home / "hub" / "models--owner--tiny"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    (folder / "snapshots" / COMMIT).mkdir(parents=True)
    (folder / "snapshots" / COMMIT / "config.json").write_bytes(CONFIG)
    return {"HF_HOME": str(home)}


def exported(source, folder, out, inputs, environment, *, aggregate=False):
    """Exports a handler with the jobs that it answers here; gives the jobs, and severity and text of each finding."""
    asked = {"source": source, "folder": str(folder), "out": str(out), "inputs": inputs, "aggregate": aggregate}
    command = [sys.executable, Path(__file__).with_name("fresh_export.py")]
    environ = {**os.environ, **environment, "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, env=environ, check=False)
    assert ran.returncode == 0, ran.stderr
    return load_jobs((out / "tests" / "jobs.jsonl").read_bytes()), json.loads(ran.stdout.splitlines()[-1])


def with_fault(out, target, change):
    """A copy of an export whose Dockerfile was changed."""
    shutil.copytree(out, target)
    text = (target / "Dockerfile").read_text()
    changed = change(text)
    assert changed != text
    (target / "Dockerfile").write_text(changed)
    return target


def after_packages(line):
    return lambda text: re.sub(r"(RUN pip install .*\n)", rf"\1{line}\n", text)


# What is done to the Dockerfile, and what is then said of the worker.
FAULTS = {
    "file": (lambda text: text.replace("COPY greeting.txt handler.py", "COPY handler.py"), "greeting.txt"),
    "package": (after_packages("RUN pip uninstall -y fastjsonschema"), "No module named 'fastjsonschema'"),
    "library": (after_packages("RUN apt-get purge -y libgomp1"), "libgomp.so.1"),
    "weights": (lambda text: text.replace("RUN python /tmp/fetch_weights.py\n", ""), "config.json|LocalEntryNotFound"),
}  # fmt: skip


@pytest.mark.image
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not shutil.which("buildah") or os.geteuid() != 0, reason="builds images with Buildah, as root")
def test_two_exports_build_and_run_as_images_and_each_planted_fault_is_found(tmp_path, hub, monkeypatch):
    base = base_image(hub)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    try:
        (tmp_path / "greeting.txt").write_text("hello")
        (tmp_path / "shelf.py").write_text("def words(text):\n    return text.split()\n")
        environment = cached(tmp_path / "huggingface")
        jobs, findings = exported(WHOLE, tmp_path, tmp_path / "whole", [{"name": "you"}], environment)
        # Proofs take their images away again, and with them the layers that nobody else holds.
        Engine("buildah").build(tmp_path / "whole", f"{base}-layers", tmp_path / "build.log", base=base)
        assert [said for severity, said in findings if severity == "error"] == []
        assert holding(f"{base}-layers", TOKEN) == ""
        assert holding(f"{base}-layers", "fastjsonschema.compile").endswith("/app/handler.py")
        proof = proved_at(tmp_path / "whole", jobs, level="image", base=base)
        told = "\n".join(report_lines(proof))
        assert proof.passed, told
        assert proof.offline is True
        assert re.search(r"\ncold start, s .* again\nimage .*\d\.\d\d\n", told)
        assert "downloads" not in told.replace("nothing is downloaded", "")
        assert proof.cold.second_job < 5

        for name, (change, words) in FAULTS.items():
            faulty = with_fault(tmp_path / "whole", tmp_path / name, change)
            found = proved_at(faulty, jobs, level="image", base=base)
            assert not found.passed, name
            assert re.search(words, str(found.findings[0])), (name, found.findings)

        text = {"text": "one two"}
        jobs, _ = exported(STREAM, tmp_path, tmp_path / "stream", [text], environment, aggregate=True)
        proof = proved_at(tmp_path / "stream", jobs, level="image", base=base)
        assert proof.passed, report_lines(proof)

        broken = with_fault(
            tmp_path / "stream", tmp_path / "broken", lambda text: text.replace("COPY handler", "COPY no")
        )
        (finding, *_) = proved_at(broken, jobs, level="image", base=base).findings
        assert (finding.code, "buildah says" in finding.fix) == ("RPP121", True)
    finally:
        subprocess.run(["buildah", "rmi", f"{base}-layers", base], check=False, capture_output=True)


def holding(image, text):
    """The first file of an image that holds a text."""
    said = {"capture_output": True, "text": True, "check": True}
    container = subprocess.run(["buildah", "from", "--pull-never", image], **said).stdout.strip()
    try:
        root = subprocess.run(["buildah", "mount", container], **said).stdout.strip()
        search = ["grep", "--recursive", "--files-with-matches", "--fixed-strings", "--devices=skip", "-m1", text]
        places = [f"{root}/{name}" for name in ("app", "etc", "home", "opt", "root", "run", "tmp", "requirements.txt")]
        found = subprocess.run([*search, *places], capture_output=True, text=True, check=False).stdout.splitlines()
        return next((name for name in found if "/app/" in name), found[0] if found else "")
    finally:
        subprocess.run(["buildah", "rm", container], check=False, capture_output=True)


def base_image(hub):
    """The small base image, with the address of the hub in it."""
    subprocess.run([SCRIPTS / "make-test-base-image", BASE], check=True)
    said = {"capture_output": True, "text": True, "check": True}
    container = subprocess.run(["buildah", "from", "--pull-never", BASE], **said).stdout.strip()
    subprocess.run(["buildah", "config", "--env", f"HF_ENDPOINT={hub}", container], **said)
    name = f"localhost/rp-notebook-test-base:{hub.rpartition(':')[2]}"
    subprocess.run(["buildah", "commit", "--quiet", container, name], **said)
    subprocess.run(["buildah", "rm", container], **said)
    return name


PLAIN = """
import fastjsonschema

CHECK = fastjsonschema.compile({"type": "object"})


def handler(job):
    return CHECK(job["input"])
"""
FETCHING = """
import urllib.request

import runpod


def handler(job):
    return urllib.request.urlopen("URL/api/models/owner/tiny/x").status


runpod.serverless.start({"handler": handler})
"""


@pytest.mark.kernel
def test_a_fresh_environment_from_the_requirements_is_enough_and_a_download_is_found(tmp_path, hub):
    environment = cached(tmp_path / "huggingface")
    jobs, _ = exported(PLAIN, tmp_path, tmp_path / "plain", [{"a": 1}], environment)
    proof = prove_folder(tmp_path / "plain", level="venv")
    assert proof.passed, report_lines(proof)
    assert proof.offline in (True, None)  # None where this machine does not let a process leave its network
    first, *_ = told = report_lines(proof)
    assert "level process: passed" in first
    assert [line.split()[0] for line in told if re.fullmatch(r"\w+( +\d+\.\d\d){5}", line)] == ["process", "venv"]
    assert "not proved: the image" in "\n".join(told)

    from rp_notebook.proof.offline import Again, proved_offline
    from rp_notebook.proof.process import prove

    (tmp_path / "fetching").mkdir()
    (tmp_path / "fetching" / "handler.py").write_text(FETCHING.replace("URL", hub))
    jobs = load_jobs(b'{"id": "j", "input": {}, "output": 200}')
    online = prove(tmp_path / "fetching", jobs)
    assert online.passed
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
    folder = worker(tmp_path / "w", "packaging==24.0\npackaging==25.0\n")
    proof = proved_at(folder, JOBS, level="venv")
    (finding,) = proof.findings
    assert (finding.code, proof.passed) == ("RPP120", False)
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
