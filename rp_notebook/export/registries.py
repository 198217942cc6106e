"""What a notebook puts into its containers, so that what is called out of one of them is known."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from rp_notebook.export.binding import assigned
from rp_notebook.export.cutting import root_name
from rp_notebook.export.tables import KEEPING, KEEPING_PREFIXES, MUTATORS
from rp_notebook.export.trees import immediate, walk

# The parameters of a function, whether it is a constructor, and what it puts into which of them.
Feeding = tuple[list[str], bool, list[tuple[str, ast.expr]]]
_PUTTING = frozenset({ast.Call, ast.Assign, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef})


def put_into(
    statements: Iterable[ast.stmt],
    functions: Mapping[str, Sequence[ast.AST]],
    classes: Mapping[str, Iterable[ast.ClassDef]],
    bound: Mapping[str, Iterable[ast.expr]],
) -> dict[str, tuple[ast.expr, ...]]:
    """The expressions whose values go into what a name is bound to, by name, or into a part of it.

    They go there at module level, or by a function or method that puts what it is given there: called, or as a
    decorator. `bound` is what names are bound to.
    """
    found: dict[str, dict[ast.expr, None]] = {}
    registrars = {name: into for name, each in functions.items() if (into := _fed(each))}
    feeding = _feeding(functions, classes)
    methods = {item.name for each in classes.values() for node in each for item in node.body if _feeds_receiver(item)}  # type: ignore[attr-defined] # a function
    for statement in statements:
        for node in immediate(statement):
            if type(node) not in _PUTTING:
                continue
            for name, value in _puts(node):
                found.setdefault(name, {})[value] = None
            for name, value in _fed_by(node, feeding):
                found.setdefault(name, {})[value] = None
            for func, given in _handed(node):
                own = isinstance(func, ast.Attribute) and (func.attr in methods or _keeps(func.attr))
                for name in (root_name(func),) if own else registrars.get(root_name(func), ()):
                    found.setdefault(name, {}).update(dict.fromkeys(given))
    for name in list(found):  # a part of something, by a name of its own
        for whole in {root for value in bound.get(name, ()) for root in _wholes(value)}:
            if whole in bound and whole != name:
                found.setdefault(whole, {}).update(found[name])
    return {name: tuple(values) for name, values in found.items()}


def _wholes(value: ast.expr) -> Iterator[str]:
    """The names of what an expression may give a part of: `net[0]`, `enumerate(net.layers)`."""
    if isinstance(value, ast.Attribute | ast.Subscript | ast.Call):
        yield root_name(value)
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
            yield from (root_name(each) for each in value.args)


def patched(
    statements: Iterable[ast.stmt], functions: Mapping[str, Iterable[ast.AST]], classes: Container[str]
) -> dict[str, tuple[ast.AST, ...]]:
    """The functions that become methods of the notebook's classes by assignment, `Net.go = fast`, by that name."""
    found: dict[str, dict[ast.AST, None]] = {}
    for node in statements:
        for target in node.targets if isinstance(node, ast.Assign) else ():
            match target, getattr(node, "value", None):
                case ast.Attribute(value=ast.Name(id=owner), attr=name), ast.Lambda() as code if owner in classes:
                    found.setdefault(name, {})[code] = None
                case ast.Attribute(value=ast.Name(id=owner), attr=name), ast.Name(id=other) if owner in classes:
                    found.setdefault(name, {}).update(dict.fromkeys(functions.get(other, ())))
    return {name: tuple(each) for name, each in found.items()}


def attributes_set(statements: Iterable[ast.stmt]) -> dict[str, tuple[ast.expr, ...]]:
    """The expressions that statements of the module give to attributes of objects, by the attribute's name."""
    found: dict[str, dict[ast.expr, None]] = {}
    for node in statements:
        if isinstance(node, ast.Assign) and not isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Attribute):
                    found.setdefault(target.attr, {})[node.value] = None
    return {name: tuple(values) for name, values in found.items()}


def bound_methods(value: ast.expr, own: Container[str]) -> Iterator[ast.Attribute]:
    """Methods that an expression takes off their objects without calling them: `TABLE["x"] = items.append`.

    They are those that change their objects, and those of the notebook's classes, whose names are `own`.
    """
    called = {id(node.func) for node in walk(value) if isinstance(node, ast.Call)}
    for node in walk(value):
        if isinstance(node, ast.Attribute) and (node.attr in MUTATORS or node.attr in own) and id(node) not in called:
            yield node


