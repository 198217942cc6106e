"""Repositories that a notebook cloned: from where, to where, and what is checked out there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from rp_notebook.export.shell_lines import Command


@dataclass(frozen=True)
class Clone:
    """A repository that the notebook cloned into `folder`; `commit` is what is checked out there, None if unknown."""

    cell: int
    url: str
    folder: Path
    commit: str | None


def at(folder: Path, name: str) -> Path:
    """The path that a command in `folder` means by a name."""
    return Path(os.path.normpath(folder / os.path.expanduser(name)))  # noqa: PTH111 (a text, as the shell has it)


def clones_by(command: Command, cwd: Path) -> Iterator[Clone]:
    """The repository that a `git clone` in `cwd` made."""
    rest = command.words[command.words.index("clone") + 1 :]
    alone: list[str] = []
    valued = False
    for word in rest:
        if not valued and not word.startswith("-"):
            alone.append(word)
        valued = word in (
            "-b",
            "--branch",
            "--depth",
            "-o",
            "--origin",
            "-c",
            "--config",
            "--reference",
            "-j",
            "--jobs",
        )
    if not alone:
        return
    url = alone[0]
    parts = urlsplit(url)
    name = alone[1] if len(alone) > 1 else url.rstrip("/").rpartition("/")[2].removesuffix(".git")
    public = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")) if parts.netloc else url
    folder = at(cwd, name)
    yield Clone(command.cell, public, folder, commit_of(folder))


def commit_of(folder: Path) -> str | None:
    """The commit that is checked out in a clone, read from its files: git, which runs hooks, is not asked."""
    git = folder / ".git"
    try:
        head = (git / "HEAD").read_text("ascii").strip()
        if not head.startswith("ref: "):
            return head
        ref = head.removeprefix("ref: ")
        if (git / ref).is_file():
            return (git / ref).read_text("ascii").strip()
        packed = (git / "packed-refs").read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return next((line.split()[0] for line in packed if line.endswith(f" {ref}")), None)
