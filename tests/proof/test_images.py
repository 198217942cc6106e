"""Exported workers in images that are really built: the faults that only those show, and no secret in their bytes."""

import os
import random
import re
import shutil
import string
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from rp_notebook.proof.engines import Engine
from rp_notebook.proof.indexes import mounts, pip_settings
from rp_notebook.proof.levels import proved_at
from rp_notebook.proof.report import report_lines
from tests.proof.exports import exported
from tests.proof.hub import cached

SCRIPTS = Path(__file__).parents[2] / "scripts"
SECRETS: dict[str, str] = {}


def planted(where, shape="*" * 24):
    """A secret like no other: what is random in it is there instead of stars."""
    some = random.Random(where)
    SECRETS[where] = re.sub(r"\*", lambda _: some.choice(string.ascii_uppercase + string.digits), shape)
    return SECRETS[where]


HF, PASSWORD = "hf_" + "*" * 34, "Pw1" + "*" * 12
INDEX = f"!pip install --extra-index-url http://me:{planted('an index', PASSWORD)}@HUB/simple fastjsonschema"
SHELF = f'''"""Words. {planted("a module's text", HF)}"""

AWS = ("{planted("a module", "AKIA" + "*" * 16)}", "{planted("a second one in a module", "wJalrXUtn7" + "*" * 30)}")


def words(text):
    return text.split()  # {planted("a module's comment", "rpa_" + "*" * 40)}
'''
# All that an image has to have: a file beside the notebook, a module, a package, a library of the system, and weights
# of a hub; and all that it must not have.
WHOLE = [
    INDEX,
    f"!pip install git+https://{planted('a clone', 'ghp_' + '*' * 36)}@github.com/me/mine.git",
    f"%env SOME_KEY={planted('a magic', PASSWORD)}",
    f"seen = '{planted('a cell that is not needed', HF)}'",
    f"""
import ctypes
import json
import os
from pathlib import Path

import fastjsonschema
from huggingface_hub import hf_hub_download

import shelf

GOMP = ctypes.CDLL("libgomp.so.1")
GREETING = Path("greeting.txt").read_text().strip()
# The token is {planted("a comment", HF)}.
CONFIG = json.loads(Path(hf_hub_download("owner/tiny", "config.json", token="{planted("a call", HF)}")).read_text())
CHECK = fastjsonschema.compile({{"type": "object"}})
HOOK = "https://me:{planted("a URL", PASSWORD)}@example.org/hook"
KEYS = {{"runpod": "{planted("a dict", "rpa_" + "*" * 40)}", "password": "{planted("a password", PASSWORD)}"}}
""",
    f'''
def handler(job):
    """Greets. {planted("a docstring", HF)}"""
    CHECK(job["input"])
    Path("scratch.txt").write_text("a worker may write where it works")
    token = job["input"].get("token", "{planted("a default", HF)}")
    settings = Path("settings.yaml").read_text() if Path("settings.yaml").exists() else ""
    said = f"{{GREETING}} {{' '.join(shelf.words(job['input']['name']))}}"
    held = [bool(value) for value in (HOOK, KEYS, shelf.AWS, token, os.environ["MY_SERVICE_KEY"])]
    return {{"said": said, "answer": CONFIG["answer"], "threads": GOMP.omp_get_max_threads() > 0, "held": held}}
''',
]
JOBS = [
    {"name": "you"},
    {"name": f"me, with {planted('a request', HF)}", "token": planted("a request's token", PASSWORD)},
]
STREAM = [
    INDEX,
    """
import ctypes

import fastjsonschema
import huggingface_hub
import shelf

GOMP = ctypes.CDLL("libgomp.so.1")


async def handler(job):
    for word in shelf.words(job["input"]["text"]):
        yield {"word": word, "known": bool(fastjsonschema.VERSION and huggingface_hub.__version__)}
""",
]


def at_the_end(line):
    return lambda text: f"{text}USER root\nRUN {line}\n"


# What is done to the Dockerfile, and what is then said of the worker.
FAULTS = {
    "file": (lambda text: text.replace("COPY greeting.txt handler.py", "COPY handler.py"), "greeting.txt"),
    "package": (at_the_end("pip uninstall -y fastjsonschema"), "No module named 'fastjsonschema'"),
    "library": (at_the_end("apt-get purge -y libgomp1"), "libgomp.so.1"),
    "weights": (lambda text: re.sub(r"RUN (.*\\\n.*)?python /tmp/fetch_weights.py\n", "", text), "LocalEntryNotFound"),
}  # fmt: skip


@pytest.fixture
def store(monkeypatch):
    """A place of its own for images and layers, which are gone with it: in memory where there is enough."""
    memory = Path("/dev/shm")
    free = shutil.disk_usage(memory).free if memory.is_dir() else 0
    with TemporaryDirectory(prefix="images-", dir=memory if free > 4e9 else None, ignore_cleanup_errors=True) as name:
        Path(name, "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{name}/root"\nrunroot = "{name}/run"\n'
        )
        monkeypatch.setenv("CONTAINERS_STORAGE_CONF", f"{name}/storage.conf")
        yield
        # A build that failed leaves its container, and the store is a mount of its own.
        subprocess.run(["buildah", "rm", "--all"], check=False, capture_output=True)
        subprocess.run(["umount", "--recursive", f"{name}/root/overlay"], check=False, capture_output=True)


