"""The lines of a cell's source, edited where its nodes stand; each line keeps its number."""

from __future__ import annotations

import ast

Place = tuple[int, int]


class Rows:
    """Collects edits, given by nodes that were parsed from the source, and makes them all at once."""

    def __init__(self, source: str) -> None:
        self._lines = [line.encode() for line in source.split("\n")]
        self._edits: list[tuple[Place, Place, bytes]] = []
        self._dropped: list[tuple[int, int, int]] = []

    def put_before(self, node: ast.stmt, text: str) -> None:
        """Puts a text before a node."""
        start = (node.lineno - 1, node.col_offset)
        self._edits.append((start, start, text.encode()))

    def replace(self, node: ast.stmt | ast.expr, text: str) -> None:
        """Puts a text in a node's place."""
        self._edits.append((*_span(node), text.encode()))

    def drop(self, node: ast.stmt, floor: int) -> None:
        """Takes a statement out, with its comments where it has lines of its own; those above `floor` are others'."""
        start, end = _span(node)
        rest = self._lines[end[0]][end[1] :].lstrip(b" \t;")
        self._edits.append((start, (end[0], len(self._lines[end[0]]) - len(rest)), b""))
        self._dropped.append((start[0], end[0], floor))

    def end_at(self, node: ast.stmt) -> None:
        """Takes out the semicolon behind a statement."""
        row, column = _span(node)[1]
        rest = self._lines[row][column:]
        if rest.lstrip().startswith(b";"):
            self._edits.append(((row, column), (row, column + rest.index(b";") + 1), b""))

    def text(self) -> tuple[str, tuple[int, ...]]:
        """The edited lines, without empty ones at both ends, and the number of each, from 1."""
        rows: dict[int, bytes] = dict(enumerate(self._lines))
        for (first, start), (last, end), new in sorted(self._edits, reverse=True):
            before, after = rows[first][:start], rows[last][end:]
            for row in range(first, last + 1):
                del rows[row]
            rows[last if not before.strip() else first] = before + new + after
        for first, last, floor in self._dropped:
            for row in {first, last} & rows.keys():
                self._tidy(rows, row, floor)
        numbers = sorted(rows)
        while numbers and not rows[numbers[0]].strip():
            numbers.pop(0)
        while numbers and not rows[numbers[-1]].strip():
            numbers.pop()
        return b"\n".join(rows[number] for number in numbers).decode(), tuple(number + 1 for number in numbers)

    def _tidy(self, rows: dict[int, bytes], row: int, floor: int) -> None:
        rest = rows[row].strip(b" \t;")
        if rest and not rest.startswith(b"#"):
            rows[row] = rows[row].rstrip(b" \t;")
            return
        del rows[row]
        while (row := row - 1) >= floor and rows.get(row, b"#").lstrip().startswith(b"#"):
            rows.pop(row, None)


def _span(node: ast.stmt | ast.expr) -> tuple[Place, Place]:
    return (node.lineno - 1, node.col_offset), ((node.end_lineno or 1) - 1, node.end_col_offset or 0)
