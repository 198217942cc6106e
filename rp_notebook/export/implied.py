"""What an operator, an attribute, a `with` or a loop does through the methods of the notebook's own classes."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from rp_notebook.export.code_behind import classes_of
from rp_notebook.export.cutting import root_name
from rp_notebook.export.library import Arguments, path_of
from rp_notebook.export.links import NOTHING, SAME, Value, union
from rp_notebook.export.program import Function

if TYPE_CHECKING:
    from rp_notebook.export.expressions import Expressions as Reading

_OPERATORS = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.MatMult: "matmul",
    ast.Div: "truediv",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Pow: "pow",
    ast.LShift: "lshift",
    ast.RShift: "rshift",
    ast.BitOr: "or",
    ast.BitXor: "xor",
    ast.BitAnd: "and",
}
_COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
# Either side may answer, mirrored.
_COMPARED = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
_UNARY = {ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "invert", ast.Not: "bool"}
ENTERED = ("__enter__", "__exit__", "__aenter__", "__aexit__")
ITERATED = ("__iter__", "__next__", "__getitem__", "__aiter__", "__anext__")
LOOKED_UP = ("__getitem__", "__missing__")
TESTED = ("__bool__", "__len__")
_ANY_READ, _ANY_WRITE = ("__getattribute__", "__getattr__"), ("__setattr__", "__delattr__")
_HELD_READ, _HELD_WRITE = ("__get__",), ("__set__", "__delete__")
_WRITTEN = ("__setitem__", "__delitem__")
_SHOWN = ("__format__", "__str__", "__repr__")
Side = tuple[ast.expr, Value]
_NOT_RUN_BY_READING = frozenset({"staticmethod", "classmethod", "abstractmethod", "setter", "deleter"})
_NOT_RUN_BY_WRITING = frozenset({"staticmethod", "classmethod", "abstractmethod", "property", "getter"})


def run_methods(reading: Reading, names: tuple[str, ...], owner: ast.expr, receiver: Value, *given: Value) -> Value:
    """Runs the methods of these names that `receiver`, what `owner` gives, may have; gives what they answer."""
    if reading.program.method_names.isdisjoint(names):
        return NOTHING
    return _run(reading, [m for name in names for m in _methods(reading, name, owner)], receiver, given)


def read_attribute(reading: Reading, node: ast.Attribute, receiver: Value) -> Value:
    """`a.x`: a property, a descriptor or `__getattr__` may run."""
    if not reading.program.classes:
        return NOTHING
    properties = _properties(reading, node, _NOT_RUN_BY_READING)
    own = _run(reading, properties, receiver, ())
    keep_answer(reading, properties, receiver)
    caught = run_methods(reading, _ANY_READ, node.value, receiver)
    return own | caught | _descriptors(reading, _HELD_READ, receiver, NOTHING)


def class_of(reading: Reading, node: ast.expr) -> Value:
    """`type(a)` or `a.__class__`: the notebook's classes that it may be."""
    program, root = reading.program, root_name(node)
    if isinstance(node, ast.Name) and root == reading.receiver[0]:
        classes: Collection[str] = program.kinds(reading.receiver[1])
    else:
        classes = classes_of(program, root) if root and root not in reading.locals else set()
    return frozenset((name, SAME) for name in classes) or reading.value(node)


