"""Follows expressions: what their value may be, and what evaluating them does."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from rp_notebook.export import calls, handed, implied, lazy_stores, library
from rp_notebook.export.counters import NOTED
from rp_notebook.export.cutting import root_name
from rp_notebook.export.links import NOTHING, SAME, Value, composed, copied, held, inside, union
from rp_notebook.export.marks import Marks
from rp_notebook.export.namespace_dict import key_of, read_key
from rp_notebook.export.program import CALLS, FRESH, MUST, PARAMETER, Effects, Function
from rp_notebook.export.store_looks import FILL
from rp_notebook.export.tables import ARRAY_VIEWS, BUILTINS, DISPLAY_MODULES
from rp_notebook.export.trees import children, walk

CALLED_WITH: Value = frozenset({(PARAMETER, SAME)})  # what a function that is made here is to be given
SHARED_BY = ("getcontext", "get_default", "get_current", "get_global")  # functions that give a thing of the process


class Expressions(Marks):
    """A reading as far as expressions go; statements come with the class that is derived from it."""

    def body(self, statements: Iterable[ast.stmt]) -> None:
        """Reads statements in order."""
        raise NotImplementedError

    def store(self, container: ast.expr, value: Value) -> None:
        """Puts a value into what an expression gives."""
        root = root_name(container)
        if root in self.locals:
            self.locals[root] |= held(value)
            if value:
                self.keep(root)
        self.join(self.value(container), value)

    def bind(self, target: ast.expr, value: Value) -> None:
        match target:
            case ast.Name(id=name):
                if name in self.locals:
                    self.locals[name] |= value
                    self.keep(name)
                else:
                    self.bind_global(name, value)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                for element in elements:
                    self.bind(element, inside(value))
            case ast.Starred(value=inner):
                self.bind(inner, held(value))
            case ast.Subscript() if name := key_of(target, at_module=self.at_module):
                self.bind_global(name, value)
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if self.is_noted(name, attr) and not value:
                self.changed.add((f"{NOTED}.{attr}", MUST, False))
            case ast.Attribute(value=owner) | ast.Subscript(value=owner):
                self.write(target, owner)
                self.store(owner, value)
                implied.write_target(self, target, value)

    def is_noted(self, name: str, attribute: str) -> bool:
        """Whether an attribute only matters where something reads it: a count, or what a function leaves on one."""
        if self.at_module or "__setattr__" in self.program.method_names or self.of_root(name) in self.filling:
            return False
        of_function = name in self.inner or (name in self.program.functions and name not in self.locals)
        return (of_function and self.program.takes_notes) or f".{attribute}" in self.program.counters

    def bind_global(self, name: str, value: Value) -> None:
        """Binds a variable of the module."""
        self.rebind([name])
        self.edges |= {(name, root, kind) for root, kind in value if root != FRESH}

    def write(self, target: ast.Attribute | ast.Subscript, owner: ast.expr) -> None:
        """`owner.x = ...` or `owner[k] = ...`: the owner changes, or the module, or the process."""
        if isinstance(target, ast.Subscript):
            self.value(target.slice)
        place = library.setting(target, self.program, self.locals)
        if place is not None:
            self.changed.add((place, MUST, False))
            if not any(isinstance(part, ast.Call) for part in walk(owner)):  # else it may be a thing of ours
                return
        self.touch(owner)
        self.change(self.value(owner) or self.found_by(owner), MUST, deep=False)
        paths = library.makers(root_name(owner), self.program) if root_name(owner) not in self.locals else ()
        for path in paths:
            if path.rpartition(".")[2].startswith(SHARED_BY) and path.partition(".")[0] not in DISPLAY_MODULES:
                self.changed.add((f"module:{path.partition('.')[0]}", MUST, False))

    def found_by(self, node: ast.expr) -> Value:
        """What a call that nobody knows may have found in its object: it is changed on the spot, and not kept."""
        while isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        method = node.func if isinstance(node, ast.Call) else None
        if not isinstance(method, ast.Attribute) or library.only_looks(method.attr):
            return NOTHING
        return inside(self.value(method.value))

    def closure(self, node: Function) -> Value:
        """What a function made here holds on to: the variables of the scope around it."""
        names = {n.id for n in walk(node) if isinstance(n, ast.Name)} & set(self.locals)
        return held(union(*(self.locals[name] for name in sorted(names))))

    def inline(self, node: Function, given: Value = NOTHING) -> None:
        """Reads a function's body as if it ran here with arguments from anywhere in what is given."""
        inner = self._inside(node, dict.fromkeys(library.local_names(node), given))
        self.later |= inner.changed | inner.later
        self.later_rebound |= inner.rebound | inner.later_rebound

    def call_inner(self, node: Function, arguments: library.Arguments) -> None:
        """Calls a function that is written inside of the one that is read."""
        if id(node) not in self.entered:
            self._inside(node, dict.fromkeys(library.local_names(node), NOTHING) | arguments.bound(node))

    def _inside(self, node: Function, own: Mapping[str, Value]) -> Expressions:
        inner = type(self)(self.program, own, {**self.locals, **own})
        inner.at_module = False
        inner.outer = frozenset(self.locals) - own.keys()
        inner.inner = {name: each for name, each in self.inner.items() if name not in own}
        inner.entered, inner.followed = self.entered | {id(node)}, self.followed
        if lazy_stores.candidates(node):
            inner.fills = lazy_stores.fills(self.program, node)
        inner.body(node.body if isinstance(node.body, list) else [ast.Expr(node.body)])
        self.take(inner.effects())
        self.remembers |= inner.remembers
        self.caches |= inner.caches
        for name in inner.outer & set(self.locals):
            self.locals[name] |= inner.locals[name]
        return inner

    def call_function(self, function: Function, arguments: library.Arguments) -> Value:
        """Applies what is known of a function to the values that it is given."""
        return self.apply(self.program.summary(function), function, arguments)

    def apply(self, effects: Effects, function: Function, arguments: library.Arguments) -> Value:
        """Applies effects of a function to the values that it is given."""
        owner = self.program.owners.get(id(function), getattr(function, "name", ""))
        bound = arguments.bound(function, frozenset({(owner, SAME)}) if owner else NOTHING)

        def meant(root: str) -> Value:
            if root.startswith(PARAMETER):
                return bound.get(root[1:], NOTHING)
            return frozenset({(root, SAME)})

        for root, tier, deep in effects.changed:
            if root.startswith(CALLS):
                handed.parts_called(self, inside(meant(root[len(CALLS) :])), library.Arguments())
            elif root.startswith(FILL + PARAMETER):  # an attribute of what is given
                name, _, attr = root[len(FILL) :].partition(".")
                for each, kind in meant(name):
                    if kind == SAME and each != FRESH:
                        self.changed.add((f"{FILL}{each}.{attr}", tier, False))
                    else:
                        self.change(frozenset({(each, kind)}), tier, deep=True)
            else:
                self.change(meant(root), tier, deep=deep)
        for left, right, kind in effects.edges:
            for root, _ in meant(left):
                if root != FRESH or left.startswith(PARAMETER):
                    self.edges |= {(root, o, k) for o, k in composed(meant(right), kind) if o != root}
        self.rebind(effects.rebound)
        found: Value = union(*(composed(meant(root), kind) for root, kind in effects.returned))
        return found

    def name(self, name: str) -> Value:
        if name in self.locals:
            return self.locals[name]
        known = name in self.program.imports or name in BUILTINS
        return NOTHING if known and name not in self.program.values else frozenset({(name, SAME)})

    def consumed(self, node: ast.expr) -> Value:
        """A value that is gone through: an iterator is used up by it."""
        if isinstance(node, ast.Name) and node.id in self.program.iterators:
            self.change(self.name(node.id), MUST, deep=True)
            handed.anything_called(self, node.id, NOTHING, NOTHING, goes_on=True)  # going on runs what it is made of
        value = self.value(node)
        implied.run_methods(self, implied.ITERATED, node, value)
        return value

    def value(self, node: ast.expr, *, bare: bool = False) -> Value:
        match node:
            case ast.Name(id=name):
                return self.name(name)
            case ast.Attribute(value=owner):
                if library.path_of(node, self.program, self.locals):
                    return NOTHING
                if node.attr == "__class__":
                    return implied.class_of(self, owner)
                receiver = self.value(owner)
                seen = receiver if node.attr in ARRAY_VIEWS else NOTHING
                return seen | inside(receiver) | implied.read_attribute(self, node, receiver)
            case ast.Subscript() if name := read_key(node, at_module=self.at_module):
                return frozenset({(name, SAME)})
            case ast.Subscript(value=owner, slice=index):
                self.value(index)
                receiver = self.value(owner)
                if isinstance(owner, ast.Name) and "collections.defaultdict" in library.makers(owner.id, self.program):
                    self.change(receiver, MUST, deep=False)  # a key that it lacks is put there
                seen = receiver if self.is_view(owner, index) else NOTHING
                return seen | inside(receiver) | implied.run_methods(self, implied.LOOKED_UP, owner, receiver, NOTHING)
            case ast.Call():
                return calls.call(self, node, bare=bare)
            case ast.Await(value=inner) | ast.Starred(value=inner):
                return self.value(inner, bare=bare)
            case ast.NamedExpr(target=target, value=inner):
                value = self.value(inner)
                self.bind(target, value)
                return value
            case ast.Lambda():
                if not self.at_module:
                    self.inline(node, CALLED_WITH)  # as a function that is written in another one
                return self.closure(node)
            case ast.Yield(value=inner) | ast.YieldFrom(value=inner):
                self.returned |= held(self.value(inner)) if inner else NOTHING
                return NOTHING
        return self.made(node, bare=bare)

    def is_view(self, owner: ast.expr, index: ast.expr) -> bool:
        """Whether `a[1:]` may look at the memory of an array; of a list it is a copy."""
        sliced = any(isinstance(part, ast.Slice) for part in (index, *getattr(index, "elts", ())))
        root = root_name(owner)
        return sliced and (root in self.locals or bool(library.makers(root, self.program)))

    def made(self, node: ast.expr, *, bare: bool = False) -> Value:
        """Expressions that make a new object, or none worth following."""
        match node:
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self.comprehension(node, bare=bare)
            case ast.IfExp(test=test, body=left, orelse=right):
                implied.run_methods(self, implied.TESTED, test, self.value(test))
                return self.value(left) | self.value(right)
        values = [self.value(c) for c in children(node) if isinstance(c, ast.expr)]
        parts, answer = union(*values), implied.operate(self, node, values)
        if isinstance(node, ast.BinOp):
            return copied(parts) | answer if implied.shares_parts(node) else answer
        if isinstance(node, ast.BoolOp):
            return parts
        return held(parts) if isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict) else answer

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, *, bare: bool) -> Value:
        before = dict(self.locals)
        for part in node.generators:
            value = inside(self.consumed(part.iter))
            for name in (n.id for n in walk(part.target) if isinstance(n, ast.Name)):
                self.locals[name] = value
            for test in part.ifs:
                self.value(test)
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        found: Value = union(*(self.value(part, bare=bare) for part in parts))
        self.locals = before
        return held(found)
