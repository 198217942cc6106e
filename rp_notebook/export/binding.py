"""Which names statements bind, on some path or on all, and which they may read before they bound them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from rp_notebook.export.comprehensions import COMPREHENSIONS
from rp_notebook.export.evaluation import BINDING, read_first
from rp_notebook.export.namespace_dict import ANY, key_of, pairs
from rp_notebook.export.trees import captured_names, children, immediate, walk

COMPOUND = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.With, ast.AsyncWith)
_ASSIGNING = frozenset({ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.AugAssign, ast.For, ast.AsyncFor, ast.withitem})
BLOCKS = (ast.ExceptHandler, ast.match_case)


def keys_in(part: ast.AST, *, at_module: bool) -> set[str]:
    """The names that a part of a statement binds by their text."""
    if isinstance(part, ast.Call):
        return {name for name, _ in pairs(part, at_module=at_module)} - {ANY}
    return {key_of(part, at_module=at_module)} - {"", ANY} if _is_stored(part) else set()


def _is_stored(part: ast.AST) -> bool:
    return isinstance(part, ast.Subscript) and isinstance(part.ctx, ast.Store)


def exposed_in(body: list[ast.stmt], before: set[str]) -> set[str]:
    """Names that these statements may read before they bound them themselves."""
    found: set[str] = set()
    bound = set(before)
    for node in body:
        found |= _exposed_by(node, bound)
        bound |= _certain_of(node)
    return found


def _exposed_by(node: ast.stmt, bound: set[str]) -> set[str]:
    blocks = [b for b in ("body", "orelse", "finalbody") if isinstance(node, COMPOUND) and getattr(node, b, None)]
    heads: list[ast.AST] = [node]
    own: set[str] = set()
    if blocks or isinstance(node, ast.Match):
        inner = {id(child) for b in blocks for child in getattr(node, b)}
        heads = [c for c in children(node) if id(c) not in inner and not isinstance(c, BLOCKS)]
        own = set().union(*(stored_in(head) for head in heads))
    found: set[str] = set()
    parts = [part for head in heads for part in immediate(head)]
    if not BINDING.isdisjoint(map(type, parts)):
        found = read_first(heads, bound)
    else:
        for part in parts:
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
                found.add(part.id)
            elif isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Name):
                found.add(part.target.id)
        found -= bound
    for block in blocks:
        found |= exposed_in(getattr(node, block), bound | own)
    for handler in getattr(node, "handlers", ()):
        found |= exposed_in(handler.body, bound | ({handler.name} if handler.name else set()))
    for case in getattr(node, "cases", ()):
        captured = {name for part in walk(case.pattern) for name in captured_names(part)}
        found |= exposed_in(case.body, bound | own | captured)
    return found


def stored_in(node: ast.AST) -> set[str]:
    found: set[str] = set()
    noted: set[str] = set()
    for part in immediate(node):
        if isinstance(part, ast.Name):
            if isinstance(part.ctx, ast.Store):
                found.add(part.id)
        elif is_bare_note(part):
            noted.add(part.target.id)  # type: ignore[attr-defined] # a Name
        elif _is_stored(part):
            found |= keys_in(part, at_module=True)
    return found - noted


def is_bare_note(node: ast.AST) -> bool:
    return isinstance(node, ast.AnnAssign) and node.value is None and isinstance(node.target, ast.Name)


def certain_in(body: list[ast.stmt]) -> set[str]:
    """Names bound on every path that goes on behind these statements."""
    found: set[str] = set()
    for node in body:
        found |= _certain_of(node)
    return found


def _certain_of(node: ast.stmt) -> set[str]:
    match node:
        case ast.If():
            return _walrus(node.test) | _common([node.body, node.orelse])
        case ast.Try():
            bodies = [[*node.body, *node.orelse], *(handler.body for handler in node.handlers)]
            return _common(bodies) | certain_in(node.finalbody)
        case ast.With() | ast.AsyncWith():
            targets = [item.optional_vars for item in node.items if item.optional_vars]
            return set().union(*(stored_in(t) for t in targets)) | certain_in(node.body)
        case ast.Match():
            last = node.cases[-1]
            whole = last.guard is None and isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
            return _common([case.body for case in node.cases]) if whole else set()
        case ast.For() | ast.AsyncFor() | ast.While() | ast.Delete():
            return set()
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Import() | ast.ImportFrom():
            return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        case ast.Expr():
            may_be_there = isinstance(node.value, ast.Call) and getattr(node.value.func, "attr", "") == "setdefault"
            return _walrus(node.value) | (set() if may_be_there else keys_in(node.value, at_module=True))
        case ast.Assign(targets=targets, value=value):
            return set().union(*map(stored_in, targets)) | _walrus(value)
        case _:
            inner = {n for part in immediate(node) if isinstance(part, COMPREHENSIONS) for n in stored_in(part)}
            return (stored_in(node) - inner) | _walrus(getattr(node, "value", None))


def _common(bodies: list[list[ast.stmt]]) -> set[str]:
    going_on = [certain_in(body) for body in bodies if not (body and isinstance(body[-1], ast.Raise))]
    return set.intersection(*going_on) if going_on else set()


def _walrus(node: ast.AST | None) -> set[str]:
    stops = (ast.BoolOp, ast.IfExp, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    todo = [node]
    found: set[str] = set()
    while todo:
        part = todo.pop()
        if part is not None and not isinstance(part, stops):
            if isinstance(part, ast.NamedExpr):
                found.add(part.target.id)
            todo += children(part)
    return found


def assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Names and the expressions bound to them, for assignments of whole names."""
    if type(node) not in _ASSIGNING:
        return
    if isinstance(node, ast.Assign):
        for target in node.targets:
            pairs = [(target, node.value)]
            same = isinstance(target, ast.Tuple | ast.List) and isinstance(node.value, ast.Tuple | ast.List)
            if same and len(target.elts) == len(node.value.elts):  # type: ignore[attr-defined] # both are displays
                pairs = list(zip(target.elts, node.value.elts, strict=True))  # type: ignore[attr-defined] # see above
            for left, right in pairs:
                for n in walk(left):
                    if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load):
                        yield n.id, right
                    elif isinstance(n, ast.Starred) and isinstance(n.value, ast.Name):  # a list of what is left
                        yield n.value.id, ast.List([right], ast.Load())
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr | ast.AugAssign) and isinstance(node.target, ast.Name):
        if node.value is not None:
            yield node.target.id, node.value
    elif isinstance(node, ast.For | ast.AsyncFor):
        # Each is one of these in turn: nobody can change the list through it.
        given = ast.Tuple(node.iter.elts, ast.Load()) if isinstance(node.iter, ast.List) else node.iter
        yield from ((n.id, given) for n in walk(node.target) if isinstance(n, ast.Name))
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield from ((n.id, node.context_expr) for n in walk(node.optional_vars) if isinstance(n, ast.Name))


def assigned_globals(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """What a function assigns to names that it declares `global`."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        names = {name for part in walk(node) if isinstance(part, ast.Global) for name in part.names}
        if names:
            yield from ((name, value) for part in walk(node) for name, value in assigned(part) if name in names)
