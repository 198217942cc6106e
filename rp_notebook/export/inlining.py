"""`token = getpass()` followed by `Client(token)`: the worker's client reads the variable itself."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from rp_notebook.export.asking import Question
from rp_notebook.export.names import names_of
from rp_notebook.export.splicing import spliced
from rp_notebook.export.statements import Statement
from rp_notebook.export.trees import walk

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def inlined(statements: Sequence[Statement], answers: Mapping[int, Question]) -> tuple[list[Statement], dict[int, int]]:
    """The statements with a value that was typed in, and is used once, read where it is used.

    `answers` are the questions by the place of the statement that now reads a variable instead. With them comes, for
    each such statement that is no longer needed, the place of the one that reads the variable.
    """
    found = list(statements)
    readers: dict[int, int] = {}
    for name in dict.fromkeys(filter(None, (_bound(statements[place]) for place in answers))):
        texts = {statements[place].text for place in answers if _bound(statements[place]) == name}
        asking = {place for place in answers if _bound(statements[place]) == name}
        users = [n for n, s in enumerate(statements) if name in s.text and n not in asking and _speaks(s.node, name)]
        if len(texts) == 1 and len(users) == 1 and min(asking) < users[0]:
            place = users[0]
            if _plainly(found[place], name):
                loads = [n for n in walk(found[place].node) if isinstance(n, ast.Name) and n.id == name]
                value = statements[min(asking)].node
                assert isinstance(value, ast.Assign)
                found[place] = spliced(found[place], [(load, ast.unparse(value.value)) for load in loads])
                readers |= dict.fromkeys(asking, place)
    return found, readers


def _bound(statement: Statement) -> str:
    node = statement.node
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id if isinstance(node.value, ast.Subscript) else ""
    return ""


def _speaks(node: ast.stmt, name: str) -> bool:
    names = names_of(node)
    return name in names.uses | names.deferred | names.defs | names.maydefs | names.dels | names.stores


def _plainly(statement: Statement, name: str) -> bool:
    """Whether a statement only reads the name, once, and when it runs."""
    node = statement.node
    if not isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr) or statement.alias is not None:
        return False
    nested = any(isinstance(part, _SCOPES + _COMPREHENSIONS) for part in walk(node))
    spoken = [part for part in walk(node) if isinstance(part, ast.Name) and part.id == name]
    inside = any(isinstance(part, ast.JoinedStr) for part in walk(node))
    return not nested and not inside and len(spoken) == 1 and isinstance(spoken[0].ctx, ast.Load)
