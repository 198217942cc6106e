"""What code behind a name reads when it is called, worked out once for each statement and each run of definitions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from rp_notebook.export.early import read_by_patches
from rp_notebook.export.reaching import Reached
from rp_notebook.export.timeline import Timeline

Node = int | tuple[int, int]  # a statement, or a run by its identity and how much of it counts


class Readings:
    """The globals that the code behind definitions reads when it is called."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._known: dict[Node, frozenset[str]] = {}
        self._reached: dict[Node, Reached] = {}
        self._given: dict[int, frozenset[str]] = {}

    def behind(self, reached: Reached) -> frozenset[str]:
        """What the code reads that a name may be bound to."""
        return frozenset[str]().union(*(self._worked_out(node) for node in self._nodes(reached)))

    def given(self, changes: int) -> frozenset[str]:
        """What the code reads that these changes gave to an object: a hook, an entry of a table."""
        bits = changes & self._giving
        if bits not in self._given:
            places = (place for place, _ in self._timeline.sharing.changes_in(bits))
            self._given[bits] = frozenset[str]().union(*map(self._handed, places))
        return self._given[bits]

    @cached_property
    def _giving(self) -> int:
        """The bits of the changes that may give code to an object."""
        timeline = self._timeline
        bits = 0
        for (place, _), bit in timeline.sharing.bit_of.items():
            names = timeline.facts[place].names
            bits |= bit if names.deferred or names.uses & timeline.handed_on else 0
        return bits

    def _handed(self, place: int) -> frozenset[str]:
        timeline, names = self._timeline, self._timeline.facts[place].names
        functions = names.uses & timeline.handed_on
        return names.deferred.union(*(self.behind(timeline.reach(name, place)) for name in functions))

    def _nodes(self, reached: Reached) -> Iterator[Node]:
        if reached.count:
            node = (id(reached.run), reached.count)
            self._reached[node] = reached
            yield node
        yield from reached.unnamed

    def _worked_out(self, node: Node) -> frozenset[str]:
        todo = [] if node in self._known else [node]
        while todo:
            each = todo[-1]
            parts = [*self._parts(each)]
            unread = [part for part in parts if part not in self._known]
            if unread:
                todo += unread  # all of them ran before this one: there is no way back to it
            else:
                found = {self._known[part] for part in parts} | {self._own(each)}
                self._known[each] = found.pop() if len(found) == 1 else frozenset[str]().union(*found)
                todo.pop()
        return self._known[node]

    def _own(self, node: Node) -> frozenset[str]:
        if isinstance(node, tuple):
            return frozenset()
        fact = self._timeline.facts[node]
        return fact.names.deferred | read_by_patches(self._timeline, fact)

    def _parts(self, node: Node) -> Iterator[Node]:
        if isinstance(node, int):
            for name in self._timeline.facts[node].names.uses:
                yield from self._nodes(self._timeline.reach(name, node))
            return
        reached = self._reached[node]
        yield reached.run[reached.count - 1]
        if reached.count > 1:
            yield from self._nodes(Reached(reached.run, reached.count - 1))
