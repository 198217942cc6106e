"""What a module reads from outside, by its syntax tree: keys of a job's input, and environment variables."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rp_notebook.jobs.masking import has_shape, is_secret_variable

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True)
class InputKey:
    """A key that a handler reads from `job["input"]`; `default` is source text, None where it is not given."""

    name: str
    required: bool
    default: str | None = None


@dataclass(frozen=True)
class Variable:
    """An environment variable; `default` is its text where the module gives one that is no secret.

    One without a default has to be set, but for those that are only `optional`.
    """

    name: str
    default: str | None = None
    secret: bool = field(default=False, compare=False)
    optional: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Declared:
    """What a worker needs around it, as it was said by hand: environment variables and system packages."""

    variables: tuple[Variable, ...] = ()
    apt: tuple[str, ...] = ()


def input_keys(module: str, function: str) -> tuple[InputKey, ...]:
    """The keys that the function named `function` reads, in the order of the text; () where that cannot be told.

    Understood are `job["input"]["key"]`, `job["input"].get("key", default)`, the same through a name given to the
    input, and a schema of literals handed to the SDK's `validate`.
    """
    tree = ast.parse(module)
    found = _function(tree, function)
    if found is None or not (arguments := [*found.args.posonlyargs, *found.args.args]):
        return ()
    job = arguments[0].arg
    names = _input_names(found, job)
    read = [*_schema_keys(tree, found, job, names), *_read_keys(found, job, names)]
    keys: dict[str, InputKey] = {}
    for key in read:
        keys.setdefault(key.name, key)  # a schema comes first, and knows best
    return tuple(keys.values())


def variables(module: str) -> tuple[Variable, ...]:
    """The environment variables that a module reads by a name that the text tells, sorted; without what it sets."""
    tree = ast.parse(module)
    names = _origins(tree)
    constants = _constants(tree)
    found: dict[str, Variable] = {}
    for node in ast.walk(tree):
        if variable := _variable(node, names, constants):
            before = found.get(variable.name)
            # One read that fails without it makes it required; a default that somebody gives is worth telling.
            required = not variable.optional or (before is not None and not before.optional)
            default = variable.default if variable.default is not None or before is None else before.default
            found[variable.name] = replace(variable, default=default, optional=not required)
    own = {_key(node, names, constants) for node in tree.body}
    return tuple(found[name] for name in sorted(found) if name not in own)


def joined(variables: Iterable[Variable]) -> tuple[Variable, ...]:
    """The variables by name, each once: a default that is told, and what makes it a secret or required, wins."""
    found: dict[str, Variable] = {}
    for one in variables:
        other = found.get(one.name, one)
        default = one.default if one.default is not None else other.default
        secret = one.secret or other.secret
        found[one.name] = Variable(
            one.name, None if secret else default, secret=secret, optional=one.optional and other.optional
        )
    return tuple(found[name] for name in sorted(found))


def _function(tree: ast.Module, name: str) -> _Function | None:
    for node in reversed(tree.body):  # the last definition is the one that runs
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return node
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda) and _binds(node, name):
            return node.value
    return None


def _binds(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)


def _input_names(function: _Function, job: str) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and _is_input(node.value, job, frozenset()):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value and _is_input(node.value, job, frozenset()):
            names |= {node.target.id} if isinstance(node.target, ast.Name) else set()
    return frozenset(names)


def _is_input(node: ast.expr, job: str, names: frozenset[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.NamedExpr):
        return _is_input(node.value, job, names)
    if isinstance(node, ast.BoolOp):  # job.get("input") or {}
        return _is_input(node.values[0], job, names)
    owner_key = _looked_up(node)
    return (
        owner_key is not None
        and isinstance(owner_key[0], ast.Name)
        and (owner_key[0].id, owner_key[1]) == (job, "input")
    )


def _looked_up(node: ast.AST) -> tuple[ast.expr, str, ast.Call | None] | None:
    """Owner, literal key and, for `.get`, the call of a look-up."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and _text(node.slice) is not None:
        return node.value, str(_text(node.slice)), None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
        key = _text(node.args[0])
        return None if key is None else (node.func.value, key, node)
    return None


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _read_keys(function: _Function, job: str, names: frozenset[str]) -> list[InputKey]:
    found: list[tuple[int, int, InputKey]] = []
    for node in ast.walk(function):
        looked = _looked_up(node)
        if looked is None or not _is_input(looked[0], job, names):
            continue
        owner, key, call = looked
        default = ast.unparse(call.args[1]) if call is not None and len(call.args) > 1 else None
        found.append((owner.lineno, owner.col_offset, InputKey(key, call is None, default)))
    read = [key for *_, key in sorted(found, key=lambda one: one[:2])]
    # One read that fails without the key makes it required, whatever the others do.
    required = {key.name: key for key in read if key.required}
    return [required.get(key.name, key) for key in read]


