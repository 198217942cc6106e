"""Functions that make something when it is asked for first, and keep it: whoever asks first gets the same.

Such a store is a variable of the module that is None until then, or a dict, or an object without that attribute.
"""

from __future__ import annotations

import ast
from functools import lru_cache

from rp_notebook.export.library import local_names
from rp_notebook.export.program import Function, Program
from rp_notebook.export.store_looks import Look, globals_of, is_load, is_store, look_at, receiver_of
from rp_notebook.export.trees import WALKED, walk


def fills(program: Program, function: Function) -> dict[int, frozenset[str]]:
    """The statements of a function that run only while stores are not filled, by their id, with the names of those."""
    found: dict[int, frozenset[str]] = {}
    stores = candidates(function)
    for store in stores:
        look = look_at(program, function, store)
        if look.region and not look.unguarded and look.fills and _is_same_for_all(function, look, stores):
            found |= {id(node): found.get(id(node), frozenset()) | {store} for node in look.region}
    return found


def fills_in(program: Program, node: ast.AST, store: str) -> bool:
    """Whether code of a statement fills a store when it is called."""
    functions = [part for part in walk(node) if isinstance(part, Function)]
    return any(own_name(each, store) in stores for each in functions for stores in fills(program, each).values())


def reads_unfilled(program: Program, node: ast.AST, store: str) -> bool:
    """Whether code of a statement may read a store that nobody has filled before."""
    functions = [part for part in walk(node) if isinstance(part, Function)]
    attr = store.partition(".")[2]
    if attr and any(isinstance(part, ast.Name) and part.id in ("vars", "getattr", "pickle") for part in walk(node)):
        return True
    guarded: set[int] = set()
    for each in functions:
        look = look_at(program, each, own_name(each, store))
        guarded |= set() if look.unguarded else {id(p) for p in walk(each) if is_load(p, own_name(each, store))}
    return any(_reads(part, store) for part in walk(node) if id(part) not in guarded)


def own_name(function: Function, store: str) -> str:
    """How a method calls an attribute that is a store, of whatever object; any other store as it is."""
    attr = store.partition(".")[2]
    return f"{receiver_of(function)}.{attr}" if attr and _is_method(function, attr) else store


def _is_method(function: Function, attr: str) -> bool:
    name = receiver_of(function)
    return bool(name) and any(is_store(part, f"{name}.{attr}") for part in walk(function))


def _reads(node: ast.AST, store: str) -> bool:
    attr = store.partition(".")[2]
    if attr:
        return isinstance(node, ast.Attribute) and node.attr == attr and isinstance(node.ctx, ast.Load)
    return is_load(node, store)


@lru_cache(maxsize=WALKED)
def candidates(function: Function) -> frozenset[str]:
    """The names outside of a function that it looks into before it makes something."""
    if isinstance(function, ast.Lambda):
        return frozenset()
    nodes = walk(function)
    tests = [node.test for node in nodes if isinstance(node, ast.If)]
    tried = [part for node in nodes if isinstance(node, ast.Try) for part in node.body]
    gets = [n.func for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    defaults = {_path(func.value) for func in gets if func.attr == "setdefault"}
    looked = [n for part in [*tests, *tried] for n in walk(part)]
    asked = {_path(n) for n in looked} | {_path(func.value) for func in gets if func.attr in ("get", "setdefault")}
    asked |= {str(n.value) for n in looked if isinstance(n, ast.Constant)}
    asked |= {_asked_for(n) for n in looked}
    targets = [n.value if isinstance(n, ast.Subscript) else n for n in nodes if _is_target(n)]
    stored = defaults | globals_of(function) | {_path(target) for target in targets}
    own = local_names(function) - {receiver_of(function)}
    found = {store for store in asked & stored if store and store.partition(".")[0] not in own}
    found -= {receiver_of(function)}
    return frozenset(found | globals_of(function) - own if found else ())  # what is made together has one test


def _path(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            return f"{name}.{attr}"
    return ""


def _asked_for(node: ast.AST) -> str:
    match node:
        case ast.Call(func=ast.Name(id="hasattr"), args=[ast.Name(id=name), ast.Constant(value=str() as attr)]):
            return f"{name}.{attr}"
    return ""


def _is_target(node: ast.AST) -> bool:
    return isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store)


def _is_same_for_all(function: Function, look: Look, stores: frozenset[str]) -> bool:
    """Whether what is made does not depend on who asks, but for the key, and is all that is done."""
    own, (root, _, attr) = local_names(function), look.store.partition(".")
    keys = {n.id for key in look.keys for n in walk(key) if isinstance(n, ast.Name)} | ({root} if attr else set())
    for node in walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Tuple() | ast.JoinedStr() as value) if name in keys:
                keys |= {n.id for n in walk(value) if isinstance(n, ast.Name)}
    parts = [part for node in look.region for part in walk(node)]
    names = [part for part in parts if isinstance(part, ast.Name)]
    stored = {n.id for n in names if isinstance(n.ctx, ast.Store)}
    if ({n.id for n in names} & own) - keys - stored:
        return False
    called = [part.func for part in parts if isinstance(part, ast.Call)]
    names = [
        name for name in names if name not in called or name.id != getattr(function, "name", "")
    ]  # it calls itself
    spoken = [part for part in parts if isinstance(part, ast.Attribute) and _path(part).startswith(f"{root}.")]
    others = [part for part in spoken if not isinstance(part.ctx, ast.Load) or part in called]
    whole = sum(name.id == root for name in names) > len(spoken)
    return not attr or not (whole or any(_path(part) not in stores for part in others))
