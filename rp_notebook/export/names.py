"""Which names a statement reads now, reads later, binds, and deletes: the compiler's own table says so."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from rp_notebook.export.symbols import symbols_of
from rp_notebook.export.trees import WALKED, children, walk

CALLING = (
    *(ast.Call, ast.BinOp, ast.Subscript, ast.Attribute, ast.For, ast.AsyncFor, ast.With, ast.AsyncWith, ast.Await),
    *(ast.Compare, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.AugAssign, ast.JoinedStr),
)
COMPOUND = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.With, ast.AsyncWith)
# What makes a scope, says something of one, or binds a name in another way than as one that is stored.
SCOPING = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Global, ast.Nonlocal, ast.AnnAssign),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Match, ast.Import, ast.ImportFrom),
    *(getattr(ast, name) for name in ("TypeAlias", "TemplateStr") if hasattr(ast, name)),
)
BLOCKS = (ast.ExceptHandler, ast.match_case)


@dataclass(frozen=True)
class Names:
    """What a statement does with names.

    `uses` are read when it runs, `deferred` when a function that it defines is called; `defs` are bound for certain,
    `maydefs` on some path; `stores` are globals that a function of it may bind; `soft` stand in annotations that
    nothing may ever evaluate. `chains` are the attributes read off names: `(name, attribute)`. `calls` is whether
    running it can run the user's other code.
    """

    uses: frozenset[str] = frozenset()
    deferred: frozenset[str] = frozenset()
    defs: frozenset[str] = frozenset()
    maydefs: frozenset[str] = frozenset()
    dels: frozenset[str] = frozenset()
    stores: frozenset[str] = frozenset()
    soft: frozenset[str] = frozenset()
    chains: frozenset[tuple[str, str]] = frozenset()
    calls: bool = False


def names_of(node: ast.stmt, *, future: bool = False, text: str | None = None) -> Names:
    """The names of one top-level statement; `future` says that annotations are not evaluated, `text` is its text."""
    now, later, bound, stores = set[str](), set[str](), set[str](), set[str]()
    parts = walk(node)
    if any(isinstance(part, SCOPING) for part in parts):
        now, later, bound, stores = symbols_of(node, text or ast.unparse(node), future=future)
        bound |= {n.target.id for n in immediate(node) if isinstance(n, ast.NamedExpr)}
        now |= _class_reads(node)
    else:
        for part in parts:
            if isinstance(part, ast.Name):
                (now if isinstance(part.ctx, ast.Load) else bound).add(part.id)
            elif isinstance(part, ast.ExceptHandler) and part.name:
                bound.add(part.name)
    exposed = _exposed([node], set())
    now = now - (bound - exposed) | (bound & exposed)
    certain = frozenset(_certain([node]))
    dels = frozenset(_deleted(node))
    only_noted = {n.target.id for n in parts if _is_bare_note(n)}  # type: ignore[attr-defined] # a Name
    stored = frozenset() if isinstance(node, ast.Delete) else frozenset(bound - certain - (only_noted - _stored(node)))
    return Names(
        uses=frozenset(now),
        deferred=frozenset(later),
        defs=certain,
        maydefs=stored,
        dels=dels,
        stores=frozenset(stores),
        soft=frozenset(_annotated(parts, future=future)) - now - later,
        chains=frozenset(
            (n.value.id, n.attr) for n in parts if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)
        ),
        calls=any(isinstance(n, CALLING) for n in immediate(node)),
    )


def names_in(expression: str) -> Names:
    """The names of an expression's text; one that does not parse has none."""
    return names_of(ast.Expr(ast.parse(expression, mode="eval").body))