def _schema_keys(tree: ast.Module, function: _Function, job: str, names: frozenset[str]) -> Iterator[InputKey]:
    for node in ast.walk(function):
        if not (isinstance(node, ast.Call) and len(node.args) == 2 and _is_input(node.args[0], job, names)):
            continue
        schema = node.args[1]
        if isinstance(schema, ast.Name):
            schema = _assigned(tree, schema.id) or schema
        if isinstance(schema, ast.Dict):
            yield from _schema_entries(schema)


def _assigned(tree: ast.Module, name: str) -> ast.expr | None:
    values = (node.value for node in reversed(tree.body) if isinstance(node, ast.Assign) and _binds(node, name))
    return next(values, None)


def _schema_entries(schema: ast.Dict) -> Iterator[InputKey]:
    for key, rule in zip(schema.keys, schema.values, strict=True):
        name = _text(key) if key is not None else None
        if name is None or not isinstance(rule, ast.Dict):
            continue
        said: dict[Any, ast.expr] = {_text(k): v for k, v in zip(rule.keys, rule.values, strict=True) if k is not None}
        required = said.get("required")
        is_required = isinstance(required, ast.Constant) and bool(required.value)
        default = said.get("default")
        yield InputKey(name, is_required, ast.unparse(default) if default is not None else None)


def _origins(tree: ast.Module) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: alias.name for alias in node.names if alias.name == "os"}
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            names |= {alias.asname or alias.name: f"os.{alias.name}" for alias in node.names}
    return names


def _constants(tree: ast.Module) -> dict[str, str]:
    """The names that are given one text and nothing else, at the top of a module."""
    found: dict[str, list[str | None]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.setdefault(node.id, [])
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id].append(_text(node.value))
    return {name: texts[0] for name, texts in found.items() if len(texts) == 1 and texts[0] is not None}


def _said(node: ast.expr, constants: Mapping[str, str]) -> str | None:
    return constants.get(node.id) if isinstance(node, ast.Name) else _text(node)


def _variable(node: ast.AST, names: dict[str, str], constants: Mapping[str, str]) -> Variable | None:
    match node:
        case ast.Call(func=func, args=args, keywords=keywords):
            given = {k.arg: k.value for k in keywords}
            first = args[0] if args else given.get("key")
            rest = args[1] if len(args) > 1 else given.get("default")
            path = _origin(func, names)
            optional = path in ("os.getenv", "os.environ.get", "os.environ.pop")
            if first is None or not (optional or path == "os.environ.__getitem__"):
                return None
        case ast.Subscript(value=owner, slice=first, ctx=ast.Load()) if _origin(owner, names) == "os.environ":
            rest, optional = None, False
        case _:
            return None
    name = _said(first, constants)
    if name is None:
        return None
    default = _said(rest, constants) if rest is not None else None
    secret = is_secret_variable(name) or (default is not None and has_shape(default))
    return Variable(name, None if secret else default, secret=secret, optional=optional)


def _key(node: ast.stmt, names: dict[str, str], constants: Mapping[str, str]) -> str | None:
    """The variable that a statement of a module sets for certain."""
    if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Subscript):
        return _said(target.slice, constants) if _origin(target.value, names) == "os.environ" else None
    return None


def _origin(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute):
        return f"{_origin(node.value, names)}.{node.attr}"
    return ""
