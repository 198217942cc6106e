"""Which versions of names share an object, and which changes of one therefore show in another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Version = tuple[str, int]
Changes = tuple[tuple[int, int], ...]
PARTS = "*"  # how the name of the node begins that stands for all that a version refers to


class Sharing:
    """A graph of versions. Each has a second node for its parts: what it refers to, however deep.

    Nodes that are the same to each other are one class; the rest of the graph is between classes.
    """

    def __init__(self) -> None:
        self._above: dict[Version, Version] = {}
        self._edges: list[tuple[Version, Version]] = []
        self._changes: dict[Version, set[tuple[int, int]]] = {}
        self._classes: _Classes | None = None

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
        self._class_of(version)
        if deep:
            self._changes.setdefault(self._parts(version), set()).add((place, tier))

    def changes(self, versions: Iterable[Version]) -> Changes:
        """`(place, tier)` of all that changes what shows in these versions, in order.

        That is what they reach themselves, and, of what holds any of that, changes of its parts only.
        """
        if self._classes is None:  # all joins and changes are known before anybody asks
            heads = {version: self._class_of(version) for version in self._above}
            self._classes = _Classes(heads, self._edges, self._changes)
        return self._classes.changes(versions)

    def _parts(self, version: Version) -> Version:
        if version[0].startswith(PARTS):
            return version
        node = (PARTS + version[0], version[1])
        if node not in self._above:
            self._edge(version, node)
        return node

    def _alias(self, one: Version, other: Version) -> None:
        self._above[self._class_of(one)] = self._class_of(other)

    def _edge(self, one: Version, other: Version) -> None:
        self._class_of(one)
        self._class_of(other)
        self._edges.append((one, other))

    def _class_of(self, version: Version) -> Version:
        above = self._above
        head = above.setdefault(version, version)
        while above[head] != head:
            above[head] = above[above[head]]
            head = above[head]
        above[version] = head
        return head


class _Classes:
    """The finished graph between classes; what was asked of the same classes before is known."""

    def __init__(
        self,
        heads: Mapping[Version, Version],
        edges: Iterable[tuple[Version, Version]],
        changes: Mapping[Version, Iterable[tuple[int, int]]],
    ) -> None:
        self._heads = heads
        self._reaches: dict[Version, set[Version]] = {}
        self._reached: dict[Version, set[Version]] = {}
        for one, other in edges:
            if heads[one] != heads[other]:
                self._reaches.setdefault(heads[one], set()).add(heads[other])
                self._reached.setdefault(heads[other], set()).add(heads[one])
        self._changes: dict[Version, set[tuple[int, int]]] = {}
        for version, places in changes.items():
            self._changes.setdefault(heads[version], set()).update(places)
        self._with_parts = {head for version, head in heads.items() if version[0].startswith(PARTS)}
        self._known: dict[frozenset[Version], Changes] = {}

    def changes(self, versions: Iterable[Version]) -> Changes:
        """What changes these versions, as `Sharing.changes` has it."""
        start = frozenset(self._heads[version] for version in versions if version in self._heads)
        if start not in self._known:
            seen = _closed(start, self._reaches)
            around = _closed(seen, self._reached) & self._with_parts
            found = (self._changes.get(each, ()) for each in seen | around)
            self._known[start] = tuple(sorted({change for places in found for change in places}))
        return self._known[start]


def _closed(start: Iterable[Version], edges: Mapping[Version, Iterable[Version]]) -> set[Version]:
    todo = list(start)
    seen = set(todo)
    while todo:
        for other in edges.get(todo.pop(), ()):
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen
