"""The notebook's code behind a name: what may run where its value, or what calling it gives, is called."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from rp_notebook.export.cutting import root_name
from rp_notebook.export.program import Code, Function, Program, Spoken, inner_functions, loads
from rp_notebook.export.registries import bound_methods, hands_back
from rp_notebook.export.trees import walk


def code_of(program: Program, name: str) -> Code:
    """The code that the value of a name may be made of, by the text of all that was assigned to it."""
    if name not in program.made_of:
        program.made_of[name] = _code_of(program, [(name, False)])
    return program.made_of[name]


def code_given(program: Program, call: ast.expr) -> Code:
    """The code that the answer of a call may be made of."""
    return _code_of(program, sorted(_uses(call)))


def classes_of(program: Program, name: str) -> frozenset[str]:
    """The classes that the value of a name, or of what calling it gives, may be of."""
    return code_of(program, name).classes


def lambdas_in(put: ast.expr, program: Program) -> list[ast.Lambda]:
    """The lambdas that a value holds; a library's function has called those that it was given."""
    if isinstance(put, ast.Call) and root_name(put) not in program.classes.keys() | program.functions.keys():
        return []
    return [part for part in walk(put) if isinstance(part, ast.Lambda)]


def stored_in(program: Program, name: str) -> tuple[ast.expr, ...]:
    """The expressions with code that made a name's value, or were put into it or into what it was made of.

    Of those that speak of the same names there is one.
    """
    if name not in program.stored:
        seen: set[str] = set()
        found: dict[tuple[object, ...], ast.expr] = {}
        todo = [name]
        while todo:
            each = todo.pop()
            if each not in seen:
                seen.add(each)
                values = program.values.get(each, ())
                for put in (*values, *program.put.get(each, ())):
                    methods = tuple((root_name(one), one.attr) for one in bound_methods(put, program.method_names))
                    code = tuple(map(id, lambdas_in(put, program)))
                    if methods or code or isinstance(put, ast.Name | ast.Call):
                        found.setdefault((type(put), root_name(put), methods, code, frozenset(loads(put))), put)
                todo += {used for value in values for used in loads(value)} - seen
        program.stored[name] = tuple(found.values())
    return program.stored[name]


def _code_of(program: Program, names: list[Spoken]) -> Code:
    seen: set[Spoken] = set()
    functions: list[Function] = []
    makers: list[Function] = []
    todo = names
    while todo:
        each = todo.pop()
        if each not in seen:
            seen.add(each)
            if each not in program.spoken:
                program.spoken[each] = _said_of(program, *each)
            code, spoken = program.spoken[each]
            functions += code.functions
            makers += code.makers
            todo += spoken - seen
    classes = frozenset(each for each, _ in seen if each in program.classes)
    return Code(classes, tuple(functions), tuple(makers))


def _said_of(program: Program, name: str, answer: bool) -> tuple[Code, set[Spoken]]:
    """What the text of one name has, and the names that it speaks of."""
    found: list[Function] = []
    names: set[Spoken] = set()
    functions = program.functions.get(name, ())
    for function in functions:
        wrapping = [d for d in getattr(function, "decorator_list", ()) if not _hands_back(program, d)]
        names |= {use for d in wrapping for use in _uses(d)}
        names |= {(d.id, True) for d in wrapping if isinstance(d, ast.Name)}
        names |= {(each, False) for each in set(loads(function)) & program.classes.keys()}  # it may make one of them
        found += inner_functions(function)
        if answer:
            names |= {(each, made) for each, made in _uses(function) if each in program.functions}
    for node in program.classes.get(name, ()):  # so may its methods, and those of its bases
        answers = [part.value for part in walk(node) if isinstance(part, ast.Return) and part.value]
        names |= {(n, False) for part in (*answers, *node.bases) for n in loads(part) if n in program.classes}
    for value in program.values.get(name, ()):
        found += [part for part in walk(value) if isinstance(part, ast.Lambda)]
        names |= set(_uses(value))
    own = functions if not answer else ()
    return Code(functions=(*own, *found), makers=tuple(functions) if answer else ()), names


def _uses(node: ast.AST) -> Iterator[Spoken]:
    """The names that code reads; of those that it calls, what they give is meant."""
    called = {id(part.func) for part in walk(node) if isinstance(part, ast.Call)}
    for part in walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            yield part.id, id(part) in called


def _hands_back(program: Program, decorator: ast.expr) -> bool:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    functions = program.functions.get(target.id, ()) if isinstance(target, ast.Name) else ()
    return bool(functions) and all(hands_back(each, made=target is not decorator) for each in functions)
