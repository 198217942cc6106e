"""Functions and methods that are not called where they are named: handed on, stored, or asked for by their names."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rp_notebook.export import implied, local_programs, overriding
from rp_notebook.export.code_behind import classes_of, code_given, code_of, lambdas_in, stored_in
from rp_notebook.export.cutting import root_name
from rp_notebook.export.iterators import yields
from rp_notebook.export.library import Arguments, makers, method_tier, path_of
from rp_notebook.export.links import NOTHING, SAME, Value, inside, union
from rp_notebook.export.program import CALLS, LIKELY, MUST, PARAMETER, Changed, Code, Effects, Function
from rp_notebook.export.registries import bound_methods
from rp_notebook.export.scalars import is_plain
from rp_notebook.export.store_looks import FILL
from rp_notebook.export.tables import LOGGING, MUTATORS, SHALLOW_MUTATORS

if TYPE_CHECKING:
    from rp_notebook.export.expressions import Expressions as Reading


def given(reading: Reading, node: ast.expr) -> Value:
    """The value of an argument; a method that is handed on brings its object along."""
    value = reading.consumed(node)
    if isinstance(node, ast.Attribute) and _methods(reading, node) is not None:
        value |= reading.value(node.value)
    return value


def passed_code(reading: Reading, node: ast.Call, arguments: Arguments) -> None:
    """Functions among the arguments may be called by the callee, with what its object has."""
    program = reading.program
    if isinstance(node.func, ast.Attribute) and any(isinstance(each, ast.Lambda | ast.Name) for each in node.args):
        receiver = reading.value(node.func.value)
        arguments = Arguments((*arguments.positional, receiver, inside(receiver)), arguments.named, arguments.rest)
    for part in [*node.args, *(k.value for k in node.keywords)]:
        match part:
            case ast.Lambda():
                reading.inline(part, arguments.all | inside(arguments.all))
            case ast.Name(id=name) if name not in reading.locals and name in program.functions:
                others = frozenset(each for each in arguments.all if each[0] != name or not is_plain(program, name))
                anything_called(reading, name, reading.value(part), others)
            case ast.Attribute() | ast.Name() if path := path_of(part, program, reading.locals):
                for function, effects, _ in local_programs.called(program, path):
                    reading.apply(effects, function, Arguments((), None, arguments.all))
            case ast.Name(id=name) if name not in reading.locals:
                stored_called(reading, name, arguments)
            case ast.Attribute():
                _method_passed(reading, part, arguments)
            case ast.Call(func=func, args=[owner, ast.Constant(value=str() as name), *_]) if (
                path_of(func, program, reading.locals) == "builtins.getattr"
            ):
                _method_passed(reading, ast.Attribute(owner, name, ast.Load()), arguments)
            case ast.Call(func=func, args=[ast.Constant(value=str() as name), *_]) if (
                name in MUTATORS and path_of(func, program, reading.locals) == "operator.methodcaller"
            ):
                reading.change(inside(arguments.all), MUST, deep=True)


def _methods(reading: Reading, node: ast.Attribute) -> list[Function] | None:
    """The notebook's methods that an attribute may be, none for one that changes its object; None for no method."""
    if path_of(node, reading.program, reading.locals):
        return None
    root = root_name(node)
    classes = classes_of(reading.program, root) if root and root not in reading.locals else set()
    methods = reading.program.methods(node.attr, classes)
    return methods if methods or node.attr in MUTATORS else None


def _method_passed(reading: Reading, node: ast.Attribute, arguments: Arguments) -> None:
    methods = _methods(reading, node)
    if methods is None:
        return
    receiver = reading.value(node.value)
    for method in methods:
        reading.call_function(method, Arguments((receiver,), None, arguments.all))
    if not methods:
        reading.change(receiver, MUST, deep=node.attr not in SHALLOW_MUTATORS)
        reading.join(receiver, arguments.all)


def looked_up_called(reading: Reading, func: ast.expr, arguments: Arguments) -> Value:
    """`getattr(a, "do_" + name)(x)`: any method of `a` may run that begins so."""
    match func:
        case ast.Call(func=ast.Name(id="getattr") as look, args=[owner, name, *_]) if path_of(
            look, reading.program, reading.locals
        ) and not path_of(owner, reading.program, reading.locals):
            program, root = reading.program, root_name(owner)
            classes = classes_of(program, root) if root not in reading.locals else frozenset[str]()
            receiver, start = reading.value(owner), _beginning(name)
            known = program.method_names if classes or root in reading.locals else ()
            meant = [each for each in sorted(known) if each.startswith(start) and not each.startswith("__")]
            methods = [method for each in meant for method in program.methods(each, classes)]
            return union(*(reading.call_function(method, arguments.behind(receiver)) for method in methods))
    return NOTHING


def _beginning(name: ast.expr) -> str:
    """What a text begins with that is put together."""
    while isinstance(name, ast.BinOp | ast.JoinedStr):
        name = name.left if isinstance(name, ast.BinOp) else name.values[0]
    return name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else ""


def stored_called(reading: Reading, name: str, arguments: Arguments) -> bool:
    """Marks what calling something out of a container may change: functions that were put there, methods of others."""
    known = False
    for put in stored_in(reading.program, name):
        known |= _put_called(reading, put, name, arguments)
    return known


def attribute_called(reading: Reading, func: ast.Attribute, arguments: Arguments, *, receiver: Value) -> None:
    """Marks what calling an attribute may change that a statement has set, or that a `receiver` was given."""
    for value in reading.program.attributes.get(func.attr, ()):
        _put_called(reading, value, root_name(func), arguments)
    if root_name(func) in reading.locals and method_tier(func.attr, bare=True) == LIKELY:
        parts_called(reading, inside(receiver), arguments)


