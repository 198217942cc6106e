"""What one function does with a store: where it reads it, and what runs only while the store is not filled."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from rp_notebook.export.program import Function, Program
from rp_notebook.export.trees import WALKED, immediate, walk

FILL = "fill:"  # how a root begins that is a store which is filled when it is asked for first
DEPTH = 4  # functions that lead to the one that fills a store
_ABSENT = frozenset({"KeyError", "NameError", "AttributeError"})
_ENDS = (ast.Return, ast.Raise, ast.Continue, ast.Break)


def look_at(program: Program, function: Function, store: str, depth: int = DEPTH) -> Look:
    """What a function does with a store."""
    look = Look(program, store, depth)
    look.tested |= globals_of(function) if store in globals_of(function) else set()
    body = function.body if isinstance(function.body, list) else [ast.Expr(function.body)]
    look.sure = look.scan(body, sure=False) is not False and not look.leaves
    return look


@dataclass
class Look:
    """A look at one function. `region` has what runs only while the store is not filled, `keys` are asked for in it."""

    program: Program
    store: str  # a variable of the module, or an attribute: "Store.model", "self.model"
    depth: int
    region: list[ast.stmt] = field(default_factory=list)
    keys: list[ast.expr] = field(default_factory=list)
    tested: set[str] = field(default_factory=set)  # names that tell whether the store is filled
    unguarded: bool = False
    fills: bool = False
    leaves: bool = False  # with the store not filled
    sure: bool = False

    def scan(self, body: Sequence[ast.stmt], *, sure: bool) -> bool | None:
        """Whether the store is filled behind these statements; None where nothing is behind them."""
        for number, node in enumerate(body):
            after = self._statement(node, sure)
            if after is None:
                return None
            if isinstance(node, ast.If) and not sure and self._kind(node.test) == "there" and _ends(node.body):
                self.region += body[number + 1 :]
            sure = after
        return sure

    def _statement(self, node: ast.stmt, sure: bool) -> bool | None:
        match node:
            case ast.If():
                return self._branch(node, sure)
            case ast.Try():
                return self._try(node, sure)
            case ast.With() | ast.AsyncWith():
                self._read(node.items, sure)
                return self.scan(node.body, sure=sure)
            case ast.For() | ast.AsyncFor() | ast.While():
                self._read([node.test] if isinstance(node, ast.While) else [node.iter], sure)
                self.scan([*node.body, *node.orelse], sure=sure)
                return sure
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Global():
                return sure
            case ast.Return(value=ast.Call() as call) | ast.Assign(value=ast.Call() as call) if self._sets_default(
                call
            ):
                self.region += [] if sure else [node]
                return None if isinstance(node, ast.Return) else True
            case ast.Assign(targets=targets, value=value):
                if self._is_get(value):
                    self.tested |= {t.id for t in targets if isinstance(t, ast.Name)}
                else:
                    self._read([value], sure)
                return sure or any(self._fills(target) for target in targets) or self._calls(node)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._read([value], sure)
                return sure or self._fills(target) or self._calls(node)
        self._read([node], sure)
        filled = sure or self._calls(node)
        self.leaves |= isinstance(node, ast.Return) and not filled
        return None if isinstance(node, _ENDS) else filled

    def _branch(self, node: ast.If, sure: bool) -> bool | None:
        kind = self._kind(node.test)
        if not kind:
            self._read([node.test], sure)
        elif not sure:
            self.region += node.body if kind == "missing" else node.orelse
        ends = [
            self.scan(node.body, sure=sure or kind == "there"),
            self.scan(node.orelse, sure=sure or kind == "missing"),
        ]
        going = [end for end in ends if end is not None]
        return all(going) if going else None

    def _try(self, node: ast.Try, sure: bool) -> bool | None:
        caught = {n.id for h in node.handlers if h.type for n in walk(h.type) if isinstance(n, ast.Name)}
        asked = bool(caught) and caught <= _ABSENT and any(self._loads(part) for part in node.body)
        if asked and not sure:
            self.keys += [n.slice for part in node.body for n in walk(part) if isinstance(n, ast.Subscript)]
            self.region += [part for handler in node.handlers for part in handler.body]
        ends = [self.scan([*node.body, *node.orelse], sure=sure or asked)]
        ends += [self.scan(handler.body, sure=sure) for handler in node.handlers]
        going = [end for end in ends if end is not None]
        last = self.scan(node.finalbody, sure=all(going)) if node.finalbody else all(going)
        return last if going else None

    def _kind(self, test: ast.expr) -> str:
        """Whether a test that holds says that something is `there`, or `missing`; empty for any other."""
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return {"there": "missing", "missing": "there"}.get(self._kind(inner), "")
            case ast.Name() | ast.Attribute() if self._is_asked(test):
                return "there"
            case ast.Compare(left=left, ops=[ast.Is() | ast.IsNot() as op], comparators=[ast.Constant(value=None)]):
                if isinstance(left, ast.NamedExpr) and self._is_get(left.value):
                    self.tested.add(left.target.id)
                    left = left.target
                return ("missing" if isinstance(op, ast.Is) else "there") if self._is_asked(left) else ""
            case ast.Compare(left=key, ops=[ast.In() | ast.NotIn() as op], comparators=[where]):
                inside = is_store(where, self.store)
                named = isinstance(key, ast.Constant) and key.value == self.store and _is_namespace(where)
                self.keys += [key] if inside else []
                return ("there" if isinstance(op, ast.In) else "missing") if inside or named else ""
            case ast.Call(func=ast.Name(id="hasattr"), args=[ast.Name(id=name), ast.Constant(value=str() as attr)]):
                return "there" if f"{name}.{attr}" == self.store else ""
        return ""

    def _is_get(self, value: ast.expr) -> bool:
        match value:
            case ast.Call(func=ast.Attribute(value=owner, attr="get"), args=[key]) if is_store(owner, self.store):
                self.keys.append(key)
                return True
        return False

    def _sets_default(self, call: ast.Call) -> bool:
        match call:
            case ast.Call(func=ast.Attribute(value=owner, attr="setdefault"), args=[key, _]) if is_store(
                owner, self.store
            ):
                self.keys.append(key)
                self.fills = True
                return True
        return False

    def _fills(self, target: ast.expr) -> bool:
        found = is_store(target.value if isinstance(target, ast.Subscript) else target, self.store)
        self.fills |= found
        return found

    def _calls(self, node: ast.stmt) -> bool:
        """Whether a statement calls a function behind which the store is filled."""
        for call in (part for part in immediate(node) if isinstance(part, ast.Call)):
            functions = self._called(call.func)
            if self.depth and functions and all(self._filled_by(each) for each in functions):
                self.fills = True
                return True
        return False

    def _called(self, func: ast.expr) -> Sequence[Function]:
        match func:
            case ast.Name(id=name):
                return self.program.functions.get(name, ())
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if self.store.startswith(f"{name}."):
                return self.program.methods(attr)
        return ()

    def _filled_by(self, function: Function) -> bool:
        attr = self.store.partition(".")[2]
        store = f"{receiver_of(function)}.{attr}" if attr and id(function) in self.program.owners else self.store
        if isinstance(function, ast.Lambda) or not any(_is_named(part, store) for part in walk(function)):
            return False
        look = look_at(self.program, function, store, self.depth - 1)
        return look.sure and look.fills and not look.unguarded

    def _is_asked(self, node: ast.expr) -> bool:
        return is_store(node, self.store) or (isinstance(node, ast.Name) and node.id in self.tested)

    def _loads(self, node: ast.AST) -> bool:
        return any(is_load(part, self.store) for part in immediate(node))

    def _read(self, nodes: Sequence[ast.AST], sure: bool) -> None:
        self.unguarded |= not sure and any(map(self._loads, nodes))


@lru_cache(maxsize=WALKED)
def globals_of(function: Function) -> frozenset[str]:
    """The variables outside of a function that it declares to bind."""
    return frozenset(name for n in walk(function) if isinstance(n, ast.Global | ast.Nonlocal) for name in n.names)


def _ends(body: Sequence[ast.stmt]) -> bool:
    return isinstance(body[-1], _ENDS)


def is_store(node: ast.AST, store: str) -> bool:
    """Whether a node is a store: a name, or an attribute of one."""
    match node:
        case ast.Name(id=name):
            return name == store
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            return f"{name}.{attr}" == store
    return False


def is_load(node: ast.AST, store: str) -> bool:
    """Whether a node reads a store."""
    return is_store(node, store) and isinstance(getattr(node, "ctx", None), ast.Load)


def receiver_of(function: Function) -> str:
    """The first parameter of a method."""
    names = [*function.args.posonlyargs, *function.args.args]
    return names[0].arg if names else ""


def _is_named(node: ast.AST, name: str) -> bool:
    return is_store(node, name) or (isinstance(node, ast.Global) and name in node.names)


def _is_namespace(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("globals", "vars")
