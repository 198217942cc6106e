"""The environment variables that a module reads, by its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from rp_notebook.export.trees import immediate, tree_of, walk
from rp_notebook.jobs.masking import has_shape, is_secret_variable


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


def variables(module: str) -> tuple[Variable, ...]:
    """The environment variables that a module reads by a name that the text tells, sorted; without what it sets."""
    tree = tree_of(module)
    names = _origins(tree)
    constants = _constants(tree)
    found: dict[str, Variable] = {}
    for node in walk(tree):
        if variable := _variable(node, names, constants):
            before = found.get(variable.name)
            # One read that fails without it makes it required; a default that somebody gives is worth telling.
            required = not variable.optional or (before is not None and not before.optional)
            default = variable.default if variable.default is not None or before is None else before.default
            found[variable.name] = replace(variable, default=default, optional=not required)
    own = _set_first(tree, names, constants)
    return tuple(found[name] for name in sorted(found) if name not in own)


def _set_first(tree: ast.Module, names: dict[str, str], constants: Mapping[str, str]) -> set[str]:
    """The variables that a module sets before it reads them."""
    own: set[str] = set()
    read: set[str] = set()
    for node in tree.body:
        read |= {one.name for part in immediate(node) if (one := _variable(part, names, constants))}
        key = _key(node, names, constants)
        if key is not None and key not in read:
            own.add(key)
    return own


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


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _origins(tree: ast.Module) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: alias.name for alias in node.names if alias.name == "os"}
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            names |= {alias.asname or alias.name: f"os.{alias.name}" for alias in node.names}
    return names


def _constants(tree: ast.Module) -> dict[str, str]:
    """The names that are given one text and nothing else, at the top of a module."""
    found: dict[str, list[str | None]] = {}
    for node in walk(tree):
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
