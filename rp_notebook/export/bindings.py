"""What the names and attributes of a scope are bound to, all versions of each."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rp_notebook.export.cutting import DEFINITION
from rp_notebook.export.trees import children, walk


@dataclass(frozen=True)
class Each:
    """Stands for an element of what an expression gives."""

    of: ast.expr


Bound = ast.expr | Each | None  # None is something unknown


def bound_in(nodes: Iterable[ast.AST], *, outermost: bool) -> dict[str, list[Bound]]:
    """The bindings of some statements, or of a function's arguments and body; those of attributes stand under `.name`,
    those of items under `[key]`.

    Of the outermost scope they hold what methods and class bodies assign to attributes, too.
    """
    bound: dict[str, list[Bound]] = {}
    todo = deque(nodes)
    while todo:
        node = todo.popleft()
        inner = isinstance(node, (*DEFINITION, ast.Lambda))
        for name, value in [*_bindings(node), *(_attributes(node) if inner and outermost else [])]:
            bound.setdefault(name, []).append(value)
        todo += [] if inner else children(node)
    return bound


def _bindings(node: ast.AST) -> Iterator[tuple[str, Bound]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _unpacked(target, value)
            if isinstance(value, ast.Call):  # an object is mostly given what its attributes are to be
                yield from ((f".{item.arg}", item.value) for item in value.keywords if item.arg)
        case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
            yield from _unpacked(target, value)
        case ast.For(target=target, iter=of) | ast.AsyncFor(target=target, iter=of):
            yield from _unpacked(target, Each(of))
        case ast.comprehension(target=target, iter=of):
            yield from _unpacked(target, Each(of))
        case ast.withitem(optional_vars=ast.expr() as target):
            yield from _unpacked(target, None)
        case ast.arguments():
            named = [*node.posonlyargs, *node.args, *node.kwonlyargs]
            yield from ((arg.arg, None) for arg in named)
            given = [*zip(reversed(named[: len(named) - len(node.kwonlyargs)]), reversed(node.defaults), strict=False)]
            given += [(a, d) for a, d in zip(node.kwonlyargs, node.kw_defaults, strict=True) if d is not None]
            yield from ((arg.arg, default) for arg, default in given)


def _unpacked(target: ast.expr, value: Bound) -> Iterator[tuple[str, Bound]]:
    match target, value:
        case ast.Name(id=name), _:
            yield name, value
        case ast.Attribute(attr=attr), _:
            yield f".{attr}", value
        case ast.Subscript(slice=ast.Constant(value=str() as key)), _:
            yield f"[{key}]", value
        case ((ast.Tuple(elts=left) | ast.List(elts=left)), (ast.Tuple(elts=right) | ast.List(elts=right))) if len(
            left
        ) == len(right):
            for one, other in zip(left, right, strict=True):
                yield from _unpacked(one, other)
        case ((ast.Tuple(elts=left) | ast.List(elts=left)), Each()):
            for one in left:
                yield from _unpacked(one, value)
        case ((ast.Tuple(elts=left) | ast.List(elts=left)), _):
            for one in left:
                yield from _unpacked(one, None)


def _attributes(definition: ast.AST) -> Iterator[tuple[str, Bound]]:
    """What a class's body, and any method, assigns to attributes."""
    for part in walk(definition):
        yield from ((name, value) for name, value in _bindings(part) if name.startswith("."))
    for item in definition.body if isinstance(definition, ast.ClassDef) else ():
        yield from ((f".{name}", value) for name, value in _bindings(item) if not name.startswith("."))
