"""Executed cells, and how IPython's syntax is taken out of them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rp_notebook.errors import BadInput
from rp_notebook.jobs.declaration import HANDLER_MAGIC, TRANSPARENT_MAGICS

TRANSPARENT_LINES = ("time", "prun", "memit")


@dataclass(frozen=True)
class CellRun:
    """One execution of a cell.

    `number` is the execution count (in a static export, the place among the code cells, from 1) and `text` the raw
    cell. `failed_line`, from 1, is the line whose statement raised; None with `ok` false: a syntax error, nothing ran.
    """

    number: int
    text: str
    cell_id: str | None = None
    ok: bool = True
    failed_line: int | None = None
    cwd: str = ""
    seconds: float = 0.0


def notebook_cells(path: Path) -> tuple[CellRun, ...]:
    """The code cells of a notebook file as after Restart & Run All. Raises `BadInput` for anything else."""
    import nbformat

    try:
        notebook: Any = nbformat.read(path, as_version=4)
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, AttributeError, KeyError, nbformat.ValidationError) as error:
        raise BadInput(f"{path} is not a notebook: {(str(error).splitlines() or [''])[0]}") from None
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return tuple(CellRun(number, cell.source, cell.get("id")) for number, cell in enumerate(code, start=1))


def python_of(text: str) -> str:
    """The cell as Python with its line numbers: transparent cell magics become empty lines, the rest calls.

    Lines of a shell that no transformer knows (a bare `pip install`) become calls too.
    """
    from IPython.core.inputtransformer2 import TransformerManager

    lines = text.split("\n")
    for number, line in enumerate(lines):
        words = line.split(maxsplit=1)
        if words and words[0] not in (HANDLER_MAGIC, *TRANSPARENT_MAGICS):
            break
        lines[number] = "#" if words else ""  # a comment, so that the transformer drops no leading line
    else:
        return "\n".join(lines)
    for number, line in enumerate(lines):
        if line.lstrip().startswith(("pip ", "conda ", "uv pip ", "apt ", "apt-get ")) and "=" not in line.split()[1:2]:
            indent = line[: len(line) - len(line.lstrip())]
            lines[number] = f"{indent}%{line.lstrip()}"
        for name in TRANSPARENT_LINES:
            if line.startswith(f"%{name} "):
                lines[number] = line.split(maxsplit=1)[1]
    blank = next((number for number, line in enumerate(lines) if line.strip()), 0)
    lines[:blank] = ["#"] * blank
    return str(TransformerManager().transform_cell("\n".join(lines)))


def parsed(text: str) -> tuple[str, ast.Module] | None:
    """The Python source of a cell and its tree; None when it does not parse."""
    source = python_of(text)
    try:
        return source, ast.parse(source)
    except (SyntaxError, ValueError):
        return None
