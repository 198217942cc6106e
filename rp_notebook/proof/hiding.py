"""What a clean process must not see of this Python: the packages that a worker's requirements do not bring along."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from rp_notebook.export.closure import closure, required
from rp_notebook.export.installed import Find, Installed, installed
from rp_notebook.export.repo import BASE_REQUIREMENTS, REQUIREMENTS

_OURS = ("psutil",)  # what the clean process itself may import


@dataclass(frozen=True)
class Hidden:
    """The distributions to hide, by canonical name, and the top modules that are theirs alone."""

    names: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()


NOTHING = Hidden()


def hidden_from(files: Mapping[str, bytes], find: Find = importlib.metadata.distributions) -> Hidden:
    """What is installed here, and not by the requirements of a repository; nothing where it has none."""
    if REQUIREMENTS not in files:
        return NOTHING
    known = {one.key: one for one in installed(find)}
    lines = (line for name in (BASE_REQUIREMENTS, REQUIREMENTS) for line in files.get(name, b"").decode().splitlines())
    there = {*closure((*_asked(lines, known), *_OURS), known)}
    seen = {module for key in there for module in known[key].modules}
    others = known.keys() - there
    modules = {module for key in others if known[key].source_folder is None for module in known[key].modules}
    return Hidden(frozenset(others), frozenset(modules - seen))


def distribution_of(module: str, find: Find = importlib.metadata.distributions) -> str | None:
    """The distribution that gives a top module here."""
    return next((one.key for one in installed(find) if module in one.modules), None)


def idle_among(
    keys: Iterable[str], loaded: Iterable[str], find: Find = importlib.metadata.distributions
) -> frozenset[str]:
    """Those of the distributions of which none of the `loaded` top modules is."""
    seen = frozenset(loaded)
    modules = {one.key: one.modules for one in installed(find)}
    return frozenset(key for key in keys if not modules.get(key, seen) & seen)


def _asked(lines: Iterable[str], known: Mapping[str, Installed]) -> Iterable[str]:
    """The distributions that lines of requirements name, and those that their extras bring."""
    for line in lines:
        need = _requirement(line)
        if need is not None:
            key = str(canonicalize_name(need.name))
            yield key
            brought = required(known[key], frozenset(need.extras)) if key in known else ()
            yield from (str(canonicalize_name(one.name)) for one in brought)


def _requirement(line: str) -> Requirement | None:
    with suppress(InvalidRequirement):
        return Requirement(line)
    with suppress(InvalidWheelFilename):  # a wheel that goes along
        return Requirement(str(parse_wheel_filename(line.rpartition("/")[2])[0]))
    return None  # an option of pip's
