"""Every handler that a notebook declares, read from its cells."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from rp_notebook.errors import BadDeclaration
from rp_notebook.export.cells import CellRun, parsed, python_of
from rp_notebook.jobs.declaration import Declaration, declared, handler_cell, start_calls


def declarations(cells: Sequence[CellRun]) -> dict[str, Declaration]:
    """By name, the latest last: `%%runpod_handler` cells, marked functions, pasted `start(...)` calls."""
    found: dict[str, Declaration] = {}
    for cell in cells:
        both = parsed(cell.text)
        if both is None:
            continue
        for declaration in _of_cell(cell, *both):
            found.pop(declaration.name, None)
            found[declaration.name] = declaration
    return found


def _of_cell(cell: CellRun, source: str, tree: ast.Module) -> list[Declaration]:
    magic = handler_cell(cell.text)
    try:
        if magic is not None:
            return [declared(magic[0], python_of(magic[1]))]
        if start_calls(tree):
            return [declared("", source)]
    except BadDeclaration:  # said when the cell ran; another cell may still declare a handler
        return []
    return [_marked(node, mark) for node in tree.body if (mark := mark_decorator(node)) is not None]


def mark_decorator(node: ast.stmt) -> ast.expr | None:
    """The decorator `@rp_notebook.handler` of a function, bare or called."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    for decorator in node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if ast.unparse(target) == "rp_notebook.handler":
            return decorator
    return None


def _marked(node: ast.stmt, mark: ast.expr) -> Declaration:
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    keywords = mark.keywords if isinstance(mark, ast.Call) else []
    said = {each.arg: each.value.value for each in keywords if isinstance(each.value, ast.Constant)}
    return Declaration(
        name=str(said.get("name") or node.name),
        function=node.name,
        aggregate=bool(said.get("aggregate")),
        refresh=bool(said.get("refresh")),
        concurrency=said.get("concurrency"),  # type: ignore[arg-type] # a literal of the user's
    )
