"""A module of the user's without `@rp_notebook.handler`, for a worker that does not know us."""

from __future__ import annotations

import ast

from rp_notebook.export.cutting import DEFINITION, root_name
from rp_notebook.export.tables import OUR_MODULE
from rp_notebook.export.trees import walk


def without_marks(body: bytes, tree: ast.Module) -> bytes:
    """The file without our decorators and the lines that import them; as it is where it uses more of ours."""
    imports = [node for node in walk(tree) if isinstance(node, ast.Import | ast.ImportFrom) and _is_ours(node)]
    ours = {(alias.asname or alias.name).partition(".")[0] for node in imports for alias in node.names}
    marked = (item for node in walk(tree) if isinstance(node, DEFINITION) for item in node.decorator_list)
    marks = [item for item in marked if root_name(item) in ours]
    inside = {id(name) for mark in marks for name in walk(mark)}
    if any(isinstance(node, ast.Name) and node.id in ours and id(node) not in inside for node in walk(tree)):
        return body
    gone = {n for node in (*marks, *imports) for n in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    beside = {node.lineno for node in walk(tree) if isinstance(node, ast.stmt) and node not in imports}
    if gone & beside or any(node not in tree.body for node in imports):  # what stands around it needs them
        return body
    lines = body.splitlines(keepends=True)
    return b"".join(line for number, line in enumerate(lines, 1) if number not in gone)


def _is_ours(node: ast.Import | ast.ImportFrom) -> bool:
    if isinstance(node, ast.ImportFrom):
        return not node.level and (node.module or "").partition(".")[0] == OUR_MODULE
    return all(alias.name.partition(".")[0] == OUR_MODULE for alias in node.names)
