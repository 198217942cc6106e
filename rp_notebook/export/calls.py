"""What a call does: the notebook's own functions by what they do, library code by the tables."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from rp_notebook.export import foreign, handed, implied, local_programs, overriding
from rp_notebook.export.binding import assigned
from rp_notebook.export.code_behind import classes_of
from rp_notebook.export.cutting import root_name
from rp_notebook.export.library import BUILTIN, Arguments, as_method, makers, method_tier, path_of
from rp_notebook.export.links import COPY, NOTHING, SAME, Value, copied, held, inside, union
from rp_notebook.export.namespace_dict import is_namespace, pairs, read_key
from rp_notebook.export.program import FRESH, LIKELY, MUST, PARAMETER, Program
from rp_notebook.export.tables import (
    ARRAY_VIEWS,
    DRAWS,
    OUR_MODULE,
    PATCHERS,
    QUEUE_MODULES,
    READERS,
    SHALLOW_MUTATORS,
    STACKS,
    STATEFUL,
    VIEWS,
)

if TYPE_CHECKING:
    from rp_notebook.export.expressions import Expressions as Reading

CALLS_BACK = frozenset({"map", "filter", "sorted", "max", "min"})


def call(reading: Reading, node: ast.Call, *, bare: bool) -> Value:
    """Follows a call and gives what its answer may be; `bare` when nothing is done with the answer."""
    node = as_method(node, reading.program, reading.locals)
    path = path_of(node.func, reading.program, reading.locals)
    arguments = _arguments(reading, node)
    if path.split(".")[0] == OUR_MODULE or (isinstance(node.func, ast.Name) and node.func.id in reading.program.ours):
        return NOTHING
    if not path.startswith(BUILTIN) or path[len(BUILTIN) :] in CALLS_BACK:
        handed.passed_code(reading, node, arguments)
    if path.startswith(BUILTIN):
        return foreign.builtin(reading, path[len(BUILTIN) :], node, arguments)
    if path:
        return foreign.library(reading, path, node, arguments, bare=bare)
    if isinstance(node.func, ast.Name):
        return _named(reading, node.func, arguments)
    if isinstance(node.func, ast.Attribute):
        return _method(reading, node.func, node, arguments, bare=bare)
    return _value_called(reading, node.func, arguments)


def _arguments(reading: Reading, node: ast.Call) -> Arguments:
    positional = [handed.given(reading, a) for a in node.args if not isinstance(a, ast.Starred)]
    starred = [reading.consumed(a.value) for a in node.args if isinstance(a, ast.Starred)]
    named = {k.arg: handed.given(reading, k.value) for k in node.keywords if k.arg}
    rest = [reading.consumed(k.value) for k in node.keywords if not k.arg]
    return Arguments(tuple(positional), named, inside(union(*starred, *rest)))


def _named(reading: Reading, func: ast.Name, arguments: Arguments) -> Value:
    name, program = func.id, reading.program
    if name in reading.locals:
        value = reading.locals[name]
        if (PARAMETER + name, SAME) in value:  # a callback: nobody knows what it does
            reading.change(arguments.all, LIKELY, deep=True)
        if name in reading.inner:
            reading.call_inner(reading.inner[name], arguments)
        else:
            handed.parts_called(reading, value, arguments)
        return arguments.all | inside(value)
    found: Value = NOTHING
    if name in program.classes:
        found |= _made(reading, name, arguments)
    implied.keep_answer(reading, program.functions.get(name, ()), frozenset({(name, SAME)}))
    for function in program.functions.get(name, ()):
        found |= reading.call_function(function, arguments)
        for item in getattr(function, "decorator_list", ()):
            root = root_name(item)
            if root in program.functions or root in program.classes:
                given = [reading.value(each) for each in item.args] if isinstance(item, ast.Call) else []
                wrapped = item if isinstance(item, ast.Call) else ast.Call(item, [], [])
                handed.answer_called(reading, wrapped, frozenset({(name, SAME)}), union(arguments.all, *given))
    if name not in program.classes and name not in program.functions:
        return _value_called(reading, func, arguments)
    return found


def _made(reading: Reading, name: str, arguments: Arguments) -> Value:
    """The object that a class of the notebook makes: it holds what its constructor keeps."""
    program = reading.program
    makers = [m for each in ("__init__", "__post_init__") for m in program.methods(each, [name])]
    overriding.run_makers(reading, name, arguments.all)
    own = arguments.behind(frozenset({(name, SAME)}))
    shared = union(*(reading.call_function(maker, own) for maker in program.methods("__new__", [name])))
    shared |= frozenset((each, COPY) for each in program.lineage([name]) if _has_own_state(program, each))
    if not makers:
        return held(arguments.all) | shared
    before = reading.edges
    reading.edges = set()
    for maker in makers:
        reading.call_function(maker, arguments.behind(frozenset({(FRESH, SAME)})))
    kept = frozenset((other, kind) for root, other, kind in reading.edges if root == FRESH)
    reading.edges = before | {edge for edge in reading.edges if edge[0] != FRESH}
    inherited = any(
        not isinstance(b, ast.Name) or b.id not in program.classes for c in program.classes[name] for b in c.bases
    )
    return kept | shared | (held(arguments.all) if inherited else NOTHING)


def _has_own_state(program: Program, name: str) -> bool:
    """Whether a class holds objects that all that are made of it share."""
    values = [value for node in program.classes[name] for item in node.body for _, value in assigned(item)]
    return not all(isinstance(value, ast.Constant | ast.UnaryOp | ast.JoinedStr) for value in values)


def _method(reading: Reading, func: ast.Attribute, node: ast.Call, arguments: Arguments, *, bare: bool) -> Value:
    program, root, name = reading.program, root_name(func), func.attr
    if is_namespace(func.value, at_module=reading.at_module):
        return _of_namespace(reading, node, arguments)
    receiver = reading.value(func.value)
    classes = classes_of(program, root) if root and root not in reading.locals else set()
    methods = program.methods(name, classes)
    found: Value = NOTHING
    handed.attribute_called(reading, func, arguments, receiver=NOTHING if methods else receiver)
    implied.keep_answer(reading, methods, receiver)
    for method in methods:
        found |= reading.call_function(method, arguments.behind(receiver))
    known = bool(classes) and bool(methods)
    if not known and overriding.runs_code(name):
        overriding.run_overriding(reading, classes, receiver, arguments.all)
        handed.library_called(reading, func, arguments)
    if known:
        return found | (inside(receiver) if name in VIEWS else NOTHING)
    _in_place(reading, node, receiver, arguments)
    if name in DRAWS and not classes and reading.at_module:
        reading.change(receiver, MUST, deep=False)  # a generator moves on with every draw
    made_by = makers(root, program) if root not in reading.locals else set()
    own = local_programs.methods(program, made_by, name)
    found |= union(*(reading.apply(effects, each, arguments.behind(receiver)) for each, effects in own))
    if name in ("close", "aclose", "__exit__") and STACKS & made_by:
        handed.ended(reading, root)
    tier = 0 if name == "execute" and _selects(node) else _tier(reading, root, node, made_by, bare=bare)
    if tier == MUST:
        receiver = receiver or reading.found_by(func.value)
        reading.touch(func.value)
        reading.change(receiver, MUST, deep=name not in SHALLOW_MUTATORS)
        reading.store(func.value, arguments.all)
        if name == "shuffle":
            reading.change(arguments.all, MUST, deep=False)
        if name in READERS:
            return found
        return found | (inside(receiver) if name in SHALLOW_MUTATORS else receiver)
    if tier == LIKELY and not methods and not own:
        reading.change(receiver | arguments.all, LIKELY, deep=True)
    if name == "copy":
        return found | copied(receiver)
    if name in ARRAY_VIEWS:
        found |= receiver
    return found | (inside(receiver) if name in VIEWS or name.startswith("get_") else NOTHING)


def _in_place(reading: Reading, node: ast.Call, receiver: Value, arguments: Arguments) -> None:
    """`inplace=True`, `out=array` and `file.readinto(buffer)`."""
    if getattr(node.func, "attr", "").endswith("into"):
        reading.change(arguments.all, MUST, deep=False)
    for key in node.keywords:
        if key.arg == "inplace" and isinstance(key.value, ast.Constant) and key.value.value:
            reading.change(receiver, MUST, deep=False)
        if key.arg == "out" and arguments.named:
            reading.change(arguments.named["out"], MUST, deep=True)


def _of_namespace(reading: Reading, node: ast.Call, arguments: Arguments) -> Value:
    """`globals().update(K=1)`, `globals().get("K")`."""
    for name, value in pairs(node, at_module=reading.at_module):
        reading.bind_global(name, reading.value(value) if value is not None else arguments.all)
    read = read_key(node, at_module=reading.at_module)
    return frozenset({(read, SAME)}) if read else NOTHING


def _tier(reading: Reading, root: str, node: ast.Call, made_by: set[str], *, bare: bool) -> int:
    """How certain it is that a method changes its receiver, which one of these calls made."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if any(maker.startswith(PATCHERS) for maker in made_by):
        for value in reading.program.values.get(root, ()):
            reading.value(value)  # what `patch(...)` names changes when the patch starts
    if STATEFUL & made_by and name != "get":
        return MUST
    if name in ("match", "search") and root in reading.program.iterators:  # a scanner goes on
        return MUST
    if name in ("get", "get_nowait") and _takes_out(reading.program, node, made_by):
        return MUST
    said = reading.program.project.changes(name, made_by)
    return method_tier(name, bare=bare) if said is None else MUST if said else 0