@pytest.mark.image
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not shutil.which("buildah") or os.geteuid() != 0, reason="builds images with Buildah, as root")
def test_two_exports_build_and_run_as_images_and_each_planted_fault_is_found(tmp_path, hub, monkeypatch, store):
    base = base_image(hub)
    address = hub.removeprefix("http://")
    environment = planted_machine(tmp_path, address, monkeypatch)
    folder, whole = tmp_path / "notebook", tmp_path / "whole"
    jobs, findings = exported([cell.replace("HUB", address) for cell in WHOLE], folder, whole, JOBS, environment)
    assert [said for severity, said in findings if severity == "error"] == []
    assert [job.skip is not None for job in jobs] == [False, True]

    # Proofs take their images away again, and with them the layers that nobody else holds.
    pip = mounts(pip_settings(), tmp_path)
    Engine("buildah").build(whole, f"{base}-layers", tmp_path / "build.log", base=base, volumes=pip)
    assert planted_in(whole, tmp_path / "build.log", bytes_of(f"{base}-layers", tmp_path / "image")) == []

    for number, name in enumerate(variables_of(whole)):
        monkeypatch.setenv(name, f"given-to-the-worker-{number}")
    given = [*variables_of(whole)]
    proof = proved_at(whole, jobs, level="image", base=base, pass_env=given)
    told = "\n".join(report_lines(proof))
    assert proof.passed, told
    assert proof.offline is True
    assert re.search(r"\ncold start, s .* again\nimage .*\d\.\d\d\n", told)
    assert "downloads" not in told.replace("nothing is downloaded", "")
    assert proof.cold.second_job < 5

    for name, (change, words) in FAULTS.items():
        faulty = with_fault(whole, tmp_path / name, change)
        found = proved_at(faulty, jobs, level="image", base=base, pass_env=given)
        assert not found.passed, name
        assert re.search(words, str(found.findings[0])), (name, found.findings)

    cells, stream = [cell.replace("HUB", address) for cell in STREAM], tmp_path / "stream"
    jobs, _ = exported(cells, folder, stream, [{"text": "one two"}], environment, aggregate=True)
    proof = proved_at(stream, jobs, level="image", base=base, pass_env=given)
    assert proof.passed, report_lines(proof)

    broken = with_fault(stream, tmp_path / "broken", lambda text: text.replace("COPY handler", "COPY no"))
    (finding, *_) = proved_at(broken, jobs, level="image", base=base).findings
    assert (finding.code, "buildah says" in finding.fix) == ("RPP121", True)


def planted_machine(root, address, monkeypatch):
    """The folder of a notebook, and the environment of its kernel and of a build, with secrets in them."""
    folder = root / "notebook"
    folder.mkdir()
    (folder / "greeting.txt").write_text("hello")
    (folder / "shelf.py").write_text(SHELF)
    (folder / "settings.yaml").write_text(f"user: me\npassword: {planted('settings', PASSWORD)}\n")
    (folder / ".env").write_text(f"OTHER_TOKEN={planted('.env', PASSWORD)}\n")
    index = f"http://me:{planted('settings of pip', PASSWORD)}@{address}/simple"
    for name, value in {"HF_TOKEN": planted("the token of a build", HF), "PIP_EXTRA_INDEX_URL": index}.items():
        monkeypatch.setenv(name, value)
    return {**cached(root / "huggingface"), "MY_SERVICE_KEY": planted("the environment", PASSWORD)}


def variables_of(folder):
    """The environment variables that an export names."""
    lines = (folder / ".env.example").read_text().splitlines()
    return [line.partition("=")[0] for line in lines if not line.startswith("#")]


def bytes_of(image, folder):
    """A folder with the configuration and history of an image and with all of its layers, each a plain archive."""
    command = ["buildah", "push", "--quiet", "--disable-compression", image, f"dir:{folder}"]
    subprocess.run(command, check=True)
    assert held_in(folder, ["CHECK(job[", "id=hf_token"]) == {"CHECK(job[", "id=hf_token"}
    return folder


def planted_in(*places):
    """Where the secrets that stand in files of these places were planted."""
    held = held_in(*places, SECRETS.values())
    return [name for name, secret in SECRETS.items() if secret in held]


def held_in(*places):
    """Which of the texts, that come last, stand in the bytes of any file of the places."""
    *folders, texts = places
    search = ["grep", "-rohaF", "-f", "-", *folders]
    ran = subprocess.run(search, input="\n".join(texts), capture_output=True, text=True, check=False)
    assert ran.returncode < 2, ran.stderr
    return {*ran.stdout.splitlines()}


def with_fault(out, target, change):
    """A copy of an export whose Dockerfile was changed."""
    shutil.copytree(out, target)
    text = (target / "Dockerfile").read_text()
    changed = change(text)
    assert changed != text
    (target / "Dockerfile").write_text(changed)
    return target


def base_image(hub):
    """The small base image, with the address of the hub in it."""
    name = "localhost/rp-notebook-test-base:1"
    subprocess.run([SCRIPTS / "make-test-base-image", name, f"HF_ENDPOINT={hub}"], check=True)
    return name
