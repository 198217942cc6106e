"""Where the files of this machine go in a worker's repository: each has one place, and no place has two files."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from rp_notebook.export.file_tables import MOUNTED

ASSETS = "assets"


class Shelves:
    """Gives out names in the repository. `base` is the notebook's folder; names in `taken` are the repository's own."""

    def __init__(self, base: Path, taken: frozenset[str]) -> None:
        self._base = base
        self._taken = taken
        self._sources: dict[str, Path] = {}
        self._folders: dict[str, Path] = {}

    def as_written(self, source: Path, name: str) -> str | None:
        """The place that code finds by the relative path `name` it is written with; None where that cannot be."""
        return self._claimed(source, os.path.normpath(name).replace(os.sep, "/"))

    def place(self, source: Path) -> str:
        """A place for a file: as below the notebook's folder, else among the assets."""
        if source.is_relative_to(self._base):
            name = self._claimed(source, source.relative_to(self._base).as_posix())
            if name is not None:
                return name
        folder = ASSETS
        for part in [None, *reversed(source.parent.parts[1:])]:
            folder = folder if part is None else f"{folder}/{part}"
            name = self._claimed(source, f"{folder}/{source.name}")
            if name is not None:
                return name
        raise AssertionError(f"{source.name} has no place")  # its whole path is a place of its own

    def folder(self, source: Path) -> str:
        """A place for a folder, "" for the notebook's own."""
        if source.is_relative_to(self._base):
            name = source.relative_to(self._base).as_posix()
            if name == "." or PurePosixPath(name).parts[0] not in MOUNTED:
                return "" if name == "." else name
        home = source == Path.home()  # its name would be somebody's
        name = f"{ASSETS}/{'home' if home else source.name}".rstrip("/")
        while self._folders.setdefault(name, source) != source:
            name += "-more"
        return name

    def _claimed(self, source: Path, name: str) -> str | None:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or path.parts[:1] == () or path.parts[0] in MOUNTED:
            return None
        above = {parent.as_posix() for parent in path.parents}
        if name in self._taken or above & {*self._sources, *self._taken}:
            return None
        if any(other.startswith(f"{name}/") for other in self._sources):
            return None
        return name if self._sources.setdefault(name, source) == source else None
