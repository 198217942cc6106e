"""Follows what code does to objects: which names it may change, and which names come to share an object."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from rp_notebook.export import decorating, implied, lazy_stores, library
from rp_notebook.export.binding import assigned
from rp_notebook.export.counters import NOTED, count_of
from rp_notebook.export.cutting import root_name
from rp_notebook.export.expressions import CALLED_WITH, Expressions
from rp_notebook.export.links import COPY, SAME, Value, copied, held, inside, union
from rp_notebook.export.program import MADE, MUST, PARAMETER, Effects, Function, Program, parameters
from rp_notebook.export.trees import captured_names, children, walk

ARRAYS = ("numpy.", "torch.", "pandas.", "jax.")
ROUNDS = 6  # an alias chain inside one function longer than this is not followed


class Reading(Expressions):
    """One reading of some statements in one scope; what it found is in `effects()`."""

    def body(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        stores = {self.of_root(store): self.of_root(store, whole=True) for store in self.fills.get(id(node), ())}
        if not stores.keys() <= self.filling.keys():
            before, self.filling = self.filling, self.filling | stores
            self.statement(node)
            self.filling = before
            return
        match node:
            case ast.Assign(targets=targets, value=expression):
                self.assign(targets, expression)
            case ast.AnnAssign(target=noted, value=ast.expr() as expression):
                self.bind(noted, self.value(expression))
            case ast.AugAssign():
                self.augment(node)
            case ast.Expr(value=expression):
                self.value(expression, bare=True)
            case ast.Return(value=ast.expr() as expression):
                self.returned |= self.value(expression)
            case ast.Delete(targets=targets):
                for each in targets:
                    if isinstance(each, ast.Attribute | ast.Subscript):
                        self.write(each, each.value)
                        implied.write_target(self, each, frozenset())
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.definition(node)
            case ast.ClassDef():
                self.class_definition(node)
            case _:
                self.compound(node)

    def assign(self, targets: list[ast.expr], expression: ast.expr) -> None:
        if len(targets) > 1 and not self.locals:
            self.edges |= {(target.id, MADE, SAME) for target in targets if isinstance(target, ast.Name)}
        for target in targets:
            left = target.elts if isinstance(target, ast.Tuple | ast.List) else []
            right = expression.elts if isinstance(expression, ast.Tuple | ast.List) else []
            if left and len(left) == len(right) and not any(isinstance(e, ast.Starred) for e in [*left, *right]):
                for one, other in zip(left, right, strict=True):
                    self.bind(one, self.value(other))
            else:
                self.bind(target, self.value(expression))
                self.may_share(left, expression)

    def may_share(self, targets: list[ast.expr], made: ast.expr) -> None:
        """Objects that one function of the notebook made together may refer to each other's parts."""
        if isinstance(made, ast.Call) and root_name(made.func) in self.program.functions and not self.locals:
            self.edges |= {(target.id, MADE, COPY) for target in targets if isinstance(target, ast.Name)}

    def augment(self, node: ast.AugAssign) -> None:
        count = "" if self.at_module else count_of(node.target)
        if count in self.program.counters and not count.startswith(".") and root_name(node.target) not in self.locals:
            self.changed.add((f"{NOTED}{count}", MUST, False))
            return
        added = self.value(node.value)
        target = (node.target, self.value(node.target))
        implied.combine(self, node.op, target, (node.value, added), inplace=True)
        value = copied(added)
        if isinstance(node.target, ast.Name):
            # What cannot be added to a list changes an array, and what looks at it.
            of_array = not isinstance(node.op, ast.Add | ast.BitOr) or isinstance(node.value, ast.Constant)
            self.change(self.name(node.target.id), MUST, deep=of_array)
            self.touch(node.target)
            if node.target.id in self.locals:
                self.bind(node.target, value)
            else:
                self.rebound.add(node.target.id)
                self.edges.add((node.target.id, node.target.id, SAME))
                self.edges |= {(node.target.id, root, kind) for root, kind in value}
        else:
            # A list, or an array, that is put there is changed where it is.
            if not isinstance(node.value, ast.Constant) or self.holds_arrays(root_name(node.target)):
                self.change(target[1], MUST, deep=False)
            self.bind(node.target, value)

    def holds_arrays(self, name: str) -> bool:
        """Whether what a variable of the module holds may be arrays, by what it is made of."""
        return name not in self.locals and any(path.startswith(ARRAYS) for path in library.makers(name, self.program))

    def definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        kept = held(union(*(self.value(d) for d in [*node.args.defaults, *node.args.kw_defaults] if d)))
        decorators = [item for item in node.decorator_list if not library.is_plain_decorator(item, self.program)]
        for item in decorators:
            decorating.decorate(self, item, node)
        for item in node.decorator_list:
            self.value(item)
        if node.name in self.locals:
            self.locals[node.name] |= self.closure(node) | kept
            self.inner[node.name] = node
            self.inline(node, CALLED_WITH)
        else:
            self.edges |= {(node.name, root, kind) for root, kind in kept}

    def class_definition(self, node: ast.ClassDef) -> None:
        for item in node.decorator_list:
            if not library.is_plain_decorator(item, self.program):
                decorating.decorate(self, item, node)
        inner = Reading(self.program, library.class_names(node), dict(self.locals))
        inner.body(item for item in node.body if not isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef))
        for _, value in (each for item in node.body for each in assigned(item)):
            implied.run_methods(inner, ("__set_name__",), value, inner.value(value), frozenset({(node.name, SAME)}))
        self.take(inner.effects())
        decorating.derive(self, node.bases, node.keywords)

    def compound(self, node: ast.AST) -> None:
        if isinstance(node, ast.For | ast.AsyncFor):
            self.bind(node.target, inside(self.consumed(node.iter)))
        elif isinstance(node, ast.If | ast.While):
            implied.run_methods(self, implied.TESTED, node.test, self.value(node.test))
        elif isinstance(node, ast.Match):
            self.captured(node)
        for child in children(node):
            match child:
                case ast.stmt():
                    self.statement(child)
                case ast.withitem():
                    value = self.consumed(child.context_expr)
                    implied.run_methods(self, implied.ENTERED, child.context_expr, value)
                    if child.optional_vars is not None:
                        self.bind(child.optional_vars, value)
                case ast.ExceptHandler() | ast.match_case():
                    self.compound(child)
                case ast.expr():
                    if not (isinstance(node, ast.For | ast.AsyncFor) and child in (node.target, node.iter)):
                        self.value(child)

    def captured(self, node: ast.Match) -> None:
        """What the patterns of a `match` take is the subject, or a part of it."""
        subject = self.value(node.subject)
        for pattern in (case.pattern for case in node.cases):
            whole = [pattern, *(getattr(pattern, "patterns", ()) if isinstance(pattern, ast.MatchOr) else ())]
            for part in walk(pattern):
                value = subject if part in whole else inside(subject)
                for name in captured_names(part):
                    self.bind(ast.Name(name, ast.Store()), value if isinstance(part, ast.MatchAs) else held(value))


def _decorators(function: Function) -> list[ast.expr]:
    return getattr(function, "decorator_list", [])


def read_statement(program: Program, node: ast.stmt) -> Effects:
    """The effects of one top-level statement."""
    reading = Reading(program, None)
    reading.statement(node)
    return reading.effects()


def read_function(program: Program, function: Function) -> Effects:
    """The effects of calling a function, on its parameters and on globals."""
    given: dict[str, Value] = {name: frozenset({(PARAMETER + name, SAME)}) for name in parameters(function)}
    reading = Reading(program, library.local_names(function), given)
    if lazy_stores.candidates(function):
        reading.fills = lazy_stores.fills(program, function)
    if id(function) in program.owners and given:
        reading.receiver = (next(iter(given)), program.owners[id(function)])
        if any(isinstance(item, ast.Name) and item.id == "classmethod" for item in _decorators(function)):
            reading.locals[reading.receiver[0]] |= implied.class_of(reading, ast.Name(reading.receiver[0], ast.Load()))
    body = function.body if isinstance(function.body, list) else [ast.Return(function.body)]
    for _ in range(ROUNDS):
        before = dict(reading.locals)
        reading.body(body)
        if before == reading.locals:
            break
    return reading.effects()
