"""What distributions bring along: all that they require, here and now, and the bytes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from rp_notebook.export.installed import Installed


def closure(keys: Iterable[str], by_key: Mapping[str, Installed]) -> tuple[str, ...]:
    """The installed distributions among `keys`, by canonical name, and those that they require, sorted."""
    reached: set[str] = set()
    waiting = [(key, frozenset[str]()) for key in keys]
    done: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        key, extras = waiting.pop()
        if (key, extras) in done or key not in by_key:
            continue
        done.add((key, extras))
        reached.add(key)
        waiting += [
            (str(canonicalize_name(need.name)), frozenset(need.extras)) for need in required(by_key[key], extras)
        ]
    return tuple(sorted(reached))


@lru_cache(maxsize=4096)
def required(one: Installed, extras: frozenset[str] = frozenset()) -> tuple[Requirement, ...]:
    """What a distribution requires on this machine, with `extras`; lines that cannot be read are passed over."""
    found = []
    for line in one.requires:
        try:
            need = Requirement(line)
        except InvalidRequirement:
            continue
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            found.append(need)
    return tuple(found)


def size_of(one: Installed) -> int:
    """The bytes of a distribution's files, as its own list has them; 0 where that tells no sizes."""
    sizes = (line.rsplit(",", 1)[-1] for line in one.record.splitlines() if line)
    return sum(int(size) for size in sizes if size.isdigit())
