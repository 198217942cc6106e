"""From a path that code may name to the files on this machine that it means."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

from rp_notebook.export.file_tables import LEFT_BEHIND, MATCHERS, SYSTEM, WORKER_VOLUME
from rp_notebook.export.opened import Use
from rp_notebook.export.path_texts import HOLE, Text
from rp_notebook.export.secret_files import below

_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True)
class Found:
    """A file that a use of a path means: `text` named it, seen from the folder `cwd`."""

    path: Path
    text: Text
    cwd: str


def found_by(use: Use, folders: Iterable[str]) -> list[Found]:
    """The files that a use means, from the first of `folders` where there is any; none for what is no path of ours."""
    found: list[Found] = []
    for text in use.texts:
        if "://" in text.text or is_elsewhere(text.text):
            continue
        for cwd in folders:
            paths = sorted(_files(use, text.text, cwd))
            if paths:
                found += [Found(path, text, cwd) for path in paths]
                break
    return list(dict.fromkeys(found))


def is_elsewhere(text: str) -> bool:
    """Whether a path leads to a part of the system, or to a volume that only the worker has."""
    return any(text == folder or text.startswith(f"{folder}/") for folder in (*SYSTEM, WORKER_VOLUME))


def _files(use: Use, text: str, cwd: str) -> Iterator[Path]:
    if HOLE in text:
        if use.kind in ("read", "folder"):
            yield from _matching(text, cwd)
        return
    path = Path(os.path.normpath(Path(cwd) / text))
    try:
        if path.is_file():
            if use.kind != "mention" or "." in text or "/" in text:
                yield path
        elif use.kind == "folder" and path.is_dir():
            if _may_be_whole(path, cwd):
                yield from below(path, LEFT_BEHIND)
        elif use.kind == "folder" and use.call in MATCHERS and _WILDCARDS & set(text):
            yield from _globbed(str(path))
    except OSError:  # a text that is no file name, or a folder that may not be read
        return


def _matching(text: str, cwd: str) -> Iterator[Path]:
    """Files by a pattern with holes: it must say a folder, or how the names end."""
    start, _, rest = text.partition(HOLE)
    end = rest.rpartition(HOLE)[2] if HOLE in rest else rest
    folder = Path(os.path.normpath(Path(cwd) / os.path.dirname(start)))  # noqa: PTH120 (a text with holes)
    if not ((os.path.dirname(start) or "." in end) and _may_be_whole(folder, cwd, named="." in end)):  # noqa: PTH120 (as above)
        return
    pattern = "*".join(glob.escape(part) for part in text.split(HOLE))
    yield from _globbed(os.path.normpath(Path(cwd) / pattern))


def _globbed(pattern: str) -> Iterator[Path]:
    start = len(Path(pattern.partition("*")[0]).parts)
    for name in glob.iglob(pattern, recursive=True):  # noqa: PTH207 (the pattern is a text)
        path = Path(name)
        if path.is_file() and not LEFT_BEHIND & set(path.parts[max(start - 1, 0) :]):
            yield path


def _may_be_whole(folder: Path, cwd: str, *, named: bool = False) -> bool:
    """Whether a folder is one that somebody keeps data in, as opposed to the home, the root or a scratch folder."""
    wide = {Path("/"), Path.home(), Path(gettempdir()), *([] if named else [Path(cwd), *Path(cwd).parents])}
    return folder not in wide
