"""Which names a statement reads now, reads later, binds, and deletes: the compiler's own table says so."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from rp_notebook.export.binding import COMPOUND, certain_in, exposed_in, is_bare_note, keys_in, stored_in
from rp_notebook.export.namespace_dict import SPEAKING, executed, read_key
from rp_notebook.export.spoken_names import QUERIES, spoken_by
from rp_notebook.export.symbols import symbols_of
from rp_notebook.export.trees import immediate, walk

CALLING = frozenset(
    {ast.Call, ast.BinOp, ast.Subscript, ast.Attribute, ast.For, ast.AsyncFor, ast.With, ast.AsyncWith, ast.Await}
    | {ast.Compare, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.AugAssign, ast.JoinedStr}
)
# What makes a scope, says something of one, or binds a name in another way than as one that is stored.
SCOPING = frozenset(
    {ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Global, ast.Nonlocal, ast.AnnAssign}
    | {ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Match, ast.Import, ast.ImportFrom}
    | {getattr(ast, name) for name in ("TypeAlias", "TemplateStr") if hasattr(ast, name)}
)
# Where a statement has none of these, all that it names is read and bound now and for certain.
BRANCHING = SCOPING | {*COMPOUND, ast.ExceptHandler, ast.NamedExpr, ast.Delete}
_NONE: frozenset[Any] = frozenset()
T = TypeVar("T")
_NOTED = frozenset({ast.arg, ast.AnnAssign, ast.FunctionDef, ast.AsyncFunctionDef})


@dataclass(frozen=True, slots=True)
class Names:
    """What a statement does with names.

    `uses` are read when it runs, `deferred` when a function that it defines is called; `defs` are bound for certain,
    `maydefs` on some path; `stores` are globals that a function of it may bind; `soft` stand in annotations that
    nothing may ever evaluate. `chains` are the attributes read off names: `(name, attribute)`. `calls` is whether
    running it can run the user's other code; what is `tried` is read where a NameError is caught, or stands in a text.
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
    tried: frozenset[str] = frozenset()


def names_of(node: ast.stmt, *, future: bool = False, text: str | None = None) -> Names:
    """The names of one top-level statement; `future` says that annotations are not evaluated, `text` is its text."""
    parts = walk(node)
    kinds = set(map(type, parts))
    if kinds.isdisjoint(BRANCHING):
        names = _names_of_plain(parts, calls=not kinds.isdisjoint(CALLING))
        if names.uses.isdisjoint(SPEAKING | {"eval"}) and not any(attr in QUERIES for _, attr in names.chains):
            return names
    now, later, bound, stores = set[str](), set[str](), set[str](), set[str]()
    if not kinds.isdisjoint(SCOPING):
        now, later, bound, stores = symbols_of(node, text or ast.unparse(node), future=future)
        bound |= {n.target.id for n in immediate(node) if isinstance(n, ast.NamedExpr)}
        now |= _class_reads(node)
    else:
        for part in parts:
            if isinstance(part, ast.Name):
                (now if isinstance(part.ctx, ast.Load) else bound).add(part.id)
            elif isinstance(part, ast.ExceptHandler) and part.name:
                bound.add(part.name)
    if not SPEAKING.isdisjoint(now) or not SPEAKING.isdisjoint(later):
        _spoken(node, now, later, bound, stores)
    texts = _in_texts(node, parts, now, later) if ast.Call in kinds else frozenset()
    exposed = exposed_in([node], set())
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        exposed &= now  # annotations may never be read
    now = now - (bound - exposed) | (bound & exposed)
    certain = certain_in([node])
    only_noted = {n.target.id for n in parts if is_bare_note(n)} - stored_in(node)  # type: ignore[attr-defined] # a Name
    stored = set[str]() if isinstance(node, ast.Delete) else bound - certain - only_noted
    return Names(
        uses=_frozen(now),
        deferred=_frozen(later),
        defs=_frozen(certain),
        maydefs=_frozen(stored),
        dels=_frozen(_deleted(node)),
        stores=_frozen(stores),
        soft=_frozen(set(_annotated(parts, future=future)) - now - later),
        chains=_frozen(
            {(n.value.id, n.attr) for n in parts if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)}
        ),
        tried=texts | _tried(parts) if ast.Try in kinds else texts,
        calls=_decorates(node) or not CALLING.isdisjoint(map(type, immediate(node))),
    )


