"""Rewrites our magics in a cell's text so that it stays an ordinary cell: line numbers, `!`, await and all."""

from __future__ import annotations

import ast

from rp_notebook.jobs.handler_cell import HANDLER_MAGIC

JOB_MAGIC = "%%runpod"
LINE_MAGICS = ("%runpod", JOB_MAGIC)
AWAITED_COMMANDS = ("job", "check", "replay")
# What `%runpod ...` has become once IPython's own transformers have run.
LINE_MAGIC = "get_ipython().run_line_magic('runpod', "
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
    """Puts `await` before each awaited command of the cell, but inside functions, where it may not stand."""
    text = "".join(lines)
    if LINE_MAGIC not in text:
        return lines
    try:
        tree = ast.parse(text)
    except SyntaxError:  # IPython reports it better
        return lines
    rows = [line.encode() for line in text.splitlines(keepends=True)]
    for call in sorted(_job_calls(tree), key=lambda call: (call.lineno, call.col_offset), reverse=True):
        row, start, end = rows[call.lineno - 1], call.col_offset, call.args[1].col_offset
        rows[call.lineno - 1] = row[:start] + AWAITED.encode() + row[end:]
    return b"".join(rows).decode().splitlines(keepends=True)


def _job_calls(tree: ast.AST) -> list[ast.Call]:
    found = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(node, ast.Call) and _runs_a_job(node):
            found.append(node)
        else:
            found += _job_calls(node)
    return found


def _runs_a_job(call: ast.Call) -> bool:
    if len(call.args) != 2 or not ast.unparse(call).startswith(LINE_MAGIC):
        return False
    line = call.args[1]
    words = str(line.value).split(maxsplit=1) if isinstance(line, ast.Constant) else []
    return bool(words) and words[0] in AWAITED_COMMANDS
