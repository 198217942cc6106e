"""Names that code reads before it binds them itself, by the order in which its expressions are evaluated."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from rp_notebook.export.comprehensions import COMPREHENSIONS
from rp_notebook.export.trees import run_with, walk

BINDING = frozenset({ast.NamedExpr, ast.withitem, *COMPREHENSIONS})  # they bind names that the same code may read


def read_first(parts: Iterable[ast.AST], bound: set[str]) -> set[str]:
    """The names that these parts, evaluated one behind the other, read while they may be unbound."""
    found: set[str] = set()
    known = set(bound)
    for part in parts:
        _evaluate(part, known, found)
    return found


def _evaluate(node: ast.AST, bound: set[str], found: set[str]) -> None:
    """Adds what is read unbound to `found`, and what is bound for certain to `bound`."""
    match node:
        case ast.Name(id=name):
            if isinstance(node.ctx, ast.Store):
                bound.add(name)
            elif name not in bound:
                found.add(name)
        case ast.NamedExpr(target=ast.Name(id=name), value=value):
            _evaluate(value, bound, found)
            bound.add(name)
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            _evaluate_comprehension(node, bound, found)
        case ast.BoolOp(values=[first, *others]):
            _evaluate(first, bound, found)
            _evaluate_some(others, bound, found)
        case ast.IfExp(test=test, body=body, orelse=other):
            _evaluate(test, bound, found)
            _evaluate_some([body], bound, found)
            _evaluate_some([other], bound, found)
        case ast.Assign(targets=targets, value=value):
            for each in (value, *targets):
                _evaluate(each, bound, found)
        case ast.AugAssign(target=target, value=value):
            found |= {target.id} - bound if isinstance(target, ast.Name) else set()
            for each in (value, target):
                _evaluate(each, bound, found)
        case ast.Dict(keys=keys, values=values):
            for each in (side for pair in zip(keys, values, strict=True) for side in pair if side is not None):
                _evaluate(each, bound, found)
        case _:
            for part in run_with(node):
                _evaluate(part, bound, found)


def _evaluate_some(parts: list[ast.expr], bound: set[str], found: set[str]) -> None:
    """Parts that may not be evaluated: each knows what those before it bound, and nothing behind them does."""
    inner = set(bound)
    for part in parts:
        _evaluate(part, inner, found)


def _evaluate_comprehension(
    node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, bound: set[str], found: set[str]
) -> None:
    _evaluate(node.generators[0].iter, bound, found)
    inner = set(bound)
    for number, each in enumerate(node.generators):
        if number:
            _evaluate(each.iter, inner, found)
        inner |= {n.id for n in walk(each.target) if isinstance(n, ast.Name)}
        for test in each.ifs:
            _evaluate(test, inner, found)
    for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
        _evaluate(part, inner, found)
