"""What changes of one version show in another, told by classes as by a walk over every node."""

from __future__ import annotations

import itertools
import random

import pytest

from rp_notebook.export.sharing import PARTS, Sharing, Version

KINDS = ("same", "part", "holder", "copy")


class Walked:
    """The same graph, walked node by node for every question."""

    def __init__(self) -> None:
        self.edges: set[tuple[Version, Version]] = set()
        self.same: set[tuple[Version, Version]] = set()
        self.changed: set[tuple[Version, int]] = set()

    def join(self, one: Version, other: Version, kind: str) -> None:
        if one == other:
            return
        parts, others = self.parts(one), self.parts(other)
        pairs = {"same": {(one, other), (parts, others)}, "part": {(one, others), (parts, others)}}
        for pair in pairs.get(kind, {(parts, others)} if kind == "copy" else set()):
            self.same |= {pair, pair[::-1]}
        if kind == "holder":
            self.edges.add((parts, other))

    def parts(self, version: Version) -> Version:
        self.edges.add((version, (PARTS + version[0], version[1])))
        return (PARTS + version[0], version[1])

    def changes(self, version: Version) -> set[int]:
        edges = self.edges | self.same
        seen = closed({version}, edges)
        around = closed(seen, {(other, one) for one, other in edges})
        parts = closed({each for each in around if each[0].startswith(PARTS)}, self.same)
        return {place for each, place in self.changed if each in seen | (around & parts)}


def closed(start: set[Version], edges: set[tuple[Version, Version]]) -> set[Version]:
    while more := {other for one, other in edges if one in start} - start:
        start = start | more
    return start


@pytest.mark.parametrize("seed", range(100))
def test_classes_tell_what_a_walk_over_all_nodes_tells(seed: int) -> None:
    chosen = random.Random(seed)
    versions = [(name, place) for name in "abcd" for place in range(3)]
    sharing, walked = Sharing(), Walked()
    for _ in range(chosen.randint(2, 14)):
        ones, others = (chosen.sample(versions, chosen.choice((1, 1, 1, 2, 3))) for _ in range(2))
        kind = chosen.choice(KINDS)
        sharing.join(ones, others, kind)
        for one, other in itertools.product(ones, others):
            walked.join(one, other, kind)
    for place in range(12):
        version, deep = chosen.choice(versions), chosen.random() < 0.5
        sharing.change(version, place, 3, deep=deep)
        walked.changed |= {(version, place)} | ({(walked.parts(version), place)} if deep else set())
    for version in versions:
        found = list(sharing.changes_in(sharing.changes([version])))
        assert found == [(place, 3) for place in sorted(walked.changes(version))]
