"""Numbers that code only counts up, and notes that it leaves on functions: they matter where something reads them.

A count is told as `.n` for an attribute of any object, `n` for a variable of the module, `n[]` for the entries of one.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from rp_notebook.export.trees import walk

if TYPE_CHECKING:
    from rp_notebook.export.timeline import Fact

NOTED = "noted:"  # how a root begins that is such a count or note
_ALL_READ = frozenset({"vars", "__dict__", "asdict", "astuple", "pickle", "getattr", "__getstate__"})
_SPOKEN = frozenset({"globals", "locals", "exec", "eval"})
_EMPTY = frozenset({"dict", "Counter", "defaultdict"})  # what begins a table of counts


def counters_in(statements: Mapping[ast.stmt, str]) -> frozenset[str]:
    """The counts of numbers that code adds numbers to, and never sets to anything else; by each statement's text."""
    counted = {
        count_of(part.target)
        for node, text in statements.items()
        if "+= " in text
        for part in walk(node)
        if isinstance(part, ast.AugAssign) and _is_number(part.value)
    } - {""}
    if not counted:
        return frozenset()
    words = {each.strip(".[]") for each in counted}
    near = [node for node, text in statements.items() if any(word in text for word in words)]
    classes = {part.name for node in statements for part in walk(node) if isinstance(part, ast.ClassDef)}
    return frozenset(counted - {each for node in near for each in _others(node, classes)})


def count_of(target: ast.AST) -> str:
    """How a count is told that is what an expression names; empty for anything else."""
    match target:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(), attr=name):
            return f".{name}"
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant()):
            return f"{name}[]"
    return ""


def _others(node: ast.AST, classes: Collection[str]) -> Iterator[str]:
    """What is, or may be, something else than a number."""
    for part in walk(node):
        match part:
            case ast.Assign(targets=targets, value=value) if not _is_number(value):
                for target in targets:
                    yield from _stored(target, table=_is_table(value))
            case ast.AugAssign(target=target, value=value) if not _is_number(value):
                yield from _stored(target)
            case ast.AnnAssign(target=target, value=value) if value is None or not _is_number(value):
                yield from _stored(target, table=value is not None and _is_table(value))
            case ast.NamedExpr(target=target) | ast.For(target=target) | ast.comprehension(target=target):
                yield from _stored(target)
            case ast.withitem(optional_vars=ast.expr() as target):
                yield from _stored(target)
            case ast.ClassDef(name=name, bases=bases):
                yield from (name, f".{name}", f"{name}[]")
                others = any(not isinstance(base, ast.Name) or base.id not in classes for base in bases)
                if others or part.decorator_list or part.keywords:  # what is not written here may read its attributes
                    yield from _stored(part)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.alias(asname=str() as name):
                yield from (name, f".{name}", f"{name}[]")
            case ast.alias(name=name):
                yield from (name, f"{name}[]")
            case ast.Name(id=name) if name in _SPOKEN:
                yield from (each for word in walk(node) for each in _spoken(word))


def _spoken(part: ast.AST) -> Iterator[str]:
    if isinstance(part, ast.Constant) and isinstance(part.value, str):
        for word in part.value.replace("=", " ").split():
            yield from (word, f"{word}[]")


def _stored(target: ast.AST, *, table: bool = False) -> Iterator[str]:
    for part in walk(target):
        if isinstance(part, ast.Attribute) and not isinstance(part.ctx, ast.Load):
            yield f".{part.attr}"
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield from (part.id, f".{part.id}", *([] if table else [f"{part.id}[]"]))
        elif isinstance(part, ast.Subscript) and isinstance(part.value, ast.Name):
            yield f"{part.value.id}[]"


def _is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple):  # for as many names
        return all(map(_is_number, node.elts))
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _is_table(node: ast.expr) -> bool:
    match node:
        case ast.Tuple(elts=parts):
            return all(_is_table(part) or _is_number(part) for part in parts)
        case ast.Dict(keys=keys, values=values):
            return None not in keys and all(map(_is_number, values))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return name in _EMPTY and all(isinstance(each, ast.Name) and each.id == "int" for each in args)
    return False


def is_read(count: str, facts: Iterable[Fact]) -> bool:
    """Whether code of some statements may read a count, or a note."""
    whole = _ALL_READ if count.startswith(".") else _SPOKEN
    word = count.strip(".[]")
    for fact in facts:
        names = fact.names
        if not whole.isdisjoint({*names.uses, *names.deferred, *(leaf for _, leaf in names.chains)}):
            return True
        if word in fact.statement.text and _reads(fact.statement.node, count, word):
            return True
    return False


def _reads(node: ast.AST, count: str, word: str) -> bool:
    parts = walk(node)
    counting = {id(part.value) for part in parts if isinstance(part, ast.Subscript) and _is_counting(part)}
    for part in parts:
        match part:
            case ast.Attribute(attr=name, ctx=ast.Load()) if count.startswith("."):
                if name == word:
                    return True
            case ast.Name(id=name, ctx=ast.Load()) if not count.startswith("."):
                if name == word and id(part) not in counting:
                    return True
            case ast.Constant(value=str() as text):
                if word in text.split():
                    return True
    return False


def _is_counting(part: ast.Subscript) -> bool:
    return isinstance(part.ctx, ast.Store) and isinstance(part.slice, ast.Constant)