def _takes_out(program: Program, node: ast.Call, made_by: set[str]) -> bool:
    """Whether a `get()` may be that of a queue: it names no key, and there are queues."""
    keyed = any(not isinstance(arg, ast.Constant) or isinstance(arg.value, str) for arg in node.args)
    queues = any(path.startswith(QUEUE_MODULES) for path in program.imports.values())
    return queues and not keyed and not any(maker.startswith("contextvars.") for maker in made_by)


def _selects(node: ast.Call) -> bool:
    """Whether a call executes a query that only looks."""
    query = node.args[0] if node.args else None
    text = query.value if isinstance(query, ast.Constant) else ""
    return isinstance(text, str) and text.lstrip().lower().startswith("select")


def _value_called(reading: Reading, func: ast.expr, arguments: Arguments) -> Value:
    """`OPS["x"](v)`, `make(k)(v)`, `model(v)`: what the value may be made of is what may run."""
    if isinstance(func, ast.Call) and path_of(func.func, reading.program, reading.locals).startswith("operator."):
        return inside(arguments.all)  # itemgetter("k")(v)
    if isinstance(func, ast.Lambda):
        reading.call_inner(func, arguments)
    found = handed.looked_up_called(reading, func, arguments)
    value = reading.value(func)
    roots = {root for root, _ in value if not root.startswith(PARAMETER) and ":" not in root}
    known = False
    for root in sorted(roots):
        known |= handed.anything_called(reading, root, value, arguments.all)
        known |= handed.stored_called(reading, root, arguments)
        for function, effects in local_programs.methods(reading.program, makers(root, reading.program), "__call__"):
            reading.apply(effects, function, arguments.behind(value))
    return found | (arguments.all | inside(value) if known else NOTHING)
