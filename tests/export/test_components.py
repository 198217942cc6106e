"""Groups of nodes that reach each other, as a walk from every node tells them."""

from __future__ import annotations

import random

import pytest

from rp_notebook.export.components import components


def reached(start: int, edges: dict[int, set[int]]) -> set[int]:
    found = {start}
    while more := {other for each in found for other in edges[each]} - found:
        found |= more
    return found


@pytest.mark.parametrize("seed", range(30))
def test_a_group_reaches_itself_and_only_groups_before_it(seed: int) -> None:
    chosen = random.Random(seed)
    edges = {node: {chosen.randrange(12) for _ in range(chosen.randint(0, 2))} for node in range(12)}
    known = {node: reached(node, edges) for node in edges}
    before: set[int] = set()
    for group in components(edges):
        assert set(group) == {node for node in known[group[0]] if group[0] in known[node]}
        before |= set(group)
        assert known[group[0]] <= before
    assert before == set(edges)


def test_a_long_chain_is_no_deep_recursion() -> None:
    chain = {node: [node + 1] if node < 50_000 else [] for node in range(50_001)}
    assert [group[0] for group in components(chain)][:2] == [50_000, 49_999]
