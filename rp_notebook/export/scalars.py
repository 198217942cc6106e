"""Names that only ever are numbers or text, or containers of such: sharing them means nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rp_notebook.export.links import HOLDER, SAME
from rp_notebook.export.namespace_dict import SPEAKING
from rp_notebook.export.program import PARAMETER, Function, Program
from rp_notebook.export.tables import SCALAR_BUILTINS

if TYPE_CHECKING:
    from rp_notebook.export.timeline import Fact


def scalar_names(facts: Iterable[Fact], program: Program) -> frozenset[str]:
    """Names all of whose values are numbers, text, booleans or None, as far as the text tells."""
    found = {
        name
        for name in program.values
        if name not in program.functions and name not in program.classes and name not in program.imports
    }
    found = found.difference(*map(_by_text, facts))
    while True:
        wrong = {name for name in found if not all(_is_scalar(value, found) for value in program.values[name])}
        if not wrong:
            return frozenset(found)
        found -= wrong


def plain_functions(facts: Sequence[Fact], program: Program) -> frozenset[str]:
    """Names of functions that have nothing which anybody changes, and change nothing but what they are given.

    Who is given one is not bound to it.
    """
    found = {
        name
        for name, functions in program.functions.items()
        if is_plain(program, name) and not any(_reaches_out(program, each) for each in functions)
    }
    for fact in facts:
        if not fact.is_code:
            found -= fact.names.defs | fact.names.maydefs
        found.difference_update(root for root, _, _ in fact.effects.changed)
        found.difference_update(left for left, _, _ in fact.effects.edges)
    return frozenset(found)


def _reaches_out(program: Program, function: Function) -> bool:
    effects = program.summary(function)
    outer = any(not root.startswith(PARAMETER) for root, _, _ in effects.changed | effects.later)
    return outer or bool(effects.rebound or effects.later_rebound)


def is_plain(program: Program, name: str) -> bool:
    """Whether it is a function that holds nothing which a call could change: no default, nothing bound to it."""
    functions = program.functions.get(name, ())
    return bool(functions) and name not in program.values and not any(map(_holds, functions))


def _holds(function: Function) -> bool:
    """Whether a function has something that a call may change: a default, or what a decorator made of it."""
    defaults = (*function.args.defaults, *function.args.kw_defaults)
    changing = any(not isinstance(default, ast.Constant) for default in defaults if default is not None)
    return changing or bool(getattr(function, "decorator_list", ()))


def flat_names(facts: Iterable[Fact], program: Program, scalars: frozenset[str]) -> frozenset[str]:
    """Names of containers that only ever hold scalars."""
    groups: dict[str, set[str]] = {name: {name} for name in program.values}
    stuffed = {name for name, put in program.put.items() if not all(_is_scalar(each, scalars) for each in put)}
    for fact in facts:
        stuffed |= _by_text(fact)
        for left, right, kind in fact.effects.edges:
            if kind == SAME:
                merged = groups.setdefault(left, {left}) | groups.setdefault(right, {right})
                for name in merged:
                    groups[name] = merged
            elif kind == HOLDER and right not in scalars:
                stuffed.add(left)
    flat = {name for name, values in program.values.items() if name not in scalars}
    while True:
        plain = flat | scalars
        wrong = {
            name
            for name in flat
            if groups[name] & stuffed
            or not groups[name] <= plain
            or not all(_is_flat(value, flat, scalars) for value in program.values[name])
        }
        if not wrong:
            return frozenset(flat)
        flat -= wrong


def _by_text(fact: Fact) -> frozenset[str]:
    """The names that a statement binds by their text: it does not tell to what."""
    names = fact.names
    spoken = not (SPEAKING.isdisjoint(names.uses) and SPEAKING.isdisjoint(names.deferred))
    return names.defs | names.maydefs | names.stores if spoken else frozenset()


def _is_scalar(node: ast.expr, names: Iterable[str]) -> bool:
    match node:
        case ast.Constant() | ast.JoinedStr() | ast.Compare():
            return True
        case ast.Name(id=name):
            return name in names
        case ast.Tuple(elts=parts):  # of such nobody can change anything
            return all(_is_scalar(part, names) for part in parts)
        case ast.UnaryOp(operand=operand):
            return isinstance(node.op, ast.Not) or _is_scalar(operand, names)
        case ast.BinOp(left=left, right=right):
            return _is_scalar(left, names) and _is_scalar(right, names)
        case ast.IfExp(body=left, orelse=right):
            return _is_scalar(left, names) and _is_scalar(right, names)
        case ast.BoolOp(values=values):
            return all(_is_scalar(value, names) for value in values)
        case ast.Call(func=ast.Name(id=name)):  # what goes through a range is a number, and a range cannot change
            return name in SCALAR_BUILTINS or name == "range"
    return False


def _is_flat(node: ast.expr, flat: Iterable[str], scalars: Iterable[str]) -> bool:
    match node:
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            return all(_is_scalar(part, scalars) for part in parts)
        case ast.Dict(keys=keys, values=values):
            return None not in keys and all(_is_scalar(value, scalars) for value in values)
        case ast.ListComp(elt=elt) | ast.SetComp(elt=elt) | ast.DictComp(value=elt):
            return _is_scalar(elt, scalars)
        case ast.Name(id=name):
            return name in flat
        case ast.Call(func=ast.Name(id="list" | "tuple" | "sorted" | "set" | "dict" | "range"), args=args):
            return all(_is_flat(arg, flat, scalars) or _is_scalar(arg, scalars) for arg in args)
        case ast.BinOp(left=left, right=right):
            parts = [left, right]
            return all(_is_flat(part, flat, scalars) or _is_scalar(part, scalars) for part in parts)
        case ast.Call(func=ast.Attribute(attr="split")):
            return True
    return False
