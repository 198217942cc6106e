"""What becomes the body of a flat cell's function, and why some cells cannot be one."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from rp_notebook.errors import BadDeclaration
from rp_notebook.jobs.flat_inputs import Input
from rp_notebook.jobs.rows import Rows
from rp_notebook.jobs.scope import Flow, identifiers, own

# Line magics that run their argument as a statement of the cell; inside a function they would run it outside.
TRANSPARENT_LINES = frozenset({"time", "prun", "memit", "mprun", "lprun", "snakeviz"})
END_WITH = "end the cell with the expression that is the answer"
WRITE_DEF = "write def handler(job): ... instead of -i"
Node = TypeVar("Node", bound=ast.AST)


def without_magics(rows: Rows, tree: ast.Module) -> list[ast.stmt]:
    """The cell's statements, with what `%time` and the like run in their place."""
    return list(_MagicsReplaced(rows).visit(tree).body)


def refuse_unfit(body: Sequence[ast.stmt], inputs: Sequence[Input], source: str) -> None:
    """Raises `BadDeclaration` with the line where a cell cannot be a function of these inputs."""
    for node in (part for statement in body for part in own(statement)):
        if isinstance(node, ast.Return | ast.Yield | ast.YieldFrom):
            word = "return" if isinstance(node, ast.Return) else "yield"
            raise BadDeclaration(f"{_line(node)}: `{word}` outside a function: {END_WITH}, or {WRITE_DEF}")
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            raise BadDeclaration(f"{_line(node)}: move `from {node.module} import *` to a cell of its own")
    if not body or not isinstance(body[-1], ast.Expr):
        raise BadDeclaration(f"the cell has no answer: {END_WITH}")
    names = {each.name for each in inputs}
    for name in sorted(names & made_global(body)):
        raise BadDeclaration(f"the input {name} is declared global in the cell: a job could not give it")
    used = sorted(set().union(*map(identifiers, body)))
    for name in (name for name in sorted(names) if name not in source):
        for meant in get_close_matches(name, used, n=1, cutoff=0.75):
            raise BadDeclaration(f"-i {name}: the cell does not use {name}; did you mean {meant}?")
    own_names = Flow(body).bound - names
    for place, each in enumerate(inputs):
        later = {other.name for other in inputs[place:]} | own_names
        for name in sorted(later & _mentioned(*defaults_of([each]))):
            raise BadDeclaration(f"-i {each.name}={each.default}: {name} has no value yet where the default is needed")


def without_tryouts(rows: Rows, body: Sequence[ast.stmt], inputs: Sequence[Input]) -> list[ast.stmt]:
    """The statements without those that only give the inputs a value to try the cell with.

    That is a plain assignment to inputs that nothing has read yet. Raises `BadDeclaration` where an input is lost
    in another way before it is read.
    """
    unread = {each.name for each in inputs}
    kept: list[ast.stmt] = []
    floor = 0
    for node in body:
        targets, read = _targets(node), _read(node)
        if _is_future(node) or (_is_plain(node) and targets <= unread and not targets & read):
            rows.drop(node, floor)
        else:
            lost = sorted((targets & unread) - read)
            if lost:
                raise BadDeclaration(
                    f"{_line(node)}: the input {lost[0]} is overwritten before it is read, so that no job could give it"
                )
            unread -= _mentioned(node)
            kept.append(node)
        floor = node.end_lineno or floor
    return kept


def _is_plain(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    parts = (part for target in targets for part in ast.walk(target))
    return bool(targets) and all(isinstance(p, ast.Name | ast.Tuple | ast.List | ast.expr_context) for p in parts)


def _targets(node: ast.stmt) -> set[str]:
    """What a top-level statement binds for certain, whatever was there before."""
    targets: list[ast.expr] = []
    match node:
        case ast.Assign():
            targets = node.targets
        case ast.AnnAssign() if node.value is not None:
            targets = [node.target]
        case ast.For() | ast.AsyncFor():
            targets = [node.target]
        case ast.With() | ast.AsyncWith():
            targets = [item.optional_vars for item in node.items if item.optional_vars]
        case ast.Import() | ast.ImportFrom() | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return Flow([node]).bound
    return {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name) and _is_store(n)}