def is_cache(reading: Reading, decorator: ast.expr) -> bool:
    """Whether a decorator keeps what a function answered: `@lru_cache`, `@cached_property`, `@memory.cache`."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return "cache" in path_of(target, reading.program, reading.locals).rpartition(".")[2]


def keep_answer(reading: Reading, methods: Iterable[Function], receiver: Value) -> None:
    """Says of methods that keep what they answered that they were asked."""
    if any(is_cache(reading, item) for each in methods for item in getattr(each, "decorator_list", ())):
        reading.asked(receiver)


def write_target(reading: Reading, node: ast.Attribute | ast.Subscript, value: Value) -> None:
    """`a.x = v`, `a[k] = v` and their `del`: a setter, a descriptor or a method may run."""
    if not reading.program.classes:
        return
    receiver = reading.value(node.value)
    if isinstance(node, ast.Subscript):
        run_methods(reading, _WRITTEN, node.value, receiver, NOTHING, value)
        return
    _run(reading, _properties(reading, node, _NOT_RUN_BY_WRITING), receiver, (value,))
    run_methods(reading, _ANY_WRITE, node.value, receiver, NOTHING, value)
    _descriptors(reading, _HELD_WRITE, receiver, value)


def operate(reading: Reading, node: ast.expr, values: list[Value]) -> Value:
    """An operator, a comparison or a formatted text whose parts have these values."""
    match node:
        case ast.BinOp(left=left, op=operator, right=right):
            return combine(reading, operator, (left, values[0]), (right, values[1]))
        case ast.UnaryOp(op=sign, operand=operand):
            return run_methods(reading, (f"__{_UNARY[type(sign)]}__",), operand, values[0])
        case ast.Compare(left=left, ops=comparisons, comparators=others):
            sides = list(zip([left, *others], values, strict=True))
            for one, comparison, other in zip(sides[:-1], comparisons, sides[1:], strict=True):
                _compare(reading, comparison, one, other)
        case ast.BoolOp(values=tests):
            for each, value in zip(tests, values, strict=True):
                run_methods(reading, TESTED, each, value)
        case ast.FormattedValue(value=shown):
            run_methods(reading, _SHOWN, shown, values[0])
    return NOTHING


def shares_parts(node: ast.BinOp) -> bool:
    """Whether an operator may give a container with the parts of others: `rows + more`, `[row] * 3`."""
    sides = (node.left, node.right)
    if isinstance(node.op, ast.Add):  # what a number or a text is added to has no parts
        return not any(isinstance(side, ast.Constant | ast.JoinedStr) for side in sides)
    return isinstance(node.op, ast.Mult) and any(
        isinstance(side, ast.List | ast.Tuple | ast.ListComp) for side in sides
    )


def combine(reading: Reading, operator: ast.operator, left: Side, right: Side, *, inplace: bool = False) -> Value:
    """`left + right`, or `left += right`."""
    word = _OPERATORS[type(operator)]
    names = (f"__i{word}__", f"__{word}__") if inplace else (f"__{word}__",)
    return run_methods(reading, names, *left, right[1]) | run_methods(reading, (f"__r{word}__",), *right, left[1])


def _compare(reading: Reading, comparison: ast.cmpop, left: Side, right: Side) -> None:
    if isinstance(comparison, ast.In | ast.NotIn):
        run_methods(reading, ("__contains__", *ITERATED), *right, left[1])
    elif isinstance(comparison, _COMPARISONS):
        run_methods(reading, _COMPARED, *left, right[1])
        run_methods(reading, _COMPARED, *right, left[1])


def _methods(reading: Reading, name: str, owner: ast.expr) -> list[Function]:
    program, root = reading.program, root_name(owner)
    if name not in program.method_names:
        return []
    classes = classes_of(program, root) if root and root not in reading.locals else set()
    return program.methods(name, classes)


def _properties(reading: Reading, node: ast.Attribute, others: frozenset[str]) -> list[Function]:
    return [
        method
        for method in _methods(reading, node.attr, node.value)
        if any(
            (getattr(item, "attr", None) or getattr(item, "id", "")) not in others
            for item in getattr(method, "decorator_list", ())
        )
    ]


def _descriptors(reading: Reading, names: tuple[str, ...], receiver: Value, value: Value) -> Value:
    """A descriptor's class is not the owner's: those of any class may be meant."""
    if reading.program.method_names.isdisjoint(names):
        return NOTHING
    methods = [method for name in names for method in reading.program.methods(name)]
    return _run(reading, methods, receiver, (receiver, value))


def _run(reading: Reading, methods: list[Function], receiver: Value, given: tuple[Value, ...]) -> Value:
    return union(*(reading.call_function(method, Arguments(given, {}, NOTHING).behind(receiver)) for method in methods))
