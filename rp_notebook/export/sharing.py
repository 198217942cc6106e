"""Which versions of names share an object, and which changes of one therefore show in another."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from rp_notebook.export.components import components

Version = tuple[str, int]
PARTS = "*"  # how the name of the node begins that stands for all that a version refers to
Change = tuple[int, int]  # where, and how certain: its tier


class Sharing:
    """A graph of versions. Each has a second node for its parts: what it refers to, however deep.

    Nodes that are the same to each other are one class. Sets of changes are numbers with a bit for each, in the order
    of the changes: there are as many sets as there are versions, and most of them may hold most of the changes. All
    joins and changes are said before anybody asks.
    """

    def __init__(self) -> None:
        self._above: dict[Version, Version] = {}
        self._edges: dict[tuple[Version, Version], None] = {}
        self._nodes_of_parts: dict[Version, Version] = {}
        self._changes: dict[Version, list[Change]] = {}

    def join(self, ones: Sequence[Version], others: Sequence[Version], kind: str) -> None:
        """Says that each of some versions is, to what each other one is bound to, what `kind` says."""
        nodes = list(dict.fromkeys([*ones, *others]))
        if len(nodes) < 2:
            return
        if kind == "holder":
            for one in ones:
                for other in others:
                    if one != other:
                        self._edge(self._parts(one), other)
            return
        self._alias([self._parts(node) for node in nodes])
        if kind == "same":
            self._alias(nodes)
        elif kind == "part":  # it may be any part of the other, and its parts are among them
            self._alias([self._parts(nodes[0]), *(one for one in ones if any(one != other for other in others))])

    def same(self, versions: Sequence[Version]) -> None:
        """Says that versions may all be bound to one object."""
        self._alias([self._parts(version) for version in versions])
        self._alias(versions)

    def change(self, version: Version, place: int, tier: int, *, deep: bool) -> None:
        """Says that the statement at `place` changes a version; `deep`: or what it refers to."""
        self._class_of(version)
        for node in (version, self._parts(version)) if deep else (version,):
            self._changes.setdefault(node, []).append((place, tier))

    def changes(self, versions: Iterable[Version]) -> int:
        """The bits of all that changes what shows in these versions.

        That is what they reach themselves, and, of what holds any of that, changes of its parts only.
        """
        bits = 0
        for version in versions:
            if version in self._above:
                bits |= self._seen_by[self._class_of(version)]
        return bits

    def changes_in(self, bits: int) -> Iterator[Change]:
        """Place and tier of each change in a set of them, in order."""
        while bits:
            lowest = bits & -bits
            bits ^= lowest
            yield self._order[lowest.bit_length() - 1]

    def before(self, place: int) -> int:
        """The bits of all changes by statements before a place."""
        return (1 << bisect_left(self._order, (place,))) - 1

    @cached_property
    def bit_of(self) -> dict[Change, int]:
        """The bit of each change."""
        return {change: 1 << number for number, change in enumerate(self._order)}

    @cached_property
    def _order(self) -> list[Change]:
        return sorted({change for each in self._changes.values() for change in each})

    @cached_property
    def _seen_by(self) -> dict[Version, int]:
        """By class, the changes that it sees."""
        edges: dict[Version, set[Version]] = {self._class_of(version): set() for version in list(self._above)}
        own = dict.fromkeys(edges, 0)
        of_parts = dict.fromkeys(edges, 0)
        for one, other in self._edges:
            edges[self._class_of(one)].add(self._class_of(other))
        for version, changes in self._changes.items():
            own[self._class_of(version)] |= _all(self.bit_of[change] for change in changes)
        for version in self._above:
            if version[0].startswith(PARTS):
                of_parts[self._class_of(version)] = own[self._class_of(version)]
        groups = components(edges)  # a group comes behind those that it reaches
        for group in reversed(groups):  # what holds it
            bits = _all(of_parts[each] for each in group)
            for other in set(group).union(*(edges[each] for each in group)):
                of_parts[other] |= bits
        seen: dict[Version, int] = {}
        for group in groups:  # what it reaches, and what holds that
            inside = set(group)
            bits = _all(own[each] | of_parts[each] for each in group)
            bits |= _all(seen[other] for other in {o for each in group for o in edges[each]} - inside)
            seen |= dict.fromkeys(group, bits)
        return seen

    def _parts(self, version: Version) -> Version:
        if version not in self._nodes_of_parts:
            node = (PARTS + version[0], version[1])
            self._edge(version, node)
            self._nodes_of_parts[version] = node
        return self._nodes_of_parts[version]

    def _alias(self, versions: Sequence[Version]) -> None:
        head = self._class_of(versions[0])
        for version in versions[1:]:
            if self._above.get(version) != head:  # most have been the same for long
                self._above[self._class_of(version)] = head

    def _edge(self, one: Version, other: Version) -> None:
        if (one, other) not in self._edges:
            self._class_of(one)
            self._class_of(other)
            self._edges[one, other] = None

    def _class_of(self, version: Version) -> Version:
        above = self._above
        head = above.setdefault(version, version)
        while above[head] != head:
            above[head] = above[above[head]]
            head = above[head]
        above[version] = head
        return head


def _all(bits: Iterable[int]) -> int:
    found = 0
    for each in bits:
        found |= each
    return found
