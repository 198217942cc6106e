"""Which versions of names share an object, and which changes of one therefore show in another."""

from __future__ import annotations

from collections.abc import Iterable

Version = tuple[str, int]
PARTS = "*"  # how the name of the node begins that stands for all that a version refers to


class Sharing:
    """A graph of versions. Each has a second node for its parts: what it refers to, however deep."""

    def __init__(self) -> None:
        self._reaches: dict[Version, set[Version]] = {}
        self._reached: dict[Version, set[Version]] = {}
        self._same: dict[Version, set[Version]] = {}
        self._changes: dict[Version, set[tuple[int, int]]] = {}

    def join(self, one: Version, other: Version, kind: str) -> None:
        """Says that `one` is, to what `other` is bound to, what `kind` says."""
        if one == other:
            return
        match kind:
            case "same":
                self._alias(one, other)
                self._alias(self._parts(one), self._parts(other))
            case "part":  # it may be any part of the other, and its parts are among them
                self._alias(one, self._parts(other))
                self._alias(self._parts(one), self._parts(other))
            case "copy":
                self._alias(self._parts(one), self._parts(other))
            case _:
                self._edge(self._parts(one), other)

    def change(self, version: Version, place: int, tier: int, *, deep: bool) -> None:
        """Says that the statement at `place` changes a version; `deep`: or what it refers to."""
        self._changes.setdefault(version, set()).add((place, tier))
        if deep:
            self._changes.setdefault(self._parts(version), set()).add((place, tier))

    def changes(self, versions: Iterable[Version]) -> set[tuple[int, int]]:
        """`(place, tier)` of all that changes what shows in these versions.

        That is what they reach themselves, and, of what holds any of that, changes of its parts only.
        """
        seen = self._closed(versions, self._reaches)
        around = self._closed(seen, self._reached)
        parts = self._closed((v for v in around if v[0].startswith(PARTS)), self._same)
        return {change for version in seen | (around & parts) for change in self._changes.get(version, ())}

    def _parts(self, version: Version) -> Version:
        if version[0].startswith(PARTS):
            return version
        node = (PARTS + version[0], version[1])
        if node not in self._reached:
            self._edge(version, node)
        return node

    def _alias(self, one: Version, other: Version) -> None:
        self._edge(one, other)
        self._edge(other, one)
        self._same.setdefault(one, set()).add(other)
        self._same.setdefault(other, set()).add(one)

    def _edge(self, one: Version, other: Version) -> None:
        self._reaches.setdefault(one, set()).add(other)
        self._reached.setdefault(other, set()).add(one)

    @staticmethod
    def _closed(start: Iterable[Version], edges: dict[Version, set[Version]]) -> set[Version]:
        todo = list(start)
        seen = set(todo)
        while todo:
            for other in edges.get(todo.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return seen