def _is_store(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _read(node: ast.stmt) -> set[str]:
    """The names that a statement reads; of a `for` or `with`, those that it reads before it binds its targets."""
    parts: list[ast.AST] = [node]
    match node:
        case ast.For() | ast.AsyncFor():
            parts = [node.iter]
        case ast.With() | ast.AsyncWith():
            parts = [item.context_expr for item in node.items]
    names = (n for part in parts for n in ast.walk(part) if isinstance(n, ast.Name))
    return {n.id for n in names if not _is_store(n)}


def _mentioned(*nodes: ast.AST) -> set[str]:
    return {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name)}


def _is_future(node: ast.stmt) -> bool:
    # It holds for the function from where it stands: at the top of the module, or in the kernel's compiler.
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def shared_names(body: Sequence[ast.stmt], inputs: Sequence[Input]) -> set[str]:
    """The names of the notebook that the function binds: read before it can have bound them, or made global inside."""
    names = {each.name for each in inputs}
    flow = Flow(body, names)
    return ((flow.early | made_global(body)) & flow.bound) - names


def refuse_shadowing(body: Sequence[ast.stmt], local: set[str]) -> None:
    """Raises `BadDeclaration` for a class body that takes a name of its function from the module instead."""
    for node in (part for statement in body for part in ast.walk(statement)):
        if isinstance(node, ast.ClassDef):
            inner = Flow(node.body)
            for name in sorted(inner.early & inner.bound & local):
                raise BadDeclaration(
                    f"{_line(node)}: the class {node.name} reads `{name}` and binds it: "
                    "inside a function it would not see the cell's; give one of them another name"
                )


def made_global(nodes: Iterable[ast.AST]) -> set[str]:
    """The names in `global` statements."""
    return {name for node in nodes for part in ast.walk(node) if isinstance(part, ast.Global) for name in part.names}


def defaults_of(inputs: Iterable[Input]) -> list[ast.expr]:
    """The defaults of inputs, parsed."""
    return [ast.parse(each.default, mode="eval").body for each in inputs if each.default is not None]


class _MagicsReplaced(ast.NodeTransformer):
    """Puts the argument of `%time` and the like in the place of the call that IPython makes of the line."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def visit_Expr(self, node: ast.Expr) -> Any:
        argument = _argument(node.value)
        if argument is None:
            return self.generic_visit(node)
        self._rows.replace(node, argument)
        return _moved(_parsed(argument, node).body, node)

    def visit_Call(self, node: ast.Call) -> Any:
        argument = _argument(node)
        if argument is None:
            return self.generic_visit(node)
        self._rows.replace(node, f"({argument})")
        return _moved([_value(_parsed(argument, node), node)], node)[0]


def _argument(node: ast.expr) -> str | None:
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")), attr="run_line_magic"),
            args=[ast.Constant(value=str() as magic), ast.Constant(value=str() as argument)],
        ) if magic in TRANSPARENT_LINES:
            return argument.strip()
    return None


def _parsed(argument: str, node: ast.AST) -> ast.Module:
    try:
        return ast.parse(argument)
    except SyntaxError:
        raise BadDeclaration(f"{_line(node)}: {argument!r} is no plain statement: write it without the magic") from None


def _value(tree: ast.Module, node: ast.AST) -> ast.expr:
    match tree.body:
        case [ast.Expr(value=value)]:
            return value
    raise BadDeclaration(f"{_line(node)}: what the magic runs has no value")


def _moved(nodes: Sequence[Node], place: ast.AST) -> list[Node]:
    for node in nodes:
        for part in ast.walk(node):
            ast.copy_location(part, place)
    return list(nodes)


def _line(node: ast.AST) -> str:
    return f"line {getattr(node, 'lineno', 0)}"
