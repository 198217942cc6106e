"""What a module reads from outside, by its syntax tree: keys of a job's input, and environment variables."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rp_notebook.jobs.masking import secrets_in

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

# Wider than for a job's input: a variable is only named here, so a name too many costs nothing.
_SECRET_WORDS = ("TOKEN", "SECRET", "PASSW", "KEY", "CREDENTIAL", "AUTH", "PRIVATE")


@dataclass(frozen=True)
class InputKey:
    """A key that a handler reads from `job["input"]`; `default` is source text, None where it is not given."""

    name: str
    required: bool
    default: str | None = None


@dataclass(frozen=True)
class Variable:
    """An environment variable; `default` is its text where the module gives one that is no secret."""

    name: str
    default: str | None = None


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
    """The environment variables that a module reads by a literal name, sorted; what it only sets is left out."""
    tree = ast.parse(module)
    names = _origins(tree)
    found: dict[str, Variable] = {}
    for node in ast.walk(tree):
        if (variable := _variable(node, names)) and (variable.name not in found or variable.default is not None):
            found[variable.name] = variable
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


def _variable(node: ast.AST, names: dict[str, str]) -> Variable | None:
    if isinstance(node, ast.Call) and _origin(node.func, names) == "os.getenv" and node.args:
        name, rest = _text(node.args[0]), node.args[1:]
    elif (looked := _looked_up(node)) and _origin(looked[0], names) == "os.environ":
        name, rest = looked[1], looked[2].args[1:] if looked[2] else []
    else:
        return None
    if name is None:
        return None
    default = _text(rest[0]) if rest else None
    secret = any(word in name.upper() for word in _SECRET_WORDS) or any(secrets_in(default))
    return Variable(name, None if secret else default)


def _origin(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute):
        return f"{_origin(node.value, names)}.{node.attr}"
    return ""
