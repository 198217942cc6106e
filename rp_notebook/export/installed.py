"""Which installed distribution a module belongs to, from metadata alone: nothing of the user's is imported."""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import importlib.util
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

Find = Callable[[], Iterable[importlib.metadata.Distribution]]
Locate = Callable[[str], Path | None]

SITE_FOLDERS = ("site-packages", "dist-packages")


@dataclass(frozen=True, eq=False)
class Installed:
    """A distribution, with the parts of its metadata that say what it owns and where it came from.

    `record` is its list of files, one a line, after a line break; `folder` is where those names begin.
    """

    distribution: importlib.metadata.Distribution
    name: str
    version: str
    folder: Path
    record: str
    top_level: frozenset[str]
    direct_url: dict[str, Any]
    source_folder: Path | None

    @property
    def key(self) -> str:
        """The canonical name: what makes two spellings the same distribution."""
        return str(canonicalize_name(self.name))

    @cached_property
    def requires(self) -> tuple[str, ...]:
        """Its requirements, as they are written."""
        # As `distribution.requires`, without reading the whole of its description as a mail.
        text = self.distribution.read_text("METADATA")
        if text is None:
            return tuple(self.distribution.requires or ())
        head = text.replace("\r\n", "\n").partition("\n\n")[0].replace("\n ", " ").splitlines()
        return tuple(line.partition(":")[2].strip() for line in head if line.lower().startswith("requires-dist:"))

    @cached_property
    def modules(self) -> frozenset[str]:
        """The top modules and packages on its list, by their names."""
        listed = (line.partition(",")[0] for line in self.record.splitlines() if line)
        tops = {name.partition("/")[0] for name in listed if name.endswith((".py", ".so", ".pyd"))}
        return frozenset(top.partition(".")[0] for top in tops if not top.endswith((".dist-info", ".egg-info", "..")))

    def owns(self, file: Path) -> bool:
        """Whether `file` is on the distribution's list."""
        # The name alone rules out nearly all of them, and resolving paths takes the time.
        shown = f"{file.parent.name}/{file.name}" if file.name == "__init__.py" else file.name
        return shown in self.record and any(f"\n{n}," in self.record for n in _names_below(self.folder, file))

    def holds(self, stem: str) -> bool:
        """Whether a module or folder `stem` (`google/cloud/storage`) is on the list."""
        return f"\n{stem}/" in self.record or f"\n{stem}." in self.record

    def is_source_of(self, file: Path) -> bool:
        """Whether `file` belongs to the folder that an editable install points to."""
        return self.source_folder is not None and bool(_names_below(self.source_folder, file))


def installed(find: Find = importlib.metadata.distributions) -> tuple[Installed, ...]:
    """What is installed, by canonical name; the first on the path wins, as it does for imports."""
    if find is importlib.metadata.distributions:
        folders = [Path(entry or ".") for entry in sys.path]
        return _installed_in(tuple((folder, folder.stat().st_mtime_ns) for folder in folders if folder.exists()))
    return _by_name(find())


# Reading them takes a second where hundreds are installed; an install changes the time of the folder, as importlib's
# own cache trusts.
@lru_cache(maxsize=1)
def _installed_in(_folders: tuple[tuple[Path, int], ...]) -> tuple[Installed, ...]:
    return _by_name(importlib.metadata.distributions())


def _by_name(distributions: Iterable[importlib.metadata.Distribution]) -> tuple[Installed, ...]:
    found: dict[str, Installed] = {}
    for distribution in distributions:
        name, version = _name_and_version(distribution)
        if name:  # an interrupted uninstall leaves folders without one
            found.setdefault(canonicalize_name(name), _read(distribution, name, version))
    return tuple(found[key] for key in sorted(found))


