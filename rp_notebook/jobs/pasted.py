"""Tells a worker that was pasted into an ordinary cell, where its start fails."""

from __future__ import annotations

import ast

from rp_notebook.jobs.declaration import START, start_calls
from rp_notebook.jobs.handler_cell import HANDLER_MAGIC


def lacks_magic(source: str, error: str) -> str | None:
    """What to do about a cell that failed with this type of error; None where it starts no worker."""
    try:
        pasted = error == "RuntimeError" and HANDLER_MAGIC not in source and start_calls(ast.parse(source))
    except (SyntaxError, ValueError):
        return None
    return f"{START}(...) cannot run in a notebook: begin the cell with {HANDLER_MAGIC}" if pasted else None
