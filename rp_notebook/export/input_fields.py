"""The keys of a job's input: by how a module reads them, what it says of them, and what jobs had in them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from rp_notebook.export.input_scope import Function, LookUp, Role, Scope, matched_keys
from rp_notebook.export.input_types import (
    KINDS,
    Field,
    annotated,
    class_fields,
    kind_of,
    parameter_fields,
    schema_fields,
    with_default,
)
from rp_notebook.export.trees import tree_of, walk

_VALIDATORS = ("model_validate", "parse_obj", "validate_python", "from_dict", "fromdict", "structure")
Place = tuple[int, int]


def input_fields(module: str, function: str, observed: Iterable[Mapping[str, Any]] = ()) -> tuple[Field, ...]:
    """The keys that the function named `function` reads, in the order of the text, then what jobs had besides.

    Followed are names, functions and classes of the module that the input is handed to, and schemas of literals.
    `observed` are the inputs of jobs that completed: a key that one of them lacks is not required.
    """
    seen = list(observed)
    known = _merged(_Reading(tree_of(module)).of(function))
    fields = [_observed(one, seen) for one in known]
    names = {one.name for one in known}
    more = dict.fromkeys(key for given in seen for key in given if key not in names)
    return (*fields, *(_observed(Field(name, required=False), seen) for name in more))


def _merged(reads: Iterable[tuple[Place, Field]]) -> list[Field]:
    """Each key once: where one place needs it, it is required; the first that knows kinds or a default tells them."""
    found: dict[str, Field] = {}
    for _, one in sorted(reads, key=lambda read: read[0]):
        before = found.get(one.name)
        if before is None:
            found[one.name] = one
            continue
        found[one.name] = replace(
            before,
            required=before.required or one.required,
            default=before.default or one.default,
            kinds=before.kinds or one.kinds,
            choices=before.choices or one.choices,
            rule=before.rule or one.rule,
            about=before.about or one.about,
            certain=before.certain if before.kinds else one.certain,
        )
    return [replace(one, default=None) if one.required else one for one in found.values()]


def _observed(one: Field, seen: list[Mapping[str, Any]]) -> Field:
    there = [given[one.name] for given in seen if one.name in given]
    if len(there) < len(seen):
        one = replace(one, required=False)
    kinds = dict.fromkeys(kind_of(value) for value in there)
    if not one.kinds:
        return replace(one, kinds=tuple(kinds), certain=False)
    extra = [kind for kind in kinds if kind not in one.kinds and not (kind == "integer" and "number" in one.kinds)]
    return replace(one, kinds=(*one.kinds, *extra))


class _Reading:
    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
        self._classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        self._done: set[tuple[int, tuple[tuple[str, Role], ...]]] = set()

    def of(self, name: str) -> Iterator[tuple[Place, Field]]:
        function = _function(self._tree, name)
        arguments = _parameters(function) if function is not None else []
        if function is not None and arguments:
            yield from self._within(function, {arguments[0]: "job"})

    def _within(self, function: Function, roles: Mapping[str, Role]) -> Iterator[tuple[Place, Field]]:
        key = (id(function), tuple(sorted(roles.items())))
        if key in self._done:
            return
        self._done.add(key)
        scope = Scope(function, roles)
        yield from ((_place(found.node), self._field(found, scope)) for found in scope.look_ups)
        for node in walk(function):
            if isinstance(node, ast.Match):
                for name, kind in matched_keys(node, scope):
                    kinds = (KINDS[kind],) if kind in KINDS else ()
                    yield _place(node), Field(name, required=len(node.cases) == 1, kinds=kinds)
            elif isinstance(node, ast.Call):
                yield from self._called(node, scope)
            elif isinstance(node, ast.AnnAssign) and node.value is not None and scope.role(node.value) == "input":
                yield from self._shaped(node.annotation, node)

    def _called(self, call: ast.Call, scope: Scope) -> Iterator[tuple[Place, Field]]:
        """What becomes of an input that a call is given, whole or spread over its parameters."""
        roles = [scope.role(value) for value in call.args]
        spread = any(k.arg is None and scope.role(k.value) == "input" for k in call.keywords)
        given = {k.arg: role for k in call.keywords if k.arg and (role := scope.role(k.value)) is not None}
        if not spread and not given and not any(roles):
            return
        target: ast.expr = call.func
        if isinstance(target, ast.Attribute) and target.attr in _VALIDATORS:
            target = target.value.args[0] if isinstance(target.value, ast.Call) and target.value.args else target.value
        function = self._functions.get(target.id) if isinstance(target, ast.Name) else None
        if function is not None:
            names = _parameters(function)
            if spread:
                told = {k.arg for k in call.keywords if k.arg} | set(names[: len(call.args)])
                yield from ((_place(call), one) for one in parameter_fields(function, told))
            passed = {name: role for name, role in zip(names, roles, strict=False) if role is not None} | given
            if passed:
                yield from self._within(function, passed)
        elif isinstance(target, ast.Name) and target.id in self._classes and (spread or "input" in roles):
            yield from self._shaped(target, call)
        elif len(call.args) == 2 and roles[0] == "input":
            schema = _assigned(self._tree, call.args[1])
            if isinstance(schema, ast.Dict):
                yield from ((_place(call), one) for one in schema_fields(schema))

    def _shaped(self, shape: ast.expr, node: ast.stmt | ast.expr) -> Iterator[tuple[Place, Field]]:
        named = self._classes.get(shape.id) if isinstance(shape, ast.Name) else None
        if named is not None:
            yield from ((_place(node), one) for one in class_fields(named, self._classes))

    def _field(self, found: LookUp, scope: Scope) -> Field:
        required = found.required and found.key not in scope.tested
        one = with_default(Field(found.key, required, choices=scope.choices.get(found.key, ())), found.default)
        node: ast.AST = found.node
        around = scope.parents.get(id(node))
        if isinstance(around, ast.BoolOp) and isinstance(around.op, ast.Or) and around.values[0] is node:
            one = with_default(replace(one, required=False), around.values[-1]) if not one.required else one
            node, around = around, scope.parents.get(id(around))
        match around:
            case ast.Call(func=ast.Name(id=name), args=[value, *_]) if value is node and name in KINDS:
                # It takes whatever can be converted: the kind is a hint and no rule.
                return replace(one, kinds=one.kinds or (KINDS[name],), certain=False)
            case ast.AnnAssign(annotation=annotation):
                return annotated(one, annotation)
            case ast.Call(func=ast.Name(id=name)) if name in self._functions:
                places = [place for place, value in enumerate(around.args) if value is node]
                names = _parameters(self._functions[name])
                return self._passed(one, name, names[places[0]]) if places and places[0] < len(names) else one
            case ast.keyword(arg=str() as arg) if isinstance(outer := scope.parents.get(id(around)), ast.Call):
                return self._passed(one, outer.func.id, arg) if isinstance(outer.func, ast.Name) else one
        return one

    def _passed(self, one: Field, name: str, parameter: str) -> Field:
        function = self._functions.get(name)
        every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs] if function else []
        hints = [argument.annotation for argument in every if argument.arg == parameter]
        return annotated(one, hints[0]) if hints else one


def _place(node: ast.stmt | ast.expr) -> Place:
    return node.lineno, node.col_offset


def _parameters(function: Function) -> list[str]:
    return [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]


def _function(tree: ast.Module, name: str) -> Function | None:
    for node in reversed(tree.body):  # the last definition is the one that runs
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return node
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda) and name in map(_bound, node.targets):
            return node.value
    return None


def _bound(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _assigned(tree: ast.Module, node: ast.expr) -> ast.expr:
    """What a name of the module was given last; the expression itself where it is no such name."""
    name = _bound(node)
    values = [s.value for s in tree.body if name and isinstance(s, ast.Assign) and name in map(_bound, s.targets)]
    return values[-1] if values else node
