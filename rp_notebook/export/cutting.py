"""Cuts a statement's text out of its cell, byte for byte, and makes small edits to it."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from rp_notebook.export.magics import command_in, is_harmless, magic_of
from rp_notebook.export.trees import tree_of, walk
from rp_notebook.jobs.flat_body import TRANSPARENT_LINES

COMPOUND = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.With, ast.AsyncWith, ast.Match)
_ROOTED = (ast.Attribute, ast.Subscript, ast.Call, ast.Starred, ast.Await)
DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def parsed_text(text: str, indent: str | None = None) -> ast.stmt:
    """The statement that `text` is; with `indent` it stood in a block, and line numbers are those of `text`."""
    if indent is None:
        return tree_of(text).body[0]
    guard = ast.parse(f"if 1:\n{indent}{text}").body[0]
    assert isinstance(guard, ast.If)
    node = guard.body[0]
    ast.increment_lineno(node, -1)
    return node


def without_commands(text: str, node: ast.stmt) -> str:
    """The text with the magics inside its blocks replaced: by their argument where it is a statement, else `pass`.

    `x = %time f()` binds what `x = f()` binds, wherever it stands.
    """
    if "get_ipython" not in text:
        return text
    edits: list[tuple[ast.expr | ast.stmt, str]] = []
    for part in walk(node):
        if isinstance(part, ast.Assign):
            command = command_in(part.value)
            if command is not None and command[0] == "time" and _is_expression(command[1]):
                edits.append((part.value, command[1].strip()))
        if not isinstance(node, COMPOUND + DEFINITION):
            continue
        command = magic_of(part) if isinstance(part, ast.Expr) else None
        if (
            isinstance(part, ast.Expr)
            and command is not None
            and (command[0] in TRANSPARENT_LINES or is_harmless(command[0]))
        ):
            edits.append((part, command[1] if command[0] in TRANSPARENT_LINES else "pass"))
    return edited(text, edits)


def _is_expression(text: str) -> bool:
    try:
        ast.parse(text.strip(), mode="eval")
    except SyntaxError:
        return False
    return True


def edited(text: str, edits: Sequence[tuple[ast.expr | ast.stmt, str]], shift: int = 0) -> str:
    """The text with each node's span replaced; `shift` is how far the first line's columns are off."""
    lines = [line.encode() for line in text.split("\n")]
    for node, new in sorted(edits, key=lambda edit: (edit[0].lineno, edit[0].col_offset), reverse=True):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        start = node.col_offset - (shift if first == 0 else 0)
        end = (node.end_col_offset or 0) - (shift if last == 0 else 0)
        joined = lines[first][:start] + new.encode() + lines[last][end:]
        lines[first : last + 1] = joined.split(b"\n")
    return b"\n".join(lines).decode()


def cut(node: ast.stmt, lines: list[str], floor: int) -> tuple[str, tuple[int, ...]]:
    first, last = first_line(node), node.end_lineno or node.lineno
    start = first
    while start - 1 > floor and lines[start - 2].lstrip().startswith("#"):
        start -= 1
    head = lines[first - 1].encode()
    column = (
        node.col_offset
        if not isinstance(node, DEFINITION) or not node.decorator_list
        else len(head) - len(head.lstrip())
    )
    if head[:column].strip():
        start = first  # another statement stands before it on the line: comments above are that one's
    tail = lines[last - 1].encode()
    rest = tail[node.end_col_offset :].decode().lstrip(" \t;")
    body = [*lines[first - 1 : last]]
    body[-1] = tail[: node.end_col_offset].decode()
    body[0] = body[0].encode()[column:].decode()
    if rest.startswith("#"):
        gap = tail[node.end_col_offset :].decode()
        body[-1] += gap if gap.lstrip() == rest else f"  {rest}"
    above = [lines[start - 1].lstrip(), *lines[start : first - 1], ""] if start < first else []
    if above:
        above.pop()
        body[0] = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip())] + body[0]
    while isinstance(node, COMPOUND + DEFINITION) and last < len(lines) and _belongs(lines[last], node.col_offset):
        body.append(lines[last])
        last += 1
    return "\n".join([*above, *body]), tuple(range(start, last + 1))


def _belongs(line: str, column: int) -> bool:
    return line.lstrip().startswith("#") and len(line) - len(line.lstrip()) > column


def unmarked(node: ast.stmt, text: str, numbers: tuple[int, ...], ours: frozenset[str]) -> tuple[str, tuple[int, ...]]:
    """The text without the lines of our own decorator."""
    if not isinstance(node, DEFINITION):
        return text, numbers
    marks = [item for item in node.decorator_list if root_name(item) in ours]
    gone = {n for item in marks for n in range(item.lineno, (item.end_lineno or item.lineno) + 1)}
    kept = [(line, n) for line, n in zip(text.split("\n"), numbers, strict=True) if n not in gone]
    first = kept[0][0].lstrip() if kept else ""  # the text begins where the statement does
    return "\n".join([first, *(line for line, _ in kept[1:])]), tuple(n for _, n in kept)


def root_name(node: ast.AST) -> str:
    """The name at the root of `a.b[c].d(...)`, empty when there is none."""
    while isinstance(node, _ROOTED):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, DEFINITION) else []
    return min([node.lineno, *(item.lineno for item in decorators)])
