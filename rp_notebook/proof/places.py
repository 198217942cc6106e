"""Where a worker runs while it is proved: a folder with a Python, or an image."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from rp_notebook.errors import ProofImpossible
from rp_notebook.proof.processes import ran
from rp_notebook.proof.worker_process import WorkerProcess, clean_environment, stage


class Place(Protocol):
    """Starts workers of one repository, and runs code beside them."""

    def start(self, environ: Mapping[str, str], log: Path) -> WorkerProcess:
        """A worker with what the platform sets in its environment; what it writes goes to `log`."""

    def ask(self, code: str, *arguments: str) -> str:
        """What `code` prints, run by the worker's Python where handler.py is. Raises `ProofImpossible`."""


class Folder:
    """A copy of a repository in `scratch`, where nothing else is, run by `python`."""

    def __init__(
        self, folder: Path, scratch: Path, *, python: str = sys.executable, pass_env: Iterable[str] = ()
    ) -> None:
        self._staged, self._python = scratch / "worker", python
        home = scratch / "home"
        home.mkdir(exist_ok=True)
        stage(folder, self._staged)
        self._environ = clean_environment(os.environ, home, pass_env)

    def start(self, environ: Mapping[str, str], log: Path) -> WorkerProcess:
        return WorkerProcess(self._staged, {**self._environ, **environ}, log, self._python)

    def ask(self, code: str, *arguments: str) -> str:
        command = [self._python, "-B", "-s", "-c", code, *arguments]
        return answer_of(command, f"{self._python} is not a Python that runs", cwd=self._staged, environ=self._environ)


def answer_of(command: list[str], otherwise: str, *, cwd: Path | None = None, environ: Mapping[str, str]) -> str:
    """What a command prints. Raises `ProofImpossible`, beginning with `otherwise`, where it cannot run or fails."""
    try:
        asked = ran(command, env=dict(environ), cwd=cwd, text=True)
    except OSError as error:
        raise ProofImpossible(f"{otherwise}: {error}") from None
    if asked.returncode:
        last = [line for line in asked.stderr.splitlines() if line.strip()][-1:] or [f"exit code {asked.returncode}"]
        raise ProofImpossible(f"{otherwise}: {last[0]}")
    printed: str = asked.stdout
    return printed
