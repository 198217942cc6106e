"""The strongly connected components of a graph."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def components(edges: Mapping[Node, Iterable[Node]]) -> list[list[Node]]:
    """The groups of nodes that reach each other, each behind all groups that it reaches (Tarjan 1972).

    Every node is a key of `edges`.
    """
    found: list[list[Node]] = []
    number: dict[Node, int] = {}
    lowest: dict[Node, int] = {}
    open_nodes: list[Node] = []
    is_open: set[Node] = set()
    for root in edges:
        path: list[tuple[Node, Iterator[Node]]] = []
        todo: list[Node] = [] if root in number else [root]
        while todo or path:
            if todo:
                node = todo.pop()
                number[node] = lowest[node] = len(number)
                open_nodes.append(node)
                is_open.add(node)
                path.append((node, iter(edges[node])))
            node, rest = path[-1]
            for other in rest:
                if other not in number:
                    todo.append(other)
                    break
                if other in is_open:
                    lowest[node] = min(lowest[node], number[other])
            else:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[node])
                if lowest[node] == number[node]:
                    group: list[Node] = []
                    while not group or group[-1] != node:
                        group.append(open_nodes.pop())
                    is_open -= set(group)
                    found.append(group)
    return found
