"""IPython's commands in a cell: which are transparent, which define nothing, and what they were told."""

from __future__ import annotations

import ast

from rp_notebook.export.tables import HARMLESS_CELLS, HARMLESS_LINES, TRANSPARENT_CELLS

SHELL = ("system", "getoutput")


def peeled(text: str) -> tuple[str | None, str]:
    """`(None, body)` of a cell whose magics run their body as an ordinary cell; else the magic's name and the text.

    The body keeps its line numbers. The body of a magic that defines no Python name is empty.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        if not line.lstrip().startswith("%%"):
            break
        name = line.lstrip()[2:].split(maxsplit=1)[0] if line.strip() != "%%" else ""
        if name in TRANSPARENT_CELLS:
            lines[number] = ""
            continue
        return (None, "") if name in HARMLESS_CELLS else (name, text)
    return None, "\n".join(lines)


def magic_of(node: ast.stmt) -> tuple[str, str] | None:
    """Name and argument of the magic or shell line that a statement is; a shell line's name is `!`."""
    return command_in(node.value) if isinstance(node, ast.Expr) else None


def command_in(node: ast.expr) -> tuple[str, str] | None:
    """Name and argument of the command that an expression, as IPython's transformer writes it, runs."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    owner = node.func.value
    if not (isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "get_ipython"):
        return None
    texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    if node.func.attr in SHELL and texts:
        return "!", texts[0]
    if node.func.attr in ("run_line_magic", "run_cell_magic") and texts:
        return texts[0], texts[1] if len(texts) > 1 else ""
    return None


def is_harmless(name: str) -> bool:
    """Whether a line magic or shell line defines no Python name."""
    return name == "!" or name in HARMLESS_LINES
