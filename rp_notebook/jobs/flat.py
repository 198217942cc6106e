"""A flat handler cell as the function that it stands for: inputs first, the cell's own text, the last value returned.

The text is the cell's, byte for byte but for the indentation, and the tree is the cell's, line for line: what a kernel
runs and what an export writes are one function, and an error points at the cell. What the cell assigns is the
function's own, with two exceptions:

- An input that is assigned before the cell reads it is assigned to try the cell: that statement is left out.
- A name that the cell reads before it can have bound it, and binds (`counter = counter + 1`), is the notebook's: a
  local variable would never have a value there. So is one that an inner function declares `global`.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, count

from rp_notebook.errors import BadDeclaration
from rp_notebook.jobs.flat_body import (
    WRITE_DEF,
    defaults_of,
    refuse_shadowing,
    refuse_unfit,
    shared_names,
    without_magics,
    without_tryouts,
)
from rp_notebook.jobs.flat_inputs import Input
from rp_notebook.jobs.rows import Rows
from rp_notebook.jobs.scope import Flow, identifiers, own

INDENT = "    "


@dataclass(frozen=True)
class FlatFunction:
    """The function of a flat cell.

    `text` is its source, `lines` the line in the cell, from 1, of each line of it; `tree` defines it under `name`, with
    the cell's line numbers. `shared` are the names of the notebook that it rebinds.
    """

    name: str
    text: str
    lines: tuple[int, ...]
    tree: ast.Module
    inputs: tuple[Input, ...]
    shared: frozenset[str]

    @property
    def globals(self) -> frozenset[str]:
        """Names that it looks up in the notebook, or binds there."""
        return frozenset(set().union(*map(identifiers, self._body)) - self.own)

    @property
    def own(self) -> frozenset[str]:
        """Names that it binds anew for each job; no other function sees them."""
        return frozenset(Flow(self._body).bound - self.shared)

    @property
    def _body(self) -> list[ast.stmt]:
        body: list[ast.stmt] = getattr(self.tree.body[0], "body", [])
        return body


def flat_function(name: str, inputs: Sequence[Input], source: str, line: int = 1) -> FlatFunction:
    """The function that a flat cell stands for, called `name`.

    `source` is the cell as Python with the magic's own lines empty, `line` the magic's line. Raises `BadDeclaration`
    when the cell cannot be one, and the `SyntaxError` of a cell that does not parse.
    """
    rows = Rows(source)
    body = without_magics(rows, ast.parse(source))
    refuse_unfit(body, inputs, source)
    body = without_tryouts(rows, body, inputs)
    answer = body[-1]
    assert isinstance(answer, ast.Expr)  # anything else is unfit
    rows.put_before(answer, "return ")
    rows.end_at(answer)
    shared = shared_names(body, inputs)
    refuse_shadowing(body, Flow(body, {each.name for each in inputs}).bound - shared)
    defaults = defaults_of(inputs)
    declared = {name for node in body for part in own(node) if isinstance(part, ast.Global) for name in part.names}
    taken = {name, *(each.name for each in inputs)}.union(*(identifiers(node) for node in [*body, *defaults]))
    parameter, head = _head(inputs, shared - declared, taken)
    first = f"{'async ' * _awaits([*body, *defaults])}def {name}({parameter}):"
    rest, numbers = rows.text()
    text = "\n".join([first, *(INDENT + each for each in head), *indented(rest)])
    tree = _placed(text, [*body[:-1], ast.copy_location(ast.Return(answer.value), answer)], line)
    lines = (*(line for _ in [first, *head]), *numbers)
    return FlatFunction(name, text, lines, tree, tuple(inputs), frozenset(shared))


def indented(text: str) -> list[str]:
    """The lines of some code one level deeper; lines inside a string stay as they are."""
    inside: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text + "\n").readline):
        if token.type == tokenize.STRING or tokenize.tok_name[token.type].startswith("FSTRING"):
            inside |= set(range(token.start[0] + 1, token.end[0] + 1))
    lines = enumerate(text.split("\n"), start=1)
    return [line if number in inside or not line else f"{INDENT}{line}" for number, line in lines]


def _head(inputs: Sequence[Input], shared: Iterable[str], taken: set[str]) -> tuple[str, list[str]]:
    """The parameter, and the lines that give the inputs their values; no name of the cell is in their way."""
    job = _free("job", taken)
    given = _free("job_input", taken)
    lines = [f"global {', '.join(sorted(shared))}"] if shared else []
    lines.append(f'{given} = {job}["input"]')
    for each in inputs:
        if each.default is not None:
            lines.append(f'{each.name} = {given}.get("{each.name}", {each.default})')
            continue
        lines += [
            f'if "{each.name}" not in {given}:',
            f'{INDENT}raise ValueError("missing input: {each.name}")',
            f'{each.name} = {given}["{each.name}"]',
        ]
    return job, lines


def _free(name: str, taken: set[str]) -> str:
    return next(each for each in chain([name], (f"{name}_{n}" for n in count(2))) if each not in taken)


def _awaits(nodes: Iterable[ast.AST]) -> bool:
    return any(
        isinstance(part, ast.Await | ast.AsyncFor | ast.AsyncWith) or bool(getattr(part, "is_async", 0))
        for node in nodes
        for part in own(node)
    )


def _placed(text: str, body: Sequence[ast.stmt], line: int) -> ast.Module:
    """The function of `text` with the cell's own nodes in its body, so that it has the cell's positions.

    Raises `BadDeclaration` when it would not be the function of `text`.
    """
    try:
        tree = ast.parse(text)
        written = ast.dump(tree)
        function = tree.body[0]
        assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(tree):
            if hasattr(node, "lineno"):
                node.lineno, node.end_lineno, node.col_offset, node.end_col_offset = line, line, 0, 0  # type: ignore[attr-defined] # a node with a place
        function.body[len(function.body) - len(body) :] = body
        if ast.dump(tree) != written:
            raise BadDeclaration(f"the cell cannot be written as a function: {WRITE_DEF}")
        compile(tree, "<cell>", "exec", dont_inherit=True)
    except SyntaxError as error:
        raise BadDeclaration(f"line {error.lineno}: {error.msg}, as a function: {WRITE_DEF}") from None
    return tree