def _name_and_version(distribution: importlib.metadata.Distribution) -> tuple[str, str]:
    """From the head of the metadata: parsing all of it, as the library does, reads a whole README each time."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or distribution.read_text("") or ""
    head = text.partition("\n\n")[0].splitlines()
    said = {key.lower(): value.strip() for key, colon, value in (line.partition(":") for line in head) if colon}
    return said.get("name", ""), said.get("version", "")


def owners(module: str, file: Path | None, among: Iterable[Installed]) -> tuple[Installed, ...]:
    """The distributions that a dotted module may come from, most certain evidence first; () when there is none.

    `file` is the module's file, None for a namespace or where it could not be found.
    """
    known = tuple(among)
    if file is not None:
        if recorded := tuple(one for one in known if one.owns(file)):
            return recorded
        if sources := tuple(one for one in known if one.is_source_of(file)):
            return sources
        if not is_installed(file, known):
            return ()
    parts = module.split(".")
    for depth in range(len(parts), 0, -1):
        stem = "/".join(parts[:depth])
        if holding := tuple(one for one in known if one.holds(stem)):
            return holding
    return tuple(one for one in known if parts[0] in one.top_level)


def is_installed(file: Path, among: Iterable[Installed]) -> bool:
    """Whether a file lies where distributions are installed, as opposed to beside a notebook."""
    if any(part in SITE_FOLDERS for part in file.parts):
        return True
    folders = {one.folder for one in among if one.source_folder is None}  # few, and asking each is slow
    return any(_names_below(folder, file) for folder in folders)


def located(module: str, folders: Sequence[str] = ()) -> Path | None:
    """The file that importing `module` would run, as deep as the dotted name leads to modules.

    Searches `folders` before `sys.path`. Imports nothing: parents are walked by their search paths. None for a
    namespace, a builtin and a module that is not there.
    """
    top, *rest = module.split(".")
    spec = _top_spec(top, folders)
    file = _file_of(spec)
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            break
        # By its last name alone: the path of a namespace asks sys.modules for the parent of a dotted one.
        spec = importlib.machinery.PathFinder.find_spec(part, list(spec.submodule_search_locations))
        file = _file_of(spec) or file
    return file


def is_standard(module: str) -> bool:
    """Whether a module comes with Python."""
    return module.split(".")[0] in sys.stdlib_module_names


def _top_spec(top: str, folders: Sequence[str]) -> importlib.machinery.ModuleSpec | None:
    spec = importlib.machinery.PathFinder.find_spec(top, list(folders)) if folders else None
    if spec is not None and spec.origin is not None:
        return spec
    try:
        return importlib.util.find_spec(top) or spec
    except ValueError:  # a module in sys.modules without a spec, such as __main__
        return spec


def _file_of(spec: importlib.machinery.ModuleSpec | None) -> Path | None:
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None


def _names_below(folder: Path, file: Path) -> list[str]:
    pairs = ((folder, file), (folder.resolve(), file.parent.resolve() / file.name))
    return [inner.relative_to(outer).as_posix() for outer, inner in pairs if inner.is_relative_to(outer)]


def _read(distribution: importlib.metadata.Distribution, name: str, version: str) -> Installed:
    folder = Path(str(distribution.locate_file("")))
    direct = json.loads(distribution.read_text("direct_url.json") or "{}")
    record = distribution.read_text("RECORD")
    listed = (record or "").splitlines() or list(_egg_files(distribution))
    return Installed(
        distribution=distribution,
        name=name,
        version=version,
        folder=folder,
        record="\n" + "".join(f"{line}\n" for line in listed),
        top_level=frozenset((distribution.read_text("top_level.txt") or "").split()),
        direct_url=direct,
        source_folder=_source_folder(distribution, folder, direct, record),
    )


def _egg_files(distribution: importlib.metadata.Distribution) -> Iterator[str]:
    # Distribution packages of Linux list files relative to the .egg-info folder, which lies beside the module.
    for line in (distribution.read_text("installed-files.txt") or "").splitlines():
        yield line.removeprefix("../") + ","


def _source_folder(
    distribution: importlib.metadata.Distribution, folder: Path, direct: dict[str, Any], record: str | None
) -> Path | None:
    if direct.get("dir_info", {}).get("editable"):
        return Path(unquote(urlsplit(direct.get("url", "")).path))
    # `setup.py develop` leaves its .egg-info in the checkout itself.
    if record is None and folder.name not in SITE_FOLDERS and distribution.read_text("SOURCES.txt") is not None:
        return folder
    return None
