import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rp_notebook.export.base_images import CUDA_IMAGES
from rp_notebook.export.dockerfile import dockerfile, dockerignore
from rp_notebook.export.models import Model
from rp_notebook.export.weights import Weights

PLAIN = {"python": "3.11", "torch_build": None, "files": ["handler.py"]}
KINDS = {
    "cpu": PLAIN,
    "cuda": {**PLAIN, "torch_build": "cu124", "apt": ["git", "ffmpeg"]},
    "cuda, the distribution's python": {**PLAIN, "torch_build": "cu130", "python": "3.12"},
    "own base": {**PLAIN, "base": "runpod/pytorch:1.0.3-cu1281-torch291-ubuntu2404"},
    "baked": {**PLAIN, "weights": Weights((Model("a/b", "from_pretrained"),), "bake", token=True)},
    "on a volume": {**PLAIN, "weights": Weights((Model("a/b", "from_pretrained"),), "volume")},
    "vendored": {**PLAIN, "files": ["handler.py", "vendor/a-1-py3-none-any.whl"]},
    "odd names": {**PLAIN, "files": ["handler.py", "data/two words.json", "data/$x[1].json"]},
}


def instructions(text: str) -> list[str]:
    joined = re.sub(r"\\\n\s*", "", text)
    return [line for line in joined.splitlines() if line and not line.startswith("#")]


def base_of(text: str) -> str:
    return instructions(text)[0].removeprefix("ARG BASE_IMAGE=")


def test_the_base_image_can_be_replaced():
    assert instructions(dockerfile(**PLAIN))[:2] == [
        "ARG BASE_IMAGE=python:3.11-slim-bookworm",
        "FROM ${BASE_IMAGE}",
    ]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_base_image_has_a_tag_that_does_not_move(kind):
    image, _, tag = base_of(dockerfile(**kind)).rpartition(":")
    assert image
    assert tag not in ("", "latest")


@pytest.mark.parametrize("build", ["cpu", None, "rocm6.2"])
def test_without_cuda_a_plain_python_is_enough(build):
    assert base_of(dockerfile(python="3.13", torch_build=build, files=[])).startswith("python:3.13-slim")


@pytest.mark.parametrize("image", CUDA_IMAGES, ids=lambda image: image.build)
def test_each_cuda_build_has_its_image(image):
    assert base_of(dockerfile(python="3.11", torch_build=image.build, files=[])) == image.image


def test_an_image_named_by_the_user_wins_and_its_packages_are_used():
    text = dockerfile(python="3.11", torch_build="cu124", files=[], base="runpod/base:1.0.7-ubuntu2404")
    assert base_of(text) == "runpod/base:1.0.7-ubuntu2404"
    assert "--system-site-packages" in text
    assert "deadsnakes" not in text


def test_python_is_installed_where_the_cuda_image_has_none():
    text = dockerfile(python="3.11", torch_build="cu124", files=[])
    assert "ppa:deadsnakes/ppa" in text
    assert "python3.11 -m venv /opt/venv" in text


def test_the_distributions_own_python_needs_no_further_archive():
    text = dockerfile(python="3.10", torch_build="cu124", files=[])
    assert "deadsnakes" not in text
    assert "python3.10-venv" in text


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_packages_are_installed_before_the_code_is_copied(kind):
    lines = instructions(dockerfile(**kind))
    install = lines.index("RUN pip install --no-cache-dir -r /requirements.txt")
    assert "COPY requirements.txt /requirements.txt" in lines[install - 2 : install]
    copies = [number for number, line in enumerate(lines) if line.startswith("COPY")]
    assert all(number >= install - 2 or "vendor" in lines[number] or number > install for number in copies)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_worker_starts_unbuffered_where_its_test_input_lies(kind):
    lines = instructions(dockerfile(**kind))
    assert lines[-2:] == ["WORKDIR /app", 'CMD ["python", "-u", "/app/handler.py"]']
    environment = next(line for line in lines if line.startswith("ENV PYTHON"))
    assert "RUNPOD_LOG_LEVEL=INFO" in environment
    assert "/workspace" not in environment


def test_layers_go_from_what_changes_least_to_the_code():
    lines = instructions(dockerfile(**{**KINDS["baked"], "apt": ["git"], "files": ["handler.py", "fetch_weights.py"]}))
    marks = [
        "apt-get",
        "venv /opt/venv",
        "requirements.txt",
        "USER 1001",
        "fetch_weights.py",
        "OFFLINE=1",
        "handler.py /app/",
    ]
    places = [next(number for number, line in enumerate(lines) if mark in line) for mark in marks]
    assert places == sorted(places)
    assert sum("fetch_weights.py" in line for line in lines) == 2  # it is copied for its step, and not beside the code


