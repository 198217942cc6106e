"""What only shows something in a notebook, inside code that a worker needs: it is left out, or written another way."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from rp_notebook.export.cutting import COMPOUND, DEFINITION
from rp_notebook.export.givings import spelled_path
from rp_notebook.export.narrowing import spelled
from rp_notebook.export.splicing import Edit, spliced, without_lines
from rp_notebook.export.statements import Statement
from rp_notebook.export.trees import walk
from rp_notebook.jobs.finding import Finding

_SHOWING = frozenset({"display", "clear_output", "display_html", "display_markdown", "display_png", "update_display"})
# The bars that only a notebook draws, and what draws there and elsewhere.
_BARS = {"tqdm_notebook": "tqdm", "tnrange": "trange"}


def without_showing(
    statement: Statement, imports: Mapping[str, str], own: frozenset[str]
) -> tuple[Statement, list[Finding]]:
    """The statement without calls of `display` inside it, and with progress bars that any terminal can draw."""
    findings: list[Finding] = []
    if ("display" in statement.text or "clear_output" in statement.text) and isinstance(
        statement.node, COMPOUND + DEFINITION
    ):
        shown = [part for part in walk(statement.node) if _shows(part, imports, own)]
        calls = [part for part in shown if isinstance(part, ast.stmt)]
        for call in calls:
            line = statement.numbers[call.lineno - 1]
            message = f"`{ast.unparse(call)}` shows something in a notebook; it is left out"
            findings.append(Finding("RPS110", "warning", message, "return or log it", statement.cell.number, line))
        statement = without_lines(statement, calls) if calls else statement
    edits = [edit for part in walk(statement.node) for edit in _bar(part)] if "tqdm" in statement.text else []
    for node, new in edits:
        line = statement.numbers[node.lineno - 1]
        message = f"the bars of `{ast.unparse(node)}` need a notebook; it becomes `{new}`"
        findings.append(Finding("RPS110", "warning", message, "write it so", statement.cell.number, line))
    return (spliced(statement, edits) if edits else statement), findings


def _shows(part: ast.AST, imports: Mapping[str, str], own: frozenset[str]) -> bool:
    if not isinstance(part, ast.Expr) or not isinstance(part.value, ast.Call):
        return False
    path = spelled_path(part.value.func, imports)
    if path == "display":
        return "display" not in own
    return path.startswith("IPython.") and path.rsplit(".", 1)[-1] in _SHOWING


def _bar(part: ast.AST) -> list[Edit]:
    if not isinstance(part, ast.ImportFrom) or part.level:
        return []
    if part.module in ("tqdm.notebook", "tqdm.autonotebook"):
        return [(part, spelled(ast.ImportFrom("tqdm.auto", part.names, 0), part.names))]
    if part.module == "tqdm" and all(alias.name in _BARS for alias in part.names):
        names = [ast.alias(_BARS[alias.name], alias.asname or alias.name) for alias in part.names]
        return [(part, spelled(ast.ImportFrom("tqdm.auto", names, 0), names))]
    return []
