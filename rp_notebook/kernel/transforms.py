"""Rewrites our magics in a cell's text so that it stays an ordinary cell: line numbers, `!`, await and all."""

from __future__ import annotations

import ast
from typing import TypeGuard

from rp_notebook.jobs.handler_cell import HANDLER_MAGIC

JOB_MAGIC = "%%runpod"
LINE_MAGICS = ("%runpod", JOB_MAGIC)
AWAITED_COMMANDS = ("job", "check", "replay", "rehearse")
# What `%runpod ...` has become once IPython's own transformers have run.
LINE_MAGIC = "get_ipython().run_line_magic('runpod', "
SHOWN = "get_ipython().magics_manager.registry['RunpodMagics'].shown("
AWAITED = "await get_ipython().magics_manager.registry['RunpodMagics'].awaited("


def handler_lines(lines: list[str]) -> list[str]:
    """Makes the line `%%runpod_handler ...` a comment: the rest of the cell is then what it says it is.

    `%%runpod job` is made the one awaited call that it stands for. Other cells are left alone.
    """
    for number, line in enumerate(lines):
        words = line.split(maxsplit=2)
        if not words:
            continue
        if words[0] == HANDLER_MAGIC:
            if words[1:] in (["--help"], ["-h"]):
                return [*lines[:number], f"{HANDLER_MAGIC[1:]} --help\n"]
            return [*lines[:number], f"# {line.lstrip()}", *lines[number + 1 :]]
        if words[0] in LINE_MAGICS and (asked := _asked(words, lines[number:])):
            return [*lines[:number], f"{asked} --help\n"]
        if words[:2] == [JOB_MAGIC, "job"]:
            rest = words[2] if len(words) > 2 else ""
            body = "".join(lines[number + 1 :])
            return [*lines[:number], f"{AWAITED}{'job ' + rest.strip()!r}, {body!r})\n"]
        return lines
    return lines


def _asked(words: list[str], lines: list[str]) -> str:
    """The command of a cell that is but `%runpod export?`; IPython would look for an object of that name."""
    magic, name = "%runpod", words[1] if len(words) == 2 else ""
    only = not "".join(lines[1:]).strip()
    return f"{magic} {name.rstrip('?')}" if only and name.endswith("?") and name.rstrip("?").isidentifier() else ""


# So IPython leaves it out when it asks whether what is typed into a terminal is a whole cell: behind `%%` more follows.
handler_lines.has_side_effects = True  # type: ignore[attr-defined] # how IPython's own transforms say it


def awaited_jobs(lines: list[str]) -> list[str]:
    """Puts `await` before each awaited command of the cell, but inside functions, where it may not stand.

    IPython shows what the last line of a cell gives; a command that stands elsewhere is made to show it itself.
    """
    text = "".join(lines)
    if LINE_MAGIC not in text:
        return lines
    try:
        tree = ast.parse(text)
    except SyntaxError:  # IPython reports it better
        return lines
    rows = [line.encode() for line in text.splitlines(keepends=True)]
    edits: list[tuple[int, int, int, str]] = []  # line, columns, text; of two at one place the later stands before
    for statement, call in _our_calls(tree):
        line, start = call.lineno, call.col_offset
        if _runs_a_job(call):
            edits.append((line, start, call.args[1].col_offset, AWAITED))
        if statement is not None and statement is not tree.body[-1]:
            assert call.end_lineno is not None
            assert call.end_col_offset is not None
            edits += [(line, start, start, SHOWN), (call.end_lineno, call.end_col_offset, call.end_col_offset, ")")]
    for line, start, end, new in sorted(edits, key=lambda edit: edit[:3], reverse=True):
        row = rows[line - 1]
        rows[line - 1] = row[:start] + new.encode() + row[end:]
    return b"".join(rows).decode().splitlines(keepends=True)


def _our_calls(tree: ast.AST) -> list[tuple[ast.Expr | None, ast.Call]]:
    """The commands outside functions, each with the statement that it is, if it is a whole one."""
    found: list[tuple[ast.Expr | None, ast.Call]] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(node, ast.Expr) and _is_ours(node.value):
            found.append((node, node.value))
        elif _is_ours(node):
            found.append((None, node))
        else:
            found += _our_calls(node)
    return found


def _is_ours(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and len(node.args) == 2 and ast.unparse(node).startswith(LINE_MAGIC)


def _runs_a_job(call: ast.Call) -> bool:
    line = call.args[1]
    words = str(line.value).split(maxsplit=1) if isinstance(line, ast.Constant) else []
    return bool(words) and words[0] in AWAITED_COMMANDS