def test_a_token_is_mounted_for_the_step_that_needs_it_and_left_in_no_layer():
    text = dockerfile(**KINDS["baked"])
    step = next(line for line in instructions(text) if "fetch_weights.py" in line and line.startswith("RUN"))
    assert "--mount=type=secret,id=hf_token" in step
    assert not any("HF_TOKEN" in line for line in instructions(text) if not line.startswith("RUN"))
    assert "--secret id=hf_token,env=HF_TOKEN" in text.splitlines()[0]
    without = dockerfile(**{**PLAIN, "weights": Weights((Model("a/b", "from_pretrained"),), "bake")})
    assert "secret" not in without


@pytest.mark.parametrize(
    ("kind", "plain_user"),
    [("cpu", True), ("cuda", True), ("baked", True), ("own base", False), ("on a volume", False)],
)
def test_the_worker_is_no_root_where_the_base_and_the_weights_allow(kind, plain_user):
    lines = instructions(dockerfile(**KINDS[kind]))
    assert ("USER 1001" in lines) is plain_user
    if plain_user:
        made = next(line for line in lines if "useradd" in line)
        assert "chown worker:worker /app /opt/huggingface" in made


def test_wheels_of_this_machine_are_there_before_they_are_installed_and_not_twice():
    lines = instructions(dockerfile(**KINDS["vendored"]))
    assert lines.index("COPY vendor/ /vendor/") < lines.index("RUN pip install --no-cache-dir -r /requirements.txt")
    assert [line for line in lines if "vendor" in line] == ["COPY vendor/ /vendor/"]


def test_each_file_is_copied_by_name_to_its_own_folder_and_code_last():
    data = ["model.onnx", "weights/config.json", "weights/big.bin"]
    files = ["handler.py", "test_input.json", "pkg/b.py", "pkg/a.py", "pkg/deep/c.py", *data]
    assert [line for line in instructions(dockerfile(**{**PLAIN, "files": files})) if line.startswith("COPY")][1:] == [
        "COPY model.onnx /app/",
        "COPY weights/big.bin weights/config.json /app/weights/",
        "COPY handler.py test_input.json /app/",
        "COPY pkg/a.py pkg/b.py /app/pkg/",
        "COPY pkg/deep/c.py /app/pkg/deep/",
    ]


def test_a_name_with_signs_of_the_builders_own_is_copied_as_it_is():
    lines = instructions(dockerfile(**{**PLAIN, "files": ["a b/$x[1].txt"]}))
    copy = next(line for line in lines if line.startswith("COPY ["))
    assert json.loads(copy.removeprefix("COPY ")) == ["a b/\\$x[[]1].txt", "/app/a b/"]


def test_system_packages_are_sorted_and_leave_no_lists():
    (line,) = [
        line for line in instructions(dockerfile(**{**PLAIN, "apt": ["git", "ffmpeg", "git"]})) if "apt-get" in line
    ]
    assert "--no-install-recommends ffmpeg git && rm -rf /var/lib/apt/lists/*" in line


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_old_builders_can_read_it(kind):
    text = dockerfile(**kind)
    assert "<<" not in text
    assert "--link" not in text
    assert text.isascii()
    assert "linux/amd64" in text


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_linter_has_nothing_to_say(kind):
    said = subprocess.run(
        [str(Path(sys.executable).parent / "hadolint"), "-"],
        input=dockerfile(**kind),
        text=True,
        capture_output=True,
        check=False,
    )
    assert (said.returncode, said.stdout) == (0, "")


def test_secrets_notebooks_and_tests_stay_out_of_the_build():
    patterns = dockerignore(["handler.py"]).splitlines()
    assert {".env", ".git/", "tests/", "*.ipynb", ".venv/", "**/__pycache__/"} <= set(patterns)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [("tests/data.py", "tests/"), ("intro.ipynb", "*.ipynb"), ("venv/x.py", "venv/"), ("a/b.pyc", "**/*.pyc")],
)
def test_nothing_that_is_copied_is_ignored(name, pattern):
    assert pattern in dockerignore(["handler.py", f"other/{name}x"]).splitlines()
    assert pattern not in dockerignore(["handler.py", name]).splitlines()
