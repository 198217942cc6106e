"""What happens to names when statements run one after the other: which are bound, which are read too early for that."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Flow:
    """The names of some statements in the order in which Python comes to them; bodies of functions run later.

    `bound` are the names that they may have bound so far, `early` those that were read, changed in place or deleted
    where no statement can have bound them yet.
    """

    def __init__(
        self, statements: Sequence[ast.AST] = (), bound: Iterable[str] = (), maybe: Iterable[str] = ()
    ) -> None:
        self.bound = set(bound)
        self.early: set[str] = set()
        self._maybe = frozenset(maybe)  # what an earlier round of a loop may have bound
        self._looped: frozenset[str] = frozenset()
        for statement in statements:
            self.visit(statement)

    def visit(self, node: ast.AST | None) -> None:
        """Goes through a node and what runs with it."""
        match node:
            case None | ast.Global() | ast.Nonlocal():
                pass
            case ast.Name(id=name, ctx=ast.Store()):
                self.bound.add(name)
            case ast.Name(id=name):
                self.early |= {name} - self.bound - self._maybe
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                self.bound |= {(alias.asname or alias.name).split(".")[0] for alias in aliases}
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                self._all(at_definition(node))
                self.bound |= {node.name} if not isinstance(node, ast.Lambda) else set()
            case ast.ClassDef():
                self._all([*node.decorator_list, *node.bases, *node.keywords])
                self._apart(node.body)
                self.bound.add(node.name)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.NamedExpr():
                self._assignment(node)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self._comprehension(node)
            case _:
                self._compound(node)

    def _compound(self, node: ast.AST) -> None:
        match node:
            case ast.If(test=test, body=body, orelse=orelse):
                self.visit(test)
                self._either([body, orelse])
            case ast.For() | ast.AsyncFor():
                self._all([node.iter, node.target])
                self._loop(node)
            case ast.While(test=test):
                self.visit(test)
                self._loop(node)
            case ast.Match(subject=subject, cases=cases):
                self.visit(subject)
                self._either([[case] for case in cases])
            case ast.ExceptHandler(type=kind, name=name, body=body):
                self.visit(kind)
                self.bound |= {name} if name else set()
                self._all(body)
            case (
                ast.MatchAs(name=str() as name)
                | ast.MatchStar(name=str() as name)
                | ast.MatchMapping(rest=str() as name)
            ):
                self._all(ast.iter_child_nodes(node))
                self.bound.add(name)
            case _:
                self._all(ast.iter_child_nodes(node))

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While) -> None:
        before = self._looped
        self._looped |= Flow(node.body).bound
        self._all(node.body)
        self._looped = before
        self._all(node.orelse)

    def _assignment(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr) -> None:
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            self.early |= {node.target.id} - self.bound - self._maybe
        self.visit(node.value)
        if isinstance(node, ast.Assign):
            self._all(node.targets)
        elif node.value is not None:  # `x: int` alone binds nothing
            self.visit(node.target)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        values = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        parts = [part for g in node.generators for part in (g.iter, g.target, *g.ifs)]
        self._apart([*parts, *values])
        self.bound |= {n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr)}

    def _apart(self, nodes: Iterable[ast.AST]) -> None:
        # A class body and a comprehension bind names of their own.
        inner = Flow((), self.bound, self._maybe)
        inner._all(nodes)
        self.early |= inner.early

    def _either(self, branches: Iterable[Sequence[ast.AST]]) -> None:
        # A branch need not be taken in the first round of a loop around it.
        ends = [Flow(branch, self.bound, self._maybe | self._looped) for branch in branches]
        for end in ends:
            self.early |= end.early
            self.bound |= end.bound

    def _all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)


def at_definition(node: Scope) -> list[ast.AST]:
    """What runs when a function is made: decorators, defaults, annotations."""
    args = node.args
    notes = [arg.annotation for arg in ast.walk(args) if isinstance(arg, ast.arg) and arg.annotation]
    defaults = [*args.defaults, *(default for default in args.kw_defaults if default)]
    if isinstance(node, ast.Lambda):
        return [*defaults]
    return [*node.decorator_list, *defaults, *notes, *([node.returns] if node.returns else [])]


def own(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that belong to the scope which a statement stands in: no bodies of functions and classes."""
    yield node
    inner: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, Scope):
        inner = at_definition(node)
    elif isinstance(node, ast.ClassDef):
        inner = [*node.decorator_list, *node.bases, *node.keywords]
    for child in inner:
        yield from own(child)


def identifiers(node: ast.AST) -> set[str]:
    """Every name that some code mentions, as a variable or otherwise."""
    found: set[str] = set()
    for part in ast.walk(node):
        for key in ("id", "arg", "name", "asname", "rest"):
            value = getattr(part, key, None)
            found |= {value.split(".")[0]} if isinstance(value, str) else set()
        found |= set(part.names) if isinstance(part, ast.Global | ast.Nonlocal) else set()
    return found
