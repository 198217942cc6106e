"""Every handler that the cells declare, by magic, by decorator, or by a pasted `runpod.serverless.start(...)`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from rp_notebook.errors import BadDeclaration
from rp_notebook.export.cells import CellRun, python_of
from rp_notebook.export.magics import peeled
from rp_notebook.export.tables import OUR_MODULE
from rp_notebook.jobs.declaration import Declaration, declared, dotted, imported_names, start_calls
from rp_notebook.jobs.handler_cell import handler_cell

MARK = f"{OUR_MODULE}.handler"
OPTIONS = ("aggregate", "refresh", "concurrency", "timeout")


def declarations(cells: Sequence[CellRun]) -> dict[str, Declaration]:
    """The handlers of a notebook by name, in the order of their latest declaration; the last one of a name wins.

    A cell that failed, does not parse, or does not say which function it means declares nothing.
    """
    found: dict[str, Declaration] = {}
    imports: list[str] = []
    for cell in cells:
        if not cell.ok and cell.failed_line is None:
            continue
        for declaration in _in_cell(cell, imports):
            found.pop(declaration.name, None)
            found[declaration.name] = declaration
    return found


def _in_cell(cell: CellRun, imports: list[str]) -> Iterator[Declaration]:
    """The declarations of one cell; its imports are added to those of earlier cells."""
    handler = handler_cell(cell.text)
    magic, body = peeled(cell.text)
    try:
        source = python_of(handler.body if handler else body) if magic is None else ""
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    earlier = list(imports)
    imports += [ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    if handler is not None:
        declaration = _declared(handler.flags, source, earlier, handler.line)
        if declaration is not None and (cell.ok or declaration.flat is None):  # a flat cell is one function, or none
            yield declaration
        return
    names = _paths(imports)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _marked(node, names)
    if start_calls(ast.parse("\n".join(imports) + "\n" + source)):
        declaration = _declared("", source, earlier)
        if declaration is not None:
            yield declaration


def _declared(flags: str, source: str, earlier: list[str], line: int = 1) -> Declaration | None:
    # What earlier cells imported tells how `start` may be called here.
    try:
        return declared(flags, source, earlier=earlier, line=line)
    except (BadDeclaration, SyntaxError):
        return None


def _paths(imports: list[str]) -> dict[str, str]:
    return {OUR_MODULE: OUR_MODULE} | imported_names(ast.parse("\n".join(imports)))


def _marked(node: ast.FunctionDef | ast.AsyncFunctionDef, names: dict[str, str]) -> Iterator[Declaration]:
    for item in node.decorator_list:
        target = item.func if isinstance(item, ast.Call) else item
        if dotted(target, names) not in (MARK, f"{OUR_MODULE}.jobs.marking.handler"):
            continue
        given = {k.arg: k.value for k in item.keywords if k.arg} if isinstance(item, ast.Call) else {}
        name = given.get("name")
        schema = given.get("schema")
        said = {key: _literal(given[key]) for key in OPTIONS if key in given}
        yield Declaration(
            name=name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else node.name,
            function=node.name,
            aggregate=bool(said.get("aggregate")),
            refresh=bool(said.get("refresh")),
            concurrency=_number(said.get("concurrency")),
            timeout_s=said["timeout"] if isinstance(said.get("timeout"), int | float) else None,  # type: ignore[arg-type] # just checked
            schema=schema.id if isinstance(schema, ast.Name) else None,
        )


def _literal(node: ast.expr) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
