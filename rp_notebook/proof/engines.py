"""Builds an image from a repository's Dockerfile and runs workers in it: by Docker, Podman, or Buildah alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

from rp_notebook.errors import ProofImpossible
from rp_notebook.proof.places import answer_of
from rp_notebook.proof.worker_process import GRACE_S, WorkerProcess, tail_of

Name = Literal["docker", "podman", "buildah"]
NO_ENGINE = (
    "an image needs docker, podman or buildah, and none runs here: apt-get install buildah (as root, no daemon), "
    "or prove at level venv"
)
REMOVALS, PAUSE_S = 5, 0.5
PLATFORM = "linux/amd64"  # of RunPod's machines


class BuildFailed(Exception):
    """The Dockerfile does not build; `tail` is what the builder wrote last."""

    def __init__(self, tail: str) -> None:
        super().__init__("the image does not build")
        self.tail = tail

    @property
    def without_base(self) -> bool:
        """Whether the step that failed, the last that the builder names, is the one that fetches the base image."""
        steps = [line for line in self.tail.splitlines() if line.startswith(("STEP ", "Step ")) or ">>> " in line]
        return bool(steps) and " FROM " in steps[-1]


@dataclass(frozen=True)
class Engine:
    """A builder that works on this machine."""

    name: Name

    @property
    def mounts(self) -> bool:
        """Whether a build can be given folders of this machine."""
        return self.name != "docker"

    def build(self, folder: Path, tag: str, log: Path, *, base: str | None = None, volumes: Sequence[str] = ()) -> None:
        """Builds the folder's Dockerfile as `tag`, on `base` instead of its own. Raises `BuildFailed`."""
        arguments = ["--build-arg", f"BASE_IMAGE={base}"] if base else []
        # A token in this environment is for the step of the build that asks for it, and for no layer.
        arguments += ["--secret", "id=hf_token,env=HF_TOKEN"] if os.environ.get("HF_TOKEN") else []
        if self.name == "buildah":
            command = ["buildah", "build", "--isolation", "chroot", "--network", "host", "--layers"]
        else:
            command = [self.name, "build", "--platform", PLATFORM]
        with log.open("wb") as out:
            command = [*command, *arguments, *volumes, "--tag", tag, str(folder)]
            built = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False)
        if built.returncode:
            raise BuildFailed(tail_of(log))

    def remove(self, tag: str) -> None:
        """Forgets an image; its layers stay for the next build where the engine keeps them."""
        subprocess.run([self.name, "rmi", tag], capture_output=True, check=False)


def engine_here() -> Engine:
    """The first of the three that works here. Raises `ProofImpossible` where none does."""
    for name, asked in (("docker", "info"), ("podman", "info"), ("buildah", "version")):
        if shutil.which(name):
            # A client without its daemon is there, and does not work.
            answered = subprocess.run([name, asked], capture_output=True, check=False, timeout=60)
            if answered.returncode == 0:
                return Engine(name)  # type: ignore[arg-type] # the names above
    raise ProofImpossible(NO_ENGINE)


class Container:
    """An image as a place to run workers in: nothing of this machine's environment but what `pass_env` names."""

    def __init__(self, engine: Engine, tag: str, pass_env: Iterable[str] = ()) -> None:
        self._engine, self._tag = engine, tag
        self._environ = {name: os.environ[name] for name in pass_env if name in os.environ}

    def start(self, environ: Mapping[str, str], log: Path) -> WorkerProcess:
        given = {**self._environ, **environ}
        if self._engine.name != "buildah":
            name = f"rp-notebook-{uuid4().hex[:12]}"
            command = [self._engine.name, "run", "--rm", "--network", "host", "--name", name, *_env(given), self._tag]
            return _InContainer(command, log, end=[self._engine.name, "rm", "-f", name])
        container = _said(["buildah", "from", "--pull-never", self._tag])
        config = json.loads(_said(["buildah", "inspect", "--type", "container", container]))["OCIv1"]["config"]
        command = _buildah_run(container, given, [*config.get("Entrypoint", []), *config.get("Cmd", [])])
        return _InContainer(command, log, end=["buildah", "rm", container])

    def ask(self, code: str, *arguments: str) -> str:
        asked = ["python", "-c", code, *arguments]
        if self._engine.name != "buildah":
            command = [self._engine.name, "run", "--rm", "--network", "host", *_env(self._environ), self._tag, *asked]
            return answer_of(command, "the image has no Python that runs", environ=os.environ)
        container = _said(["buildah", "from", "--pull-never", self._tag])
        try:
            command = _buildah_run(container, self._environ, asked)
            return answer_of(command, "the image has no Python that runs", environ=os.environ)
        finally:
            _said(["buildah", "rm", container])


class _InContainer(WorkerProcess):
    """A worker in a container, which has to be removed when it has ended."""

    def __init__(self, command: Sequence[str], log: Path, *, end: Sequence[str]) -> None:
        self._end = end
        super().__init__(log.parent, os.environ, log, command=command)

    def stop(self, grace_s: float = GRACE_S) -> None:
        super().stop(grace_s)
        for _ in range(REMOVALS):  # what was killed may hold its mounts for a moment longer
            if subprocess.run(self._end, capture_output=True, check=False).returncode == 0:
                return
            time.sleep(PAUSE_S)


def _buildah_run(container: str, environ: Mapping[str, str], command: Sequence[str]) -> list[str]:
    # It reads user, folder and environment of the image, but not its command.
    return ["buildah", "run", "--isolation", "chroot", "--network", "host", *_env(environ), container, "--", *command]


def _env(environ: Mapping[str, str]) -> list[str]:
    return [word for name, value in environ.items() for word in ("--env", f"{name}={value}")]


def _said(command: list[str]) -> str:
    return answer_of(command, f"{' '.join(command[:2])} failed", environ=os.environ).strip()