def _frozen(found: set[T]) -> frozenset[T]:
    """The same set for good; there are thousands of empty ones, and one object is all of them."""
    return frozenset(found) if found else _NONE


def _names_of_plain(parts: Iterable[ast.AST], *, calls: bool) -> Names:
    """The names of a statement without scopes and branches, at one look: most are."""
    uses, defs = set[str](), set[str]()
    chains = set[tuple[str, str]]()
    for part in parts:
        if isinstance(part, ast.Name):
            (uses if isinstance(part.ctx, ast.Load) else defs).add(part.id)
        elif isinstance(part, ast.Attribute):
            if isinstance(part.value, ast.Name):
                chains.add((part.value.id, part.attr))
        elif isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Name):
            uses.add(part.target.id)
    return Names(_frozen(uses), defs=_frozen(defs), chains=_frozen(chains), calls=calls)


def _in_texts(node: ast.stmt, parts: Iterable[ast.AST], now: set[str], later: set[str]) -> frozenset[str]:
    """Adds the names that stand in texts which are evaluated; those of the functions' own are left out."""
    found: set[str] = set()
    for part in parts:
        if isinstance(part, ast.Call) and (names := spoken_by(part)):
            own = {n.arg for n in parts if isinstance(n, ast.arg)} | stored_in(node)
            names -= own | now | later
            here = any(part is each for each in immediate(node))
            (now if here else later).update(names)
            found |= names
    return frozenset(found)


def _tried(parts: Iterable[ast.AST]) -> frozenset[str]:
    """Names that are read nowhere but in a `try` that does without them."""
    reads = [part for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)]
    tries = [part for part in parts if isinstance(part, ast.Try) and any(map(_catches_names, part.handlers))]
    inside = {id(node) for each in tries for statement in each.body for node in walk(statement)}
    return frozenset(n.id for n in reads if id(n) in inside) - {n.id for n in reads if id(n) not in inside}


def _catches_names(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or any(isinstance(n, ast.Name) and n.id == "NameError" for n in walk(handler.type))


def _decorates(node: ast.stmt) -> bool:
    """Whether a definition hands what it makes to code: a decorator, a base class, a metaclass."""
    return any(getattr(node, field, None) for field in ("decorator_list", "bases", "keywords"))


def _spoken(node: ast.stmt, now: set[str], later: set[str], bound: set[str], stores: set[str]) -> None:
    """Adds the names that code means by their text."""
    outside = {id(part) for part in immediate(node)}
    for part in walk(node):
        here = id(part) in outside
        reads, binds = (now, bound) if here else (later, stores)
        reads |= {read_key(part, at_module=here)} - {""}
        binds |= keys_in(part, at_module=here)
        for inner in executed(part) or ():
            names = names_of(inner)
            now |= names.uses if here else frozenset()
            later |= names.deferred if here else names.uses | names.deferred
            binds |= names.defs | names.maydefs


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
            stores = stored_in(child)
            found |= loads & stores - bound if isinstance(child, ast.Assign | ast.AugAssign | ast.AnnAssign) else set()
            bound |= stores
    return found


def _deleted(node: ast.stmt) -> set[str]:
    if not isinstance(node, ast.Delete):
        return set()
    return {target.id for target in node.targets if isinstance(target, ast.Name)}


def _annotated(parts: Iterable[ast.AST], *, future: bool) -> Iterator[str]:
    for part in parts:
        if type(part) not in _NOTED:
            continue
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
