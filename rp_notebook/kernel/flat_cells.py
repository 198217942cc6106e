"""Makes the function of a flat handler cell out of the cell that has just run."""

from __future__ import annotations

import ast
import builtins
import dis
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from rp_notebook.errors import BadDeclaration
from rp_notebook.jobs.declaration import declared, handler_flags
from rp_notebook.jobs.flat import FlatFunction
from rp_notebook.jobs.flat_body import defaults_of
from rp_notebook.jobs.flat_inputs import inputs_of, is_flat, lacks_value, words_of
from rp_notebook.jobs.handler_cell import HandlerCell


@dataclass(frozen=True)
class Ran:
    """A cell that has run: its text, how it ended, and what its shell does with text.

    `to_python` takes IPython's syntax out of a cell; `compiled(source, tree)` makes code of a tree whose lines are
    those of `source`.
    """

    raw: str
    error: BaseException | None
    to_python: Callable[[str], str]
    compiled: Callable[[str, ast.Module], CodeType]

    @property
    def text(self) -> str:
        """The cell from its first line that is not empty: there IPython begins to count."""
        lines = self.raw.split("\n")
        return "\n".join(lines[next((n for n, line in enumerate(lines) if line.strip()), 0) :])

    def python(self, cell: HandlerCell) -> str:
        """The handler cell's body as Python, line for line."""
        empty = next((n for n, line in enumerate(cell.body.split("\n")) if line.strip()), 0)  # IPython takes them off
        return "\n" * empty + self.to_python(cell.body)


def given_defaults(cell: HandlerCell, namespace: dict[str, Any]) -> dict[str, Any]:
    """Gives inputs that the notebook has no value for their defaults there, so that the cell can run; returns them.

    What is wrong with the magic's line, or with a default, is said when the cell has run.
    """
    given: dict[str, Any] = {}
    try:
        inputs = inputs_of(handler_flags().parse_args(words_of(cell.flags)).inputs)
    except (BadDeclaration, ValueError):
        return given
    for each in inputs:
        if each.default is not None and each.name not in namespace:
            with suppress(Exception):  # the user's expression: the first job would raise it, and says so
                given[each.name] = eval(each.default, dict(namespace))
    namespace.update(given)
    return given


def made(flat: FlatFunction, cell: HandlerCell, ran: Ran, namespace: dict[str, Any]) -> Any:
    """The function itself. It looks its globals up in `namespace` and is not put there."""
    known = namespace.keys() | vars(builtins).keys() | {each.name for each in flat.inputs}
    for each in flat.inputs:
        for name in sorted(set().union(*map(_free_names, defaults_of([each]))) - known):
            raise BadDeclaration(
                f'-i {each.name}={each.default}: there is no variable {name}; write text as -i {each.name}="..."'
            )
    # What the inputs raise is shown at the magic's own line.
    above = [f"# {line}" for line in ran.text.split("\n")[: cell.line]]
    source = "\n".join([*above, *ran.python(cell).split("\n")[cell.line :]])
    made: dict[str, Any] = {}
    exec(ran.compiled(source, flat.tree), namespace, made)
    return made[flat.name]


def unseen(flat: FlatFunction, namespace: dict[str, Any]) -> list[str]:
    """A line for each function of the notebook that would not see what a job binds: it reads the notebook's."""
    lines: list[str] = []
    names, seen = sorted(flat.globals), set()
    for name in names:
        function = namespace.get(name)
        if name in seen or not isinstance(function, FunctionType) or function.__globals__ is not namespace:
            continue
        seen.add(name)
        read = _globals_of(function.__code__)
        names += sorted(read)  # the loop goes on with what it calls
        lines += [
            f"Each job has its own `{own}`, but {name}() reads the notebook's: give it to {name}() as an argument"
            for own in sorted(read & flat.own)
        ]
    return lines


def _globals_of(code: CodeType) -> set[str]:
    found = {str(item.argval) for item in dis.get_instructions(code) if item.opname == "LOAD_GLOBAL"}
    return found.union(*(_globals_of(part) for part in code.co_consts if isinstance(part, CodeType)))


def lacking(ran: Ran, cell: HandlerCell) -> list[str]:
    """What to say below a handler cell that failed: a flat one may have an input that the notebook has no value for.

    Raises `BadDeclaration` when it could not have been a handler anyway.
    """
    if not is_flat(cell.flags):
        return []
    try:
        flat = declared(cell.flags, ran.python(cell), line=cell.line).flat
    except SyntaxError:  # IPython has shown it
        return []
    name = ran.error.name if isinstance(ran.error, NameError) else None
    if flat is None or name not in {each.name for each in flat.inputs}:
        return []
    return [lacks_value(name)]


def _free_names(node: ast.expr) -> set[str]:
    names = [part for part in ast.walk(node) if isinstance(part, ast.Name)]
    bound = {arg.arg for arg in ast.walk(node) if isinstance(arg, ast.arg)}
    return {n.id for n in names} - {n.id for n in names if isinstance(n.ctx, ast.Store)} - bound
