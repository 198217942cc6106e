"""Code of the notebook that a library's object calls: what overrides its base's methods, what it was given, makers."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rp_notebook.export.library import BUILTIN, Arguments, path_of
from rp_notebook.export.links import NOTHING, Value
from rp_notebook.export.program import Function, Program
from rp_notebook.export.tables import SHALLOW_MUTATORS, VIEWS

if TYPE_CHECKING:
    from rp_notebook.export.expressions import Expressions as Reading

# Bases of these modules call nothing that a class of the notebook has.
_SILENT = (BUILTIN, "abc.", "typing.", "enum.", "collections.", "typing_extensions.")
_FACTORIES = frozenset({"default_factory", "factory"})


def runs_code(method: str) -> bool:
    """Whether a library's method of that name may call code that its object has: not one that only stores or looks."""
    return method not in SHALLOW_MUTATORS | VIEWS and not method.startswith("get_")


def given_code(program: Program, name: str) -> tuple[ast.expr, ...]:
    """The expressions with code that a library's object was given: as it was made, or later."""
    if name not in program.given:
        values = program.values.get(name, ())
        made = [value for value in values if _is_made(value, program)]
        puts = [*made, *program.put.get(name, ())] if made else []
        program.given[name] = tuple(part for put in puts for part in _given_in(put, program))
    return program.given[name]


def _given_in(node: ast.expr, program: Program) -> Iterator[ast.expr]:
    """What stands in displays, and is given to what libraries make, however deep."""
    match node:
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts) | ast.Dict(values=parts):
            yield from (each for part in parts for each in _given_in(part, program))
        case ast.Call() if _is_made(node, program):
            parts = [*node.args, *(key.value for key in node.keywords)]
            yield from (each for part in parts for each in _given_in(part, program))
        case ast.Constant():
            return
        case _:
            yield node


def _is_made(node: ast.expr, program: Program) -> bool:
    """Whether an expression calls a library, for an object that may keep what it is given."""
    path = path_of(node.func, program, ()) if isinstance(node, ast.Call) else ""
    return bool(path) and not path.startswith((BUILTIN, "collections."))


def run_overriding(reading: Reading, classes: Iterable[str], receiver: Value, given: Value) -> None:
    """Runs the methods of those classes that derive from a library's, which may call any of them."""
    program = reading.program
    for name in sorted(classes):
        if derives_from_library(program, name):
            for method in _methods(program, name):
                reading.call_function(method, Arguments((receiver,), None, given))


def derives_from_library(program: Program, name: str) -> bool:
    """Whether a class of the notebook has a base whose methods may call those of the class."""
    bases = [base for each in program.lineage([name]) for node in program.classes[each] for base in node.bases]
    paths = [path_of(base.value if isinstance(base, ast.Subscript) else base, program, ()) for base in bases]
    return any(path and not path.startswith(_SILENT) for path in paths)


def run_makers(reading: Reading, name: str, given: Value) -> None:
    """Runs what making an object of a class runs besides its constructor: factories of its fields, validators."""
    program = reading.program
    items = [item for each in program.lineage([name]) for node in program.classes[each] for item in node.body]
    for item in items:
        value = item.value if isinstance(item, ast.Assign | ast.AnnAssign) else None
        for key in value.keywords if isinstance(value, ast.Call) else ():
            if key.arg in _FACTORIES:
                reading.value(ast.Call(key.value, [], []))
        if isinstance(item, ast.FunctionDef) and any(_validates(each, program) for each in item.decorator_list):
            reading.call_function(item, Arguments((NOTHING,), None, given))


def _validates(decorator: ast.expr, program: Program) -> bool:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    path = path_of(target, program, ())
    return "validator" in path.rpartition(".")[2]


def _methods(program: Program, name: str) -> list[Function]:
    return [
        item
        for each in sorted(program.lineage([name]))
        for node in program.classes[each]
        for item in node.body
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and not item.name.startswith("__")
    ]
