"""Walks syntax trees: an export asks for the nodes of a tree a dozen times, so that each is walked once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache

WALKED = 262144  # trees whose nodes are kept
PARSED = 65536  # texts whose trees are kept
_LATER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)  # what runs when it is called
_SCOPES = (*_LATER, ast.ClassDef)
_KNOWN = "nodes_below"  # of a node, where it was asked for them before
# Fields that hold no node, or one that only stands for a word: whoever wants it asks its owner.
_WORDS = frozenset({"ctx", "op", "ops", "id", "attr", "arg", "asname", "module", "level", "kind", "type_comment"})


def tree_of(source: str) -> ast.Module:
    """The tree of a text, one for all who ask: it is only read. Raises what `ast.parse` raises."""
    return _parsed(source.rstrip("\n"))  # a cell of one statement is read as that statement


@lru_cache(maxsize=PARSED)
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


@lru_cache(maxsize=WALKED)
def walk(node: ast.AST) -> tuple[ast.AST, ...]:
    """The nodes of a tree in the order of `ast.walk`; contexts and operators are left out."""
    found = [node]
    for part in found:
        found += children(part)
    return tuple(found)


@lru_cache(maxsize=WALKED)
def immediate(node: ast.AST) -> tuple[ast.AST, ...]:
    """The nodes that run when the statement runs: not the bodies of functions, but class bodies and defaults."""
    todo = [node]
    found: list[ast.AST] = []
    while todo:
        part = todo.pop()
        found.append(part)
        todo += run_with(part)[::-1]
    return tuple(found)


def run_with(node: ast.AST) -> tuple[ast.AST, ...]:
    """The nodes right below a node that run when it does: of a function its decorators and defaults."""
    if not isinstance(node, _LATER):
        return children(node)
    defaults = (default for default in node.args.kw_defaults if default)
    return (*getattr(node, "decorator_list", ()), *node.args.defaults, *defaults)


def at_module_level(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a statement that are outside of functions and classes, these themselves among them."""
    todo = [node]
    while todo:
        part = todo.pop()
        yield part
        if not isinstance(part, _SCOPES):
            todo += children(part)[::-1]


def captured_names(pattern: ast.AST) -> list[str]:
    """The names that one node of a `match` pattern binds itself."""
    found = (getattr(pattern, "name", None), getattr(pattern, "rest", None))
    return [name for name in found if name] if isinstance(pattern, ast.pattern) else []


def children(node: ast.AST) -> tuple[ast.AST, ...]:
    """The nodes right below a node in their order; contexts and operators are left out."""
    known: tuple[ast.AST, ...] | None = getattr(node, _KNOWN, None)
    if known is not None:
        return known
    found: list[ast.AST] = []
    for field in _fields(type(node)):  # type: ignore[arg-type] # a class is hashable, whatever its instances are
        value = getattr(node, field, None)
        if type(value) is list:
            found += [item for item in value if isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    known = tuple(found)
    setattr(node, _KNOWN, known)
    return known


@lru_cache(maxsize=256)
def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    return tuple(field for field in kind._fields if field not in _WORDS)


def module_of(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    """The module that one name of an import is of; empty for `from . import name`."""
    return (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
