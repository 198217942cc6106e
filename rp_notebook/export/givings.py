"""What each value in a statement is given to: a name, a keyword of a call, a key of a dict, an environment variable."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rp_notebook.export.trees import walk
from rp_notebook.jobs.masking import is_secret_name

ENVIRONMENT = "os.environ"
# Calls whose answer is what they are given.
_PASSING = frozenset({"SecretStr", "Secret", "str", "strip", "encode", "lower", "upper", "decode", "bytes", "quote"})
# Calls that take a name and a value for it.
_NAMED = frozenset({"setattr", "setdefault", "putenv", "getenv", "get", "setenv", "set", "add_argument", "header"})


@dataclass(frozen=True)
class Giving:
    """To what a value is given: `name` in `callee` (both may be empty), in a statement that binds `target`."""

    name: str = ""
    callee: str = ""
    target: str = ""
    sets: bool = False  # an environment variable


def imports_of(nodes: Iterator[ast.AST]) -> dict[str, str]:
    """What the names that these statements import stand for, dotted."""
    names: dict[str, str] = {}
    for node in nodes:
        for part in walk(node):
            if isinstance(part, ast.Import):
                names |= {
                    (a.asname or a.name.split(".")[0]): a.name if a.asname else a.name.split(".")[0] for a in part.names
                }
            elif isinstance(part, ast.ImportFrom) and not part.level:
                names |= {a.asname or a.name: f"{part.module}.{a.name}" for a in part.names}
    return names


def spelled_path(node: ast.expr, imports: Mapping[str, str]) -> str:
    """The dotted path of a function as it is imported; of one that no cell imports, as it is written."""
    match node:
        case ast.Name(id=name):
            return imports.get(name, name)
        case ast.Attribute(value=owner, attr=name):
            before = spelled_path(owner, imports)
            return f"{before}.{name}" if before else name
        case ast.Call(func=func):
            return spelled_path(func, imports)
    return ""


def givings(node: ast.stmt, imports: Mapping[str, str]) -> dict[int, Giving]:
    """By the id of each value's node, what it is given to."""
    target = _target(node)
    found: dict[int, Giving] = {}
    for part in walk(node):
        for value, giving in _given(part, imports):
            _pass_on(value, Giving(giving.name, giving.callee, target, giving.sets), found)
    return found


def _target(node: ast.stmt) -> str:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return targets[0].id if targets and isinstance(targets[0], ast.Name) else ""


def _given(part: ast.AST, imports: Mapping[str, str]) -> Iterator[tuple[ast.expr, Giving]]:
    match part:
        case ast.Call():
            yield from _to_call(part, imports)
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _to_target(target, value, imports)
        case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
            yield from _to_target(target, value, imports)
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if key is not None and (name := _text(key)):
                    yield value, Giving(name)
        case ast.Tuple(elts=[ast.Constant(value=str() as name), value]) if is_secret_name(name):
            yield value, Giving(name)
        case ast.Compare(left=ast.Name(id=name), comparators=[value]):
            yield value, Giving(name)
        case ast.arguments():
            plain = [*part.posonlyargs, *part.args]
            pairs = [*zip(plain[len(plain) - len(part.defaults) :], part.defaults, strict=True)]
            pairs += [(a, d) for a, d in zip(part.kwonlyargs, part.kw_defaults, strict=True) if d is not None]
            yield from ((default, Giving(argument.arg)) for argument, default in pairs)


def _to_call(call: ast.Call, imports: Mapping[str, str]) -> Iterator[tuple[ast.expr, Giving]]:
    path = spelled_path(call.func, imports)
    leaf = path.rsplit(".", 1)[-1]
    first = _text(call.args[0]) if call.args else ""
    for keyword in call.keywords:
        name = first.lstrip("-").replace("-", "_") if keyword.arg == "default" and first else keyword.arg or ""
        yield keyword.value, Giving("api_key" if name == "key" and leaf == "login" else name, path)
    if leaf in _NAMED and len(call.args) > 1:
        name = (_text(call.args[1]) if leaf == "setattr" else first) or ""
        owner = "" if leaf != "setattr" else spelled_path(call.args[0], imports)
        sets = path in (f"{ENVIRONMENT}.setdefault", "os.putenv")
        yield call.args[-1], Giving(name, owner, sets=sets)
    elif call.args and (leaf == "login" or (leaf.startswith("set_") and is_secret_name(leaf))):
        yield call.args[0], Giving("token" if leaf == "login" else leaf.removeprefix("set_"), path)


def _to_target(target: ast.expr, value: ast.expr, imports: Mapping[str, str]) -> Iterator[tuple[ast.expr, Giving]]:
    match target:
        case ast.Name(id=name):
            yield value, Giving(name)
        case ast.Attribute(value=owner, attr=name):
            yield value, Giving(name, spelled_path(owner, imports))
        case ast.Subscript(value=owner, slice=ast.Constant(value=str() as name)):
            yield value, Giving(name, sets=spelled_path(owner, imports) == ENVIRONMENT)
        case ast.Tuple(elts=targets) | ast.List(elts=targets):
            if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(targets):
                for one, other in zip(targets, value.elts, strict=True):
                    yield from _to_target(one, other, imports)


def _pass_on(value: ast.expr, giving: Giving, found: dict[int, Giving]) -> None:
    found.setdefault(id(value), giving)
    parts: list[ast.expr] = []
    match value:
        case ast.BoolOp(values=values):
            parts = values
        case ast.IfExp(body=left, orelse=right) | ast.BinOp(left=left, op=ast.Add(), right=right):
            parts = [left, right]
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            parts = elements
        case ast.Call(func=ast.Attribute(value=owner, attr=name)) if name in _PASSING:
            parts = [owner, *value.args[:1]]
        case ast.Call(func=ast.Name(id=name)) if name in _PASSING:
            parts = value.args[:1]
        case ast.Await(value=inner):
            parts = [inner]
    for part in parts:
        _pass_on(part, giving, found)


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