def methods_of(node: ast.ClassDef, name: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda]:
    """What may run where a class is asked for that method: `go = partialmethod(_go, 2)` runs another one."""
    written = [item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
    values = [value for item in node.body for bound, value in assigned(item) if bound == name]
    parts = [part for value in values for part in walk(value)]
    meant = {name, *(part.id for part in parts if isinstance(part, ast.Name))}
    return [item for item in written if item.name in meant] + [part for part in parts if isinstance(part, ast.Lambda)]


def hands_back(function: ast.AST, *, made: bool) -> bool:
    """Whether a decorator gives what it decorates as it is; `made` when it is called to make the decorator."""
    if isinstance(function, ast.Lambda):
        answers: list[ast.AST | None] = [function.body]
    else:
        answers = [n.value for item in function.body for n in immediate(item) if isinstance(n, ast.Return)]  # type: ignore[attr-defined] # a function
    if made:
        inner = {n.name: n for n in walk(function) if isinstance(n, ast.FunctionDef) and n is not function}
        inside = [inner.get(a.id) if isinstance(a, ast.Name) else a for a in answers]
        return bool(inside) and all(
            isinstance(a, ast.FunctionDef | ast.Lambda) and hands_back(a, made=False) for a in inside
        )
    given = [arg.arg for arg in function.args.args[:1]]  # type: ignore[attr-defined] # a function
    last = [a.values[-1] if isinstance(a, ast.BoolOp) else a for a in answers]
    return bool(last) and all(isinstance(a, ast.Name) and [a.id] == given for a in last)


def _puts(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr=name), args=args, keywords=keywords) if _keeps(name):
            values = [*args, *(keyword.value for keyword in keywords)]
            yield from ((root_name(owner), value) for value in values if root_name(owner))
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                if isinstance(target, ast.Subscript | ast.Attribute) and root_name(target):
                    yield root_name(target), value


def _keeps(method: str) -> bool:
    return method in KEEPING or method.startswith(KEEPING_PREFIXES)


def _fed(functions: Sequence[ast.AST]) -> set[str]:
    """The names outside a function into which its code puts something."""
    found: set[str] = set()
    for function in functions:
        inner = {n.arg for n in walk(function) if isinstance(n, ast.arg)}
        inner |= {n.id for n in walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        found |= {name for node in walk(function) for name, _ in _puts(node)} - inner
    return found


def _feeding(
    functions: Mapping[str, Sequence[ast.AST]], classes: Mapping[str, Iterable[ast.ClassDef]]
) -> dict[str, list[Feeding]]:
    """By name, the functions and constructors that put something into what they are given, or into what they make."""
    makers = [(name, item) for name, each in classes.items() for node in each for item in node.body]
    named = [(name, item) for name, item in makers if getattr(item, "name", "") == "__init__"]
    found: dict[str, list[Feeding]] = {}
    for name, item in [*named, *((name, each) for name, all_ in functions.items() for each in all_)]:
        if not isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        given = [arg.arg for arg in item.args.args]
        puts = [(root, value) for node in walk(item) for root, value in _puts(node) if root in given]
        puts = [(root, value) for root, value in puts if not isinstance(value, ast.Constant)]
        if puts:
            found.setdefault(name, []).append((given, name in classes, puts))
    return found


def _fed_by(node: ast.AST, feeding: Mapping[str, Sequence[Feeding]]) -> Iterator[tuple[str, ast.expr]]:
    """What calling such a function, or making such an object, puts where."""
    call = node.value if isinstance(node, ast.Assign) else node
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return
    for parameters, makes, puts in feeding.get(call.func.id, ()):
        given: dict[str, ast.expr] = dict(zip(parameters[makes:], call.args, strict=False))
        given |= {key.arg: key.value for key in call.keywords if key.arg}
        if makes:  # known by its name once that is bound
            given |= {parameters[0]: node.targets[0]} if isinstance(node, ast.Assign) else {}
        for root, value in puts:
            meant = given.get(value.id, value) if isinstance(value, ast.Name) else value
            if root in given and root_name(given[root]):
                yield root_name(given[root]), meant


def _feeds_receiver(item: ast.stmt) -> bool:
    """Whether a method puts something into the object that it is of, besides its constructor."""
    if not isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) or item.name == "__init__":
        return False
    return any(name == each.arg for each in item.args.args[:1] for node in walk(item) for name, _ in _puts(node))


def _handed(node: ast.AST) -> Iterator[tuple[ast.expr, list[ast.expr]]]:
    """The functions that a statement hands something to, and what."""
    if isinstance(node, ast.Call):
        yield node.func, [*node.args, *(keyword.value for keyword in node.keywords)]
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        for item in node.decorator_list:
            yield item.func if isinstance(item, ast.Call) else item, [ast.Name(node.name, ast.Load())]
