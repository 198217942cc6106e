"""Which values are used up by whoever goes through them: iterators, generators, files."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from rp_notebook.export.tables import ITERATOR_MAKERS, ITERATOR_METHODS, ITERATORS
from rp_notebook.export.trees import walk


def yields(function: ast.AST) -> bool:
    """Whether a function is a generator."""
    scopes = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    inner = [part for part in walk(function) if isinstance(part, scopes) and part is not function]
    nested = {id(part) for each in inner for part in walk(each)}
    return any(isinstance(part, ast.Yield | ast.YieldFrom) and id(part) not in nested for part in walk(function))


def is_iterator(value: ast.expr, generators: set[str], imports: Mapping[str, str]) -> bool:
    """Whether an expression gives one; `generators` are functions of the notebook that do."""
    match value:
        case ast.GeneratorExp():
            return True
        case ast.Call(func=ast.Name(id=name)):
            path = imports.get(name, name)
            return path in ITERATORS or name in generators or path.startswith(ITERATOR_MAKERS)
        case ast.Call(func=ast.Attribute(value=owner, attr=leaf)):
            module = imports.get(owner.id, "") if isinstance(owner, ast.Name) else ""
            return f"{module}.{leaf}".startswith(ITERATOR_MAKERS) or leaf in ITERATOR_METHODS
    return False
