"""Reads a worker repository from the disk, and writes what it is as cells: the notebook, and the files beside it."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from rp_notebook.errors import BadInput
from rp_notebook.export.importing import Imported, imported
from rp_notebook.jobs.payload import MB

LIMIT = 100 * MB  # larger ones are weights, and stay where they are
_LEFT = frozenset({".git", "__pycache__", ".venv", "venv", "node_modules", ".ipynb_checkpoints"})


def read_worker(folder: Path) -> Imported:
    """The worker in a folder, as cells. Raises `BadInput` where there is none."""
    if not folder.is_dir():
        raise BadInput(f"there is no folder {folder}")
    files: dict[str, bytes] = {}
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - _LEFT)
        for path in (Path(place) / name for name in sorted(names)):
            if path.is_file() and path.stat().st_size <= LIMIT:
                files[path.relative_to(folder).as_posix()] = path.read_bytes()
    return imported(files, is_installed)


def write_beside(files: Mapping[str, bytes], target: Path, *, force: bool = False) -> list[str]:
    """Writes files into a folder; those that are there already stay. Gives the names of the new ones.

    Raises `BadInput`, before anything is written, where another file has such a name, unless `force`.
    """
    new = [name for name, body in files.items() if not _is_same(target / name, body)]
    taken = [name for name in new if (target / name).exists()]
    if taken and not force:
        raise BadInput(f"{', '.join(taken[:3])}: another file of that name is in {target}; --force replaces it")
    for name in new:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(files[name])
    return new


def write_notebook(worker: Imported, notebook: Path, *, force: bool = False) -> list[str]:
    """Writes a worker as a notebook with its files beside it; gives the names of what is new there.

    Raises `BadInput` where something else is there already, unless `force`.
    """
    if notebook.suffix != ".ipynb":
        raise BadInput(f"{notebook} is no notebook's name: end it in .ipynb")
    files = {notebook.name: worker.notebook.encode(), **worker.files}
    notebook.parent.mkdir(parents=True, exist_ok=True)
    return write_beside(files, notebook.parent, force=force)


def is_installed(line: str) -> bool:
    """Whether the distribution of a line of requirements.txt is installed here, in whichever version."""
    try:
        importlib.metadata.version(Requirement(line.partition(" #")[0].partition(" --")[0]).name)
    except (InvalidRequirement, importlib.metadata.PackageNotFoundError):
        return False
    return True


def _is_same(path: Path, body: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(body) and path.read_bytes() == body
