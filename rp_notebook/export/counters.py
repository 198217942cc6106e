"""Numbers that code only counts up, and notes that it leaves on functions: they matter where something reads them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from rp_notebook.export.trees import walk

if TYPE_CHECKING:
    from rp_notebook.export.timeline import Fact

NOTED = "noted:"  # how a root begins that is such an attribute
_WHOLE = frozenset({"vars", "__dict__", "asdict", "astuple", "pickle", "getattr", "__getstate__"})  # read all of them


def counters_in(statements: Mapping[ast.stmt, str]) -> frozenset[str]:
    """The attributes of objects that are numbers, and that code adds numbers to; by each statement's text."""
    counted = {
        part.target.attr
        for node, text in statements.items()
        if "+= " in text
        for part in walk(node)
        if isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Attribute) and _is_number(part.value)
    }
    if not counted:
        return frozenset()
    near = [node for node, text in statements.items() if any(name in text for name in counted)]
    return frozenset(counted - {name for node in near for name in _others(node)})


def _others(node: ast.AST) -> Iterator[str]:
    """The attributes that are, or may be, something else than a number."""
    for part in walk(node):
        match part:
            case ast.Assign(targets=targets, value=value) if not _is_number(value):
                for target in targets:
                    yield from _stored(target)
            case ast.AugAssign(target=target, value=value) if not _is_number(value):
                yield from _stored(target)
            case ast.AnnAssign(target=target, value=value) if value is None or not _is_number(value):
                yield from _stored(target)
            case ast.For(target=target) | ast.comprehension(target=target) | ast.withitem(optional_vars=target):
                yield from _stored(target) if target is not None else ()
            case ast.ClassDef():  # one that makes its methods or its attributes itself, or shows what it has
                yield from _stored(part) if part.decorator_list or part.keywords else ()
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name


def _stored(target: ast.AST) -> Iterator[str]:
    for part in walk(target):
        if isinstance(part, ast.Attribute) and not isinstance(part.ctx, ast.Load):
            yield part.attr
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def is_read(attribute: str, facts: Iterable[Fact]) -> bool:
    """Whether code of some statements may read an attribute."""
    for fact in facts:
        names = fact.names
        if not _WHOLE.isdisjoint({*names.uses, *names.deferred, *(leaf for _, leaf in names.chains)}):
            return True
        if attribute in fact.statement.text and any(_reads(part, attribute) for part in walk(fact.statement.node)):
            return True
    return False


def _reads(part: ast.AST, attribute: str) -> bool:
    match part:
        case ast.Attribute(attr=name, ctx=ast.Load()):
            return name == attribute
        case ast.Constant(value=name):
            return name == attribute
    return False
