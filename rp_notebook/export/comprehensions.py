"""Names that live only inside comprehensions; since Python 3.12 the compiler's table counts them to what is around."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from rp_notebook.export.trees import children, walk

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def comprehension_names(node: ast.AST) -> frozenset[str]:
    """The targets of a statement's comprehensions that nothing outside of them reads or binds."""
    if not any(isinstance(part, COMPREHENSIONS) for part in walk(node)):
        return frozenset()
    targets: set[str] = set()
    outside: set[str] = set()
    _walk(node, frozenset(), targets, outside)
    return frozenset(targets - outside)


def _walk(node: ast.AST, local: frozenset[str], targets: set[str], outside: set[str]) -> None:
    if isinstance(node, COMPREHENSIONS):
        inner = local | {n.id for g in node.generators for n in walk(g.target) if isinstance(n, ast.Name)}
        targets |= inner
        first = node.generators[0].iter  # the one part that is evaluated outside
        _walk(first, local, targets, outside)
        for part in _parts(node, first):
            _walk(part, inner, targets, outside)
        return
    if isinstance(node, ast.Name) and node.id not in local:
        outside.add(node.id)
    if isinstance(node, ast.NamedExpr):  # binds outside of the comprehension that it stands in
        outside.add(node.target.id)
    if isinstance(node, SCOPES):
        local = local | {arg.arg for arg in walk(node.args) if isinstance(arg, ast.arg)}
    for child in children(node):
        _walk(child, local, targets, outside)


def _parts(node: ast.AST, first: ast.expr) -> Iterator[ast.AST]:
    parts: Iterable[ast.AST] = children(node)
    for part in parts:
        if not isinstance(part, ast.comprehension):
            yield part
            continue
        yield from part.ifs
        if part.iter is not first:
            yield part.iter