def _class_reads(node: ast.AST) -> set[str]:
    """Names that a class body reads before it binds them itself: they are the module's."""
    found: set[str] = set()
    for body in (n.body for n in immediate(node) if isinstance(n, ast.ClassDef)):
        bound: set[str] = set()
        for child in body:
            loads = {n.id for n in immediate(child) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
            stores = _stored(child)
            found |= loads & stores - bound if isinstance(child, ast.Assign | ast.AugAssign | ast.AnnAssign) else set()
            bound |= stores
    return found


@lru_cache(maxsize=WALKED)
def immediate(node: ast.AST) -> tuple[ast.AST, ...]:
    """The nodes that run when the statement runs: not the bodies of functions, but class bodies and defaults."""
    todo = [node]
    found: list[ast.AST] = []
    while todo:
        part = todo.pop()
        found.append(part)
        inner = children(part)
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = [*part.decorator_list, *part.args.defaults, *(d for d in part.args.kw_defaults if d)]
        elif isinstance(part, ast.Lambda):
            inner = [*part.args.defaults, *(d for d in part.args.kw_defaults if d)]
        todo += reversed(inner)
    return tuple(found)


def _exposed(body: list[ast.stmt], before: set[str]) -> set[str]:
    """Names that these statements may read before they bound them themselves."""
    found: set[str] = set()
    bound = set(before)
    for node in body:
        found |= _exposed_in(node, bound)
        bound |= _certain_of(node)
    return found


def _exposed_in(node: ast.stmt, bound: set[str]) -> set[str]:
    blocks = [b for b in ("body", "orelse", "finalbody") if isinstance(node, COMPOUND) and getattr(node, b, None)]
    heads: list[ast.AST] = [node]
    own: set[str] = set()
    if blocks or isinstance(node, ast.Match):
        inner = {id(child) for b in blocks for child in getattr(node, b)}
        heads = [c for c in children(node) if id(c) not in inner and not isinstance(c, BLOCKS)]
        own = set().union(*(_stored(head) for head in heads)) if not isinstance(node, ast.While) else set()
    found: set[str] = set()
    for part in (part for head in heads for part in immediate(head)):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            found.add(part.id)
        elif isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Name):
            found.add(part.target.id)
    found -= bound
    for block in blocks:
        found |= _exposed(getattr(node, block), bound | own)
    for handler in getattr(node, "handlers", ()):
        found |= _exposed(handler.body, bound | ({handler.name} if handler.name else set()))
    for case in getattr(node, "cases", ()):
        fields = [getattr(p, key, None) for p in walk(case.pattern) for key in ("name", "rest")]
        captured = {str(name) for name in fields if name}
        found |= _exposed(case.body, bound | captured)
    return found


def _stored(node: ast.AST) -> set[str]:
    found: set[str] = set()
    noted: set[str] = set()
    for part in immediate(node):
        if isinstance(part, ast.Name):
            if isinstance(part.ctx, ast.Store):
                found.add(part.id)
        elif _is_bare_note(part):
            noted.add(part.target.id)  # type: ignore[attr-defined] # a Name
    return found - noted


def _is_bare_note(node: ast.AST) -> bool:
    return isinstance(node, ast.AnnAssign) and node.value is None and isinstance(node.target, ast.Name)


def _deleted(node: ast.stmt) -> set[str]:
    if not isinstance(node, ast.Delete):
        return set()
    return {target.id for target in node.targets if isinstance(target, ast.Name)}


def _certain(body: list[ast.stmt]) -> set[str]:
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
            return _common(bodies) | _certain(node.finalbody)
        case ast.With() | ast.AsyncWith():
            targets = [item.optional_vars for item in node.items if item.optional_vars]
            return set().union(*(_stored(t) for t in targets)) | _certain(node.body)
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
            return _walrus(node.value)
        case _:
            nested = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
            inner = {n for part in immediate(node) if isinstance(part, nested) for n in _stored(part)}
            return (_stored(node) - inner) | _walrus(getattr(node, "value", None))


def _common(bodies: list[list[ast.stmt]]) -> set[str]:
    going_on = [_certain(body) for body in bodies if not (body and isinstance(body[-1], ast.Raise))]
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


def _annotated(parts: Iterable[ast.AST], *, future: bool) -> Iterator[str]:
    for part in parts:
        note = getattr(part, "annotation", None) or getattr(part, "returns", None)
        if not isinstance(note, ast.expr):
            continue
        if future:
            yield from (n.id for n in walk(note) if isinstance(n, ast.Name))
        for text in (n.value for n in walk(note) if isinstance(n, ast.Constant) and isinstance(n.value, str)):
            try:
                quoted = ast.parse(text, mode="eval")
            except SyntaxError:
                continue
            yield from (n.id for n in walk(quoted) if isinstance(n, ast.Name))
