"""Functions that make something when it is asked for first, and keep it: whoever asks first gets the same.

Such a store is a variable of the module that is None until then, or a dict, or an object without that attribute.
"""

from __future__ import annotations

import ast
from functools import lru_cache

from rp_notebook.export.cutting import root_name
from rp_notebook.export.library import local_names
from rp_notebook.export.program import Function, Program
from rp_notebook.export.store_looks import Look, globals_of, is_load, look_at
from rp_notebook.export.trees import WALKED, walk


def fills(program: Program, function: Function) -> dict[int, frozenset[str]]:
    """The statements of a function that run only while stores are not filled, by their id, with the names of those."""
    found: dict[int, frozenset[str]] = {}
    for store in candidates(function):
        look = look_at(program, function, store)
        if look.region and not look.unguarded and look.fills and _is_same_for_all(function, look):
            found |= {id(node): found.get(id(node), frozenset()) | {store} for node in look.region}
    return found


def fills_in(program: Program, node: ast.AST, store: str) -> bool:
    """Whether code of a statement fills a store when it is called."""
    functions = [part for part in walk(node) if isinstance(part, Function)]
    return any(store in stores for each in functions for stores in fills(program, each).values())


def reads_unfilled(program: Program, node: ast.AST, store: str) -> bool:
    """Whether code of a statement may read a store that nobody has filled before."""
    functions = [part for part in walk(node) if isinstance(part, Function)]
    inside = {id(part) for each in functions for part in walk(each)}
    if any(is_load(part, store) for part in walk(node) if id(part) not in inside):
        return True
    return any(look_at(program, each, store).unguarded for each in functions)


@lru_cache(maxsize=WALKED)
def candidates(function: Function) -> frozenset[str]:
    """The names outside of a function that it looks into before it makes something."""
    if isinstance(function, ast.Lambda):
        return frozenset()
    tests = [node.test for node in walk(function) if isinstance(node, ast.If)]
    tried = [part for node in walk(function) if isinstance(node, ast.Try) for part in node.body]
    loads = {n.id for part in [*tests, *tried] for n in walk(part) if isinstance(n, ast.Name)}
    loads |= {str(n.value) for test in tests for n in walk(test) if isinstance(n, ast.Constant)}
    gets = [n.func for n in walk(function) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    loads |= {root_name(func) for func in gets if func.attr in ("get", "setdefault")}
    defaults = {root_name(func) for func in gets if func.attr == "setdefault"}
    outside = defaults | globals_of(function)
    outside |= {root_name(n) for n in walk(function) if isinstance(n, ast.Subscript | ast.Attribute) and _is_store(n)}
    asked = (loads & outside) - local_names(function)
    return frozenset(asked | globals_of(function) if asked else ())  # what is made together has one test


def _is_same_for_all(function: Function, look: Look) -> bool:
    """Whether what is made does not depend on who asks, but for the key."""
    own = local_names(function)
    keys = {n.id for key in look.keys for n in walk(key) if isinstance(n, ast.Name)}
    for node in walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Tuple() | ast.JoinedStr() as value) if name in keys:
                keys |= {n.id for n in walk(value) if isinstance(n, ast.Name)}
    names = [n for node in look.region for n in walk(node) if isinstance(n, ast.Name)]
    stored = {n.id for n in names if isinstance(n.ctx, ast.Store)}
    return not ({n.id for n in names} & own) - keys - stored


def _is_store(node: ast.AST) -> bool:
    return isinstance(getattr(node, "ctx", None), ast.Store)
