"""`_`, `_3` and `Out[3]`: what a cell displayed gets a name where it ran, and is used by it."""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterator
from dataclasses import replace

from rp_notebook.export.cutting import edited, parsed_text
from rp_notebook.export.statements import History, Statement
from rp_notebook.export.tables import SHALLOW_MUTATORS
from rp_notebook.export.trees import walk
from rp_notebook.jobs.finding import Finding

_SPEAKS = re.compile(r"\b(?:_{1,3}|_\d+|Out)\b")
LAST = ("_", "__", "___")
# Calls of these show or change something and answer None.
ANSWERS_NONE = frozenset({"print", "display", "show"}) | (
    SHALLOW_MUTATORS - {"pop", "popitem", "popleft", "setdefault"}
)


def without_history(history: History, out: Container[int] | None = None) -> tuple[History, tuple[Finding, ...]]:
    """The history with a name for each answer that a later cell takes from IPython, and a note for each.

    `out` are the cells that displayed something, where a kernel knows them.
    """
    speaking = {s.node for s in history.statements if _SPEAKS.search(s.text)}
    if not speaking:
        return history, ()
    own = {name for node in speaking for name in _bound(node)}
    shown: list[Statement] = []
    statements = list(history.statements)
    wanted: set[int] = set()
    findings: list[Finding] = []
    for place, statement in enumerate(history.statements):
        edits = [
            (node, f"_out{source.cell.number}")
            for node, number in (_taken(statement.node, own) if statement.node in speaking else ())
            for source in [_source(shown, number, statement)]
            if source is not None
        ]
        if edits:
            wanted |= {int(name[4:]) for _, name in edits}
            statements[place] = _changed(statement, edited(statement.text, edits, len(statement.indent)))
            message = f"it uses what IPython kept of cell {edits[0][1][4:]}; that gets the name {edits[0][1]}"
            findings.append(Finding("RPS114", "note", message, "", statement.cell.number, statement.line))
        if statement.shown and isinstance(statement.node, ast.Expr) and _answers(statement, statement.node.value, out):
            shown.append(statement)
    for source in shown:
        if source.cell.number in wanted:
            value = source.node
            assert isinstance(value, ast.Expr)
            original = statements[source.position]
            head = edited(original.text, [(original.node, "\0")], len(original.indent)).split("\0")
            body = original.text[len(head[0]) :]
            statements[source.position] = _changed(original, f"{head[0]}_out{source.cell.number} = {body}")
    return replace(history, statements=tuple(statements)), tuple(findings)


def _bound(node: ast.AST) -> Iterator[str]:
    for part in walk(node):
        if isinstance(part, ast.Name):
            if isinstance(part.ctx, ast.Store):
                yield part.id
        elif isinstance(part, ast.arg):
            yield part.arg
        elif isinstance(part, ast.FunctionDef | ast.ClassDef):
            yield part.name


def _answers(statement: Statement, value: ast.expr, out: Container[int] | None) -> bool:
    """Whether IPython keeps the value: it does not keep None, which shows nothing."""
    if out is not None:
        return statement.cell.number in out
    name = value.func if isinstance(value, ast.Call) else value
    leaf = name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")
    return not isinstance(value, ast.Call) or leaf not in ANSWERS_NONE


def _changed(statement: Statement, text: str) -> Statement:
    return replace(statement, text=text, node=parsed_text(text, statement.indent if statement.guarded else None))


def _taken(node: ast.AST, own: set[str]) -> Iterator[tuple[ast.expr, int]]:
    """Uses of IPython's answers: the node, and the cell's number, or how many answers ago as a negative one."""
    for part in walk(node):
        match part:
            case ast.Name(id=name) if name in LAST and name not in own:
                yield part, -len(name)
            case ast.Name(id=name) if name.startswith("_") and name[1:].isdigit() and name not in own:
                yield part, int(name[1:])
            case ast.Subscript(value=ast.Name(id="Out"), slice=ast.Constant(value=int() as number)) if "Out" not in own:
                yield part, number
            case ast.Subscript(value=ast.Name(id="Out"), slice=ast.UnaryOp(op=ast.USub())):
                continue


def _source(shown: list[Statement], number: int, user: Statement) -> Statement | None:
    earlier = [s for s in shown if s.cell is not user.cell]
    if number < 0:
        return earlier[number] if len(earlier) >= -number else None
    return next((s for s in reversed(earlier) if s.cell.number == number), None)
