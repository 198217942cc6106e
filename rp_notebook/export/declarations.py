"""Every handler that the cells declare, by magic, by decorator, or by a pasted `runpod.serverless.start(...)`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from rp_notebook.errors import BadDeclaration
from rp_notebook.export.cells import CellRun, python_of
from rp_notebook.export.magics import peeled
from rp_notebook.export.tables import OUR_MODULE
from rp_notebook.export.trees import tree_of
from rp_notebook.jobs.declaration import (
    Declaration,
    Imported,
    declared,
    dotted,
    imports_in,
)
from rp_notebook.jobs.handler_cell import handler_cell

MARK = f"{OUR_MODULE}.handler"
OPTIONS = ("aggregate", "refresh", "concurrency", "timeout")


def declarations(cells: Sequence[CellRun]) -> dict[str, Declaration]:
    """The handlers of a notebook by name, in the order of their latest declaration; the last one of a name wins.

    A cell that failed, does not parse, or does not say which function it means declares nothing.
    """
    found: dict[str, Declaration] = {}
    reader = _Reader()
    for cell in cells:
        if not cell.ok and cell.failed_line is None:
            continue
        for declaration in reader.declared_in(cell):
            found.pop(declaration.name, None)
            found[declaration.name] = declaration
    return found


class _Reader:
    """Reads cells in order; keeps what their imports stand for, and what it read of a text that may run again."""

    def __init__(self) -> None:
        self._imports: dict[str, None] = {}  # the latest last: it says what a name stands for
        self._imported = Imported()
        self._read: dict[str, tuple[str, ast.Module] | None] = {}
        self._known: dict[tuple[object, ...], Declaration | None] = {}

    def declared_in(self, cell: CellRun) -> Iterator[Declaration]:
        """The declarations of one cell."""
        read = self._python(cell.text)
        if read is None:
            return
        source, tree = read
        if "import" in source:
            self._import(tree)
        handler = handler_cell(cell.text)
        if handler is not None:
            declaration = self._declared(handler.flags, source, handler.line)
            if declaration is not None and (
                cell.ok or declaration.flat is None
            ):  # a flat cell is one function, or none
                yield declaration
            return
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from _marked(node, {OUR_MODULE: OUR_MODULE} | self._imported.names)
        if self._imported.start_calls(source, tree):
            declaration = self._declared("", source)
            if declaration is not None:
                yield declaration

    def _python(self, text: str) -> tuple[str, ast.Module] | None:
        if text not in self._read:
            handler = handler_cell(text)
            magic, body = peeled(text)
            try:
                source = python_of(handler.body if handler else body) if magic is None else ""
                self._read[text] = (source, tree_of(source))
            except (SyntaxError, ValueError):
                self._read[text] = None
        return self._read[text]

    def _import(self, tree: ast.Module) -> None:
        for node in imports_in(tree):
            text = ast.unparse(node)
            self._imports.pop(text, None)
            self._imports[text] = None
            self._imported.add(node)

    def _declared(self, flags: str, source: str, line: int = 1) -> Declaration | None:
        # What cells imported tells how `start` may be called here.
        key = (flags, source, line, frozenset(self._imported.names.items()))
        if key not in self._known:
            try:
                self._known[key] = declared(flags, source, earlier=[*self._imports], line=line)
            except (BadDeclaration, SyntaxError):
                self._known[key] = None
        return self._known[key]


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
