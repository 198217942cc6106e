"""The comments of a statement, apart from what runs."""

from __future__ import annotations

import ast
import contextlib
import io
import tokenize
from collections.abc import Iterator

from rp_notebook.export.secret_texts import secrets_in_comment
from rp_notebook.export.statements import Statement
from rp_notebook.export.trees import children, walk
from rp_notebook.jobs.masking import MASK


def without_named_secrets(statement: Statement) -> str:
    """The statement's text without the values that its comments give to names of secrets."""
    lines = statement.text.split("\n")
    for row, column, comment in _comments(statement):
        masked = comment
        for secret in secrets_in_comment(comment):
            masked = masked.replace(secret, MASK)
        lines[row] = lines[row][:column] + masked + lines[row][column + len(comment) :]
    return "\n".join(lines)


def running_texts(node: ast.stmt) -> list[object]:
    """The constants of a statement that are not there to be read only."""
    documented = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    notes = {id(p.body[0]) for p in walk(node) if isinstance(p, documented) and ast.get_docstring(p)}
    return [*_running(node, notes)]


def _running(node: ast.AST, notes: set[int]) -> Iterator[object]:
    if isinstance(node, ast.Constant):
        yield node.value
    for child in children(node):
        if id(child) not in notes:
            yield from _running(child, notes)


def _comments(statement: Statement) -> Iterator[tuple[int, int, str]]:
    """Row and column, from 0, and text of each comment."""
    head = f"if 1:\n{statement.indent}" if statement.guarded else ""
    rows = head.count("\n")
    # A text that is cut out of a block may end in a way that is no whole file.
    with contextlib.suppress(tokenize.TokenError, IndentationError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(head + statement.text).readline):
            if token.type == tokenize.COMMENT:
                row = token.start[0] - 1 - rows
                yield row, token.start[1] - (len(statement.indent) if row == 0 else 0), token.string
