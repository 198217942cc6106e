"""Putting a repository on disk so that a crash leaves the old folder or the new one, and nobody's file is lost."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from rp_notebook.errors import FolderNotOurs
from rp_notebook.export.exchange import exchange
from rp_notebook.export.manifest import MANIFEST, digest, files_of
from rp_notebook.export.repo import Repo

Written = Literal["created", "replaced", "unchanged"]

# What tools leave in a worker's folder: kept, and no sign that somebody edited it.
LEFT_ALONE = frozenset({"__pycache__", ".git", ".ipynb_checkpoints", ".venv"})
SHOWN = 5


def write_repo(repo: Repo, folder: Path, *, force: bool = False) -> Written:
    """Write a repository to `folder` and say what was done; the same repository again touches nothing.

    Raises `FolderNotOurs` for a file, for a folder that holds files that we did not write or that were edited since
    (`force` replaces what has the name of one of ours and keeps the rest), for the folder that the process works in
    and for a mount point, neither of which can be exchanged for a new one.
    """
    target = Path(os.path.realpath(folder))  # a symbolic link stays; what it points to is written
    _refuse_in_the_way(target, folder)
    _clean_up(target)
    listed = _listed(target)
    strangers = _strangers(target, listed)
    if strangers and not force:
        raise FolderNotOurs(_told(folder, strangers, listed is not None))
    if _is_written(repo, target, listed or {}):
        return "unchanged"
    keep = list(_kept(target, repo, listed or {}))
    _refuse_conflicts(keep, repo, folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    holder = Path(tempfile.mkdtemp(prefix=_prefix(target), dir=target.parent))
    try:
        _fill(holder / "new", repo, target, keep)
        _swap(holder, target)
    finally:
        shutil.rmtree(holder, ignore_errors=True)
    return "replaced" if strangers or listed is not None else "created"


def _refuse_in_the_way(target: Path, folder: Path) -> None:
    if target.exists() and not target.is_dir():
        raise FolderNotOurs(f"{folder} is a file: name a folder to write the worker to")
    if target.is_dir() and Path.cwd().is_relative_to(target):
        raise FolderNotOurs(f"{folder} is, or holds, the folder that this process works in: name one below it")
    if os.path.ismount(target):  # pathlib has no such question on Windows before 3.12
        raise FolderNotOurs(f"{folder} is a mount point, which cannot be replaced as a whole: name a folder below it")


def _listed(target: Path) -> dict[str, str] | None:
    try:
        return files_of((target / MANIFEST).read_bytes())
    except OSError:
        return None


def _entries(folder: Path, below: str = "") -> Iterator[tuple[str, Path]]:
    """Each file, symbolic link and empty folder, by POSIX name; folders that are left alone as one entry."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name = below + path.name
        if path.is_dir() and not path.is_symlink() and path.name not in LEFT_ALONE and any(path.iterdir()):
            yield from _entries(path, f"{name}/")
        else:
            yield name, path


def _strangers(target: Path, listed: dict[str, str] | None) -> list[str]:
    known = listed or {}
    return [
        name
        for name, path in _entries(target)
        if path.name not in LEFT_ALONE
        and not (path.is_dir() and not path.is_symlink())
        and not (name == MANIFEST and listed is not None)
        and not _is_as_written(path, known.get(name))
    ]


def _is_as_written(path: Path, sha256: str | None) -> bool:
    return sha256 is not None and path.is_file() and not path.is_symlink() and digest(path.read_bytes()) == sha256


def _told(folder: Path, strangers: list[str], is_ours: bool) -> str:
    names = ", ".join(strangers[:SHOWN])
    more = f" and {len(strangers) - SHOWN} more" if len(strangers) > SHOWN else ""
    why = "was edited since it was written" if is_ours else "holds files that rp-notebook did not write"
    return f"{folder} {why}: {names}{more}; name another folder, or --force to write over what is in the way"


def _is_written(repo: Repo, target: Path, listed: dict[str, str]) -> bool:
    if not set(listed) <= set(repo):
        return False
    paths = ((target / name, body) for name, body in repo.items())
    return all(path.is_file() and not path.is_symlink() and path.read_bytes() == body for path, body in paths)


def _kept(target: Path, repo: Repo, listed: dict[str, str]) -> Iterator[tuple[str, Path]]:
    for name, path in _entries(target):
        is_folder = path.is_dir() and not path.is_symlink()
        replaced = name in repo or name == MANIFEST or name in listed
        if is_folder or not replaced:
            yield name, path


def _refuse_conflicts(keep: list[tuple[str, Path]], repo: Repo, folder: Path) -> None:
    for name, path in keep:
        is_file = path.is_symlink() or not path.is_dir()
        above = [ours for ours in repo if name.startswith(f"{ours}/") or name == ours]
        below = [ours for ours in repo if ours.startswith(f"{name}/")] if is_file else []
        if above or below:
            raise FolderNotOurs(f"{folder}/{name} is where {(above or below)[0]} has to go: move it away")


def _prefix(target: Path) -> str:
    return f".{target.name}.rp-notebook-"


def _clean_up(target: Path) -> None:
    """Removes what a crash of ours left beside the target, and puts back a folder that it left moved away."""
    for left in list(target.parent.iterdir()) if target.parent.is_dir() else ():
        if not (left.name.startswith(_prefix(target)) and left.is_dir()):
            continue
        if {path.name for path in left.iterdir()} <= {"new", "old"}:
            if (left / "old").exists() and not target.exists():
                (left / "old").rename(target)
            shutil.rmtree(left, ignore_errors=True)


def _fill(new: Path, repo: Repo, target: Path, keep: list[tuple[str, Path]]) -> None:
    new.mkdir()  # not the holder itself, which only its owner may read
    for name, body in repo.items():
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        (new / name).write_bytes(body)
    for name, path in keep:
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        _carry(path, new / name)
    if target.is_dir():
        shutil.copymode(target, new)


def _carry(old: Path, new: Path) -> None:
    # Linked, never moved: whatever happens before the exchange, the old folder is still whole.
    if old.is_dir() and not old.is_symlink():
        shutil.copytree(old, new, symlinks=True, copy_function=_link, dirs_exist_ok=True)
    elif old.is_symlink():
        new.symlink_to(old.readlink())
    else:
        _link(str(old), str(new))


def _link(old: str, new: str) -> None:
    try:
        os.link(old, new, follow_symlinks=False)
    except OSError:  # a file system without hard links, or a volume mounted inside the folder
        shutil.copy2(old, new, follow_symlinks=False)


def _swap(holder: Path, target: Path) -> None:
    new = holder / "new"
    if not target.exists():
        new.rename(target)
    elif not exchange(new, target):
        target.rename(holder / "old")
        try:
            new.rename(target)
        except OSError:
            (holder / "old").rename(target)
            raise