def ended(reading: Reading, name: str) -> None:
    """Marks what may change where a stack of contexts ends: what leaves each of them, and what was to be called."""
    for put in stored_in(reading.program, name):
        _put_called(reading, put, name, Arguments())
        implied.run_methods(reading, implied.ENTERED, put, reading.value(put))


def _put_called(reading: Reading, put: ast.expr, name: str, arguments: Arguments) -> bool:
    known = False
    for method in bound_methods(put, reading.program.method_names):
        if not path_of(method, reading.program, reading.locals):
            _method_passed(reading, method, arguments)
            known = True
            # The object that had the name then is meant, or the one that a method was of.
            owner = root_name(method)
            if len(reading.program.values.get(owner, ())) != 1 and owner not in reading.program.classes:
                reading.change(reading.name(name), MUST, deep=True)
    for code in lambdas_in(put, reading.program):
        reading.call_function(code, arguments)
        known = True
    if isinstance(put, ast.Name) and put.id in reading.program.functions:
        known |= anything_called(reading, put.id, NOTHING, arguments.all)
    elif isinstance(put, ast.Call) and path_of(put.func, reading.program, reading.locals) == "functools.partial":
        known |= anything_called(reading, name, reading.name(name), arguments.all)
    elif isinstance(put, ast.Call) and root_name(put.func) in reading.program.functions:
        known |= answer_called(reading, put, reading.name(name), arguments.all)
    elif isinstance(put, ast.Name) or (isinstance(put, ast.Call) and root_name(put.func) in reading.program.classes):
        known |= _object_called(reading, root_name(put), name, arguments)
    return known


def _object_called(reading: Reading, put: str, name: str, arguments: Arguments) -> bool:
    """Marks what an object that was put into `name` may change when it is called, or when its library calls it."""
    classes = classes_of(reading.program, put)
    receiver = frozenset({(put if put not in classes else name, SAME)})
    calls = reading.program.methods("__call__", classes) if classes else []
    for method in calls:
        reading.call_function(method, Arguments((receiver,), None, arguments.all))
    overriding.run_overriding(reading, classes, receiver, arguments.all)
    return bool(calls)


def library_called(reading: Reading, func: ast.Attribute, arguments: Arguments) -> None:
    """Marks what a method of a library's object may change by calling code that the object was given."""
    root = root_name(func)
    if overriding.runs_code(func.attr) and root not in reading.locals:
        writes = func.attr in LOGGING and any(each.startswith("logging.") for each in makers(root, reading.program))
        for put in overriding.given_code(reading.program, root):
            _put_called(reading, put, root, arguments)
            if writes:
                reading.change(reading.value(put), MUST, deep=True)


def parts_called(reading: Reading, value: Value, arguments: Arguments) -> None:
    """Marks what calling something may change that is a part of a value, or is told by whoever gives the parameter."""
    for root, kind in sorted(value):
        if root.startswith(PARAMETER):
            reading.changed |= {(CALLS + root, MUST, False)} if kind != SAME and root != PARAMETER else set()
        elif root.isidentifier() and root not in reading.followed:
            reading.followed.add(root)  # what it was given may call its parts again
            stored_called(reading, root, arguments)
            anything_called(reading, root, NOTHING, arguments.all)


def anything_called(reading: Reading, name: str, value: Value, given: Value, *, goes_on: bool = False) -> bool:
    """Marks what calling something made of the code behind `name` may change. False when there is no such code.

    With `goes_on` it is an iterator: functions that made it go on running.
    """
    functions = reading.program.functions.get(name, ()) if name not in reading.locals else ()
    implied.keep_answer(reading, functions, frozenset({(name, SAME)}))
    return _code_called(reading, code_of(reading.program, name), value, given, goes_on=goes_on)


def answer_called(reading: Reading, call: ast.expr, value: Value, given: Value) -> bool:
    """Marks what calling the answer of a call, or of a decorator, may change. False when there is no such code."""
    return _code_called(reading, code_given(reading.program, call), value, given)


def _code_called(reading: Reading, code: Code, value: Value, given: Value, *, goes_on: bool = False) -> bool:
    program = reading.program
    for method in program.methods("__call__", code.classes) if code.classes else ():
        reading.call_function(method, Arguments((value,), None, given))
    for function in code.functions:
        effects = program.summary(function)
        _called(reading, effects, effects.changed, effects.rebound, value, given)
    for function in code.makers:
        effects = program.summary(function)
        changed, rebound = effects.later, effects.later_rebound
        if goes_on or yields(function):
            changed, rebound = changed | effects.changed, rebound | effects.rebound
        _called(reading, effects, changed, rebound, value, given)
    return bool(code.classes or code.functions or code.makers)


def _called(
    reading: Reading, effects: Effects, changed: Iterable[Changed], rebound: Iterable[str], value: Value, given: Value
) -> None:
    own = False
    for root, tier, deep in changed:
        if root == PARAMETER:
            reading.change(given, tier, deep=deep)
        elif root.removeprefix(FILL).startswith(PARAMETER):
            own = True
        else:
            reading.change(frozenset({(root, SAME)}), tier, deep=deep)
    reading.rebind(rebound)
    if effects.caches:
        reading.asked(value)
    if effects.remembers:
        reading.change(value, MUST, deep=True)
    if own:
        holding = {(root, kind) for root, kind in value if not is_plain(reading.program, root)}
        reading.change(given | holding, MUST, deep=True)
