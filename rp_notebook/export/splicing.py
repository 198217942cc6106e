"""Edits to a statement's text that keep in mind which line of its cell each line came from."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from rp_notebook.export.cutting import edited, parsed_text
from rp_notebook.export.statements import Statement
from rp_notebook.export.trees import walk

Edit = tuple["ast.expr | ast.stmt", str]


def spliced(statement: Statement, edits: Sequence[Edit]) -> Statement:
    """The statement with each node's span replaced. Raises `SyntaxError` where that leaves no statement."""
    text, numbers = statement.text, statement.numbers
    shift = len(statement.indent)
    for node, new in sorted(edits, key=lambda edit: (edit[0].lineno, edit[0].col_offset), reverse=True):
        text = edited(text, [(node, new)], shift)
        first, last = node.lineno, node.end_lineno or node.lineno
        written = new.count("\n") + 1
        numbers = (*numbers[: first - 1 + written], *numbers[last:])
    return retold(statement, text, numbers)


def retold(statement: Statement, text: str, numbers: tuple[int, ...] | None = None) -> Statement:
    """The statement with another text. Raises `SyntaxError` for a text that is no statement."""
    node = parsed_text(text, statement.indent if statement.guarded else None)
    alias = statement.alias
    if alias is not None and isinstance(node, ast.Import | ast.ImportFrom):
        assert isinstance(statement.node, ast.Import | ast.ImportFrom)
        alias = node.names[statement.node.names.index(alias)]
    return replace(statement, text=text, node=node, alias=alias, numbers=numbers or statement.numbers)


def without_lines(statement: Statement, nodes: Sequence[ast.stmt]) -> Statement:
    """The statement without these statements inside it; a block that has nothing else gets a `pass`."""
    gone = {id(node) for node in nodes}
    edits: list[Edit] = []
    cut: set[int] = set()
    lines = statement.text.split("\n")
    for block in _blocks(statement.node):
        inside = [node for node in block if id(node) in gone]
        for node in inside:
            span = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            if len(inside) == len(block) and node is inside[0]:
                edits.append((node, "pass"))
            elif _alone(node, lines):
                cut |= set(span)
            else:
                edits.append((node, "pass"))
    changed = spliced(statement, [e for e in edits if not cut & {e[0].lineno}])
    kept = [n for n in range(1, len(lines) + 1) if n not in cut]
    if len(changed.text.split("\n")) != len(lines):  # an edit took lines away: counting no longer tells which
        return spliced(statement, [(node, "pass") for node in nodes])
    texts = changed.text.split("\n")
    return retold(changed, "\n".join(texts[n - 1] for n in kept), tuple(changed.numbers[n - 1] for n in kept))


def _blocks(node: ast.AST) -> list[list[ast.stmt]]:
    found = [getattr(part, field, None) for part in walk(node) for field in ("body", "orelse", "finalbody")]
    return [block for block in found if isinstance(block, list) and block]


def _alone(node: ast.stmt, lines: Sequence[str]) -> bool:
    head = lines[node.lineno - 1].encode()[: node.col_offset].strip()
    tail = lines[(node.end_lineno or node.lineno) - 1].encode()[node.end_col_offset :].decode().strip()
    return not head and (not tail or tail.startswith("#"))
