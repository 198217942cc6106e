"""The GitHub workflow of a worker: its tests on every push, its image at every push, published at a release."""

from __future__ import annotations

from rp_notebook.export.base_images import held_by
from rp_notebook.export.draft import Draft
from rp_notebook.export.readme import image_name

WORKFLOW = ".github/workflows/ci.yml"

# The actions that RunPod's own workers use, by their major versions (2026-11).
_CHECKOUT, _PYTHON = "actions/checkout@v4", "actions/setup-python@v5"
_BUILDX, _LOGIN, _BUILD = "docker/setup-buildx-action@v3", "docker/login-action@v3", "docker/build-push-action@v6"
# A hosted runner has about 14 GB free; what these folders hold no worker needs.
_ROOMY_GB = 8
_FREE_DISK = "sudo rm -rf /usr/share/dotnet /usr/local/lib/android /opt/ghc /usr/local/share/boost"


def workflow(draft: Draft, *, has_tests: bool) -> str:
    """The text of ci.yml; `has_tests` says whether tests/test_handler.py is there."""
    free = [_step(run=_FREE_DISK)] if draft.machine.image_gb > _ROOMY_GB else []
    jobs = [_tests(draft, free) if has_tests else "", _image(draft, free)]
    return _HEAD + "".join(jobs)


_HEAD = """\
# Tests the worker and builds its image; a release publishes it as DOCKERHUB_REPO/DOCKERHUB_IMAGE:TAG.
# Set the variables DOCKERHUB_REPO and DOCKERHUB_IMAGE, and the secrets DOCKERHUB_USERNAME and DOCKERHUB_TOKEN.
name: CI

on:
  push:
    branches: [main]
  pull_request:
  release:
    types: [published]

permissions:
  contents: read

jobs:
"""


def _tests(draft: Draft, free: list[str]) -> str:
    env = {one.name: f"${{{{ secrets.{one.name} }}}}" for one in draft.needs.variables if one.secret}
    system = f"sudo apt-get update && sudo apt-get install -y --no-install-recommends {' '.join(draft.needs.apt)}"
    base = "-r requirements-base.txt " if held_by(draft.base or "") else ""
    steps = [
        _step(uses=_CHECKOUT),
        *free,
        _step(uses=_PYTHON, given={"python-version": f'"{draft.python}"', "cache": "pip"}),
        *([_step(run=system)] if draft.needs.apt else []),
        _step(run=f"python -m pip install {base}-r requirements.txt pytest"),
        _step(run="python -m pytest tests", env=env),
    ]
    return _job("test", "ubuntu-latest", steps)


def _image(draft: Draft, free: list[str]) -> str:
    name = f"${{{{ vars.DOCKERHUB_REPO || 'local' }}}}/${{{{ vars.DOCKERHUB_IMAGE || '{image_name(draft.handler)}' }}}}"
    given = {
        "context": ".",
        "platforms": "linux/amd64",
        "push": "${{ github.event_name == 'release' }}",
        "tags": name + ":${{ github.event.release.tag_name || github.sha }}",
    }
    given |= (
        {"secrets": "hf_token=${{ secrets.HF_TOKEN }}"} if draft.weights.mode == "bake" and draft.weights.token else {}
    )
    login = {"username": "${{ secrets.DOCKERHUB_USERNAME }}", "password": "${{ secrets.DOCKERHUB_TOKEN }}"}
    steps = [
        _step(uses=_CHECKOUT),
        *free,
        _step(uses=_BUILDX),
        _step(uses=_LOGIN, only_if="github.event_name == 'release'", given=login),
        _step(uses=_BUILD, given=given),
    ]
    return _job("image", "ubuntu-latest", steps)


def _job(name: str, runner: str, steps: list[str]) -> str:
    return f"  {name}:\n    runs-on: {runner}\n    steps:\n" + "".join(steps)


def _step(
    *,
    uses: str = "",
    run: str = "",
    only_if: str = "",
    given: dict[str, str] | None = None,
    env: dict[str, str] | None = None,
) -> str:
    lines = [f"uses: {uses}" if uses else f"run: {run}"]
    lines += [f"if: {only_if}"] if only_if else []
    for key, values in (("with", given), ("env", env)):
        lines += [f"{key}:", *(f"  {name}: {value}" for name, value in values.items())] if values else []
    return f"      - {lines[0]}\n" + "".join(f"        {line}\n" for line in lines[1:])
