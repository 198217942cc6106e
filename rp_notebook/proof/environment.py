"""A fresh virtual environment from a worker's requirements alone, with nothing of this one's packages."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from rp_notebook.errors import ProofImpossible
from rp_notebook.export.manifest import MANIFEST
from rp_notebook.export.repo import BASE_REQUIREMENTS, REQUIREMENTS
from rp_notebook.proof.processes import ran

LINES_TOLD = 8


class InstallFailed(Exception):
    """The requirements cannot be installed together; `tail` is what pip wrote last."""

    def __init__(self, tail: str) -> None:
        super().__init__("the requirements cannot be installed")
        self.tail = tail


def worker_python(folder: Path) -> str:
    """A Python of the version that the worker was exported for. Raises `ProofImpossible` where there is none."""
    wanted = _wanted(folder)
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if wanted in (None, here):
        return sys.executable
    found = shutil.which(f"python{wanted}")
    if found is None:
        message = f"the worker runs on Python {wanted}, and there is no python{wanted} here (this one is {here})"
        raise ProofImpossible(f"{message}: install it, or prove at level image")
    return found


def fresh_environment(folder: Path, target: Path) -> str:
    """The Python of a new environment in `target` with all that the folder's requirements name.

    Raises `InstallFailed`, and `ProofImpossible` where no environment can be made.
    """
    made = ran([worker_python(folder), "-m", "venv", str(target)], text=True)
    if made.returncode:
        raise ProofImpossible(f"no virtual environment can be made here: {(made.stderr or made.stdout).strip()[-300:]}")
    python = str(target / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    names = [name for name in (BASE_REQUIREMENTS, REQUIREMENTS) if (folder / name).is_file()]
    asked = [word for name in names for word in ("-r", name)]
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *asked]
    # Lines such as ./vendor/x.whl are relative to where pip runs.
    installed = ran(command, cwd=folder, env=_of_pip(), text=True)
    if installed.returncode:
        lines = [line for line in installed.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        raise InstallFailed("\n".join(lines[-LINES_TOLD:]))
    return python


def _wanted(folder: Path) -> str | None:
    try:
        said = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    version = said.get("python") if isinstance(said, dict) else None
    return version if isinstance(version, str) else None


def _of_pip() -> dict[str, str]:
    """This environment without what would bring our own packages along."""
    return {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }
