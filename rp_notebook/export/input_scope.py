"""One function as far as a job's input goes: which names stand for it, and where it is looked into."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rp_notebook.export.trees import children, walk

Role = Literal["job", "input"]
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True)
class LookUp:
    """`input[key]`, `input.get(key, default)` or `input.pop(key, default)`, at `node`."""

    node: ast.expr
    key: str
    required: bool
    default: ast.expr | None = None


class Scope:
    """The names of a function that stand for the job or for its input, found to the end."""

    def __init__(self, function: Function, roles: Mapping[str, Role]) -> None:
        self.parents = {id(child): node for node in walk(function) for child in children(node)}
        self._roles = dict(roles)
        nodes = [*walk(function)]
        for _ in range(3):  # a name for a name for the input; nobody goes further
            for target, value in (pair for node in nodes for pair in _bindings(node)):
                if (role := self.role(value)) is not None:
                    self._roles.setdefault(target, role)
        self.look_ups = [found for node in nodes if (found := self._look_up(node)) is not None]
        self.tested = {key for node in nodes for key in self._tested(node)}
        named = {
            target: found.key for node in nodes for target, value in _bindings(node) for found in self._behind(value)
        }
        self.choices = {named[name]: values for node in nodes for name, values in _refused(node) if name in named}

    def role(self, node: ast.expr) -> Role | None:
        """Whether an expression is the job or its input."""
        match node:
            case ast.Name(id=name):
                return self._roles.get(name)
            case ast.NamedExpr(value=value) | ast.Starred(value=value):
                return self.role(value)
            case ast.BoolOp(values=[first, *_]):  # job.get("input") or {}
                return self.role(first)
            case (
                ast.Call(func=ast.Name(id="dict"), args=[value])
                | ast.Call(func=ast.Attribute(value=value, attr="copy"))
            ):
                return self.role(value)
        opened = _opened(node)
        return "input" if opened and opened.key == "input" and self.role(_owner(opened.node)) == "job" else None

    def _look_up(self, node: ast.AST) -> LookUp | None:
        opened = _opened(node)
        return opened if opened is not None and self.role(_owner(opened.node)) == "input" else None

    def _behind(self, value: ast.expr) -> Iterator[LookUp]:
        inner = value.args[0] if isinstance(value, ast.Call) and len(value.args) == 1 else value
        for node in (value, inner):
            if (found := self._look_up(node)) is not None:
                yield found
                return

    def _tested(self, node: ast.AST) -> Iterator[str]:
        """Keys whose presence is asked for: `if "seed" in job_input`."""
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            key = node.left
            if (
                isinstance(key, ast.Constant)
                and isinstance(key.value, str)
                and self.role(node.comparators[0]) == "input"
            ):
                # Refusing without it, as `if "prompt" not in job_input: return ...` does, makes it required.
                around = self.parents.get(id(node))
                refuses = isinstance(around, ast.If) and isinstance(node.ops[0], ast.NotIn) and _ends(around.body)
                if not refuses:
                    yield key.value


def matched_keys(node: ast.Match, scope: Scope) -> Iterator[tuple[str, str]]:
    """Key and class name of the patterns of `match job["input"]: case {"prompt": str() as prompt}`."""
    if scope.role(node.subject) != "input":
        return
    for case in node.cases:
        if isinstance(case.pattern, ast.MatchMapping):
            for key, pattern in zip(case.pattern.keys, case.pattern.patterns, strict=True):
                inner = pattern.pattern if isinstance(pattern, ast.MatchAs) else pattern
                named = inner.cls.id if isinstance(inner, ast.MatchClass) and isinstance(inner.cls, ast.Name) else ""
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, named


def _bindings(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign):
        yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value and isinstance(node.target, ast.Name):
        yield node.target.id, node.value


def _opened(node: ast.AST) -> LookUp | None:
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        return LookUp(node, key, required=True) if isinstance(key, str) else None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop"):
        key = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
        default = node.args[1] if len(node.args) > 1 else None
        required = node.func.attr == "pop" and default is None
        return LookUp(node, key, required, default) if isinstance(key, str) else None
    return None


def _owner(node: ast.expr) -> ast.expr:
    inner = node.func if isinstance(node, ast.Call) else node
    return inner.value if isinstance(inner, ast.Subscript | ast.Attribute) else inner


def _refused(node: ast.AST) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """`if mode not in ("a", "b"): raise ...` leaves a name only these values."""
    if not isinstance(node, ast.If) or not _ends(node.body) or not isinstance(node.test, ast.Compare):
        return
    test = node.test
    if isinstance(test.left, ast.Name) and len(test.ops) == 1 and isinstance(test.ops[0], ast.NotIn):
        try:
            values = tuple(ast.literal_eval(test.comparators[0]))
        except (ValueError, TypeError, SyntaxError):
            return
        yield (
            test.left.id,
            values if isinstance(test.comparators[0], ast.Tuple | ast.List) else tuple(sorted(values, key=str)),
        )


def _ends(body: list[ast.stmt]) -> bool:
    return isinstance(body[-1], ast.Raise | ast.Return) or (
        isinstance(body[-1], ast.Expr) and isinstance(body[-1].value, ast.Yield)
    )
