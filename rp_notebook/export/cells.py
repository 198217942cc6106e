"""Executed cells as plain data, and a cell's text as Python that keeps its line numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rp_notebook.errors import BadInput
from rp_notebook.export.plain import is_plain
from rp_notebook.export.tables import AUTOMAGICS
from rp_notebook.export.trees import tree_of

TEXTS = 16384  # cells whose text as Python is kept: one is read several times in an export, and again in the next


@dataclass(frozen=True)
class CellRun:
    """One executed cell, as it was typed.

    `number` is the execution count (static export: 1, 2, 3... over the code cells of the document). With `ok` False
    the cell raised: `failed_line` is the line in it, from 1, of the top-level statement that raised, None when
    nothing ran (a syntax error). `cwd` is the working directory, `seconds` what the cell took. `lines` are the lines of
    the cell that those of `text` stand for, where we wrote the text. A flat handler cell `tries` its function: these
    are the notebook's variables that it rebinds. `at` is when it ended (Unix time; 0: not known). An `assumed` one ran
    before anybody looked: that it ran to its end is not certain. `tags` and `count`, the execution count, are those of
    the notebook file.
    """

    number: int
    text: str
    cell_id: str | None = None
    ok: bool = True
    failed_line: int | None = None
    cwd: str = ""
    seconds: float = 0.0
    at: float = 0.0
    assumed: bool = False
    lines: tuple[int, ...] = ()
    tries: frozenset[str] | None = None
    tags: frozenset[str] = frozenset()
    count: int | None = None

    @property
    def started_at(self) -> float:
        """When it began (Unix time; 0: not known)."""
        return self.at - self.seconds if self.at else 0.0


def notebook_cells(path: Path) -> tuple[CellRun, ...]:
    """The code cells of an `.ipynb` of any format version, as after Restart & Run All. Runs nothing.

    Raises `BadInput` for a file that is not there or is no notebook.
    """
    plain = _plain_notebook(path)
    cells = plain.get("cells") if plain.get("nbformat") == 4 else None
    is_read = isinstance(cells, list) and all(isinstance(cell, dict) for cell in cells)
    return code_cells(plain if is_read else read_notebook(path), folder=str(path.resolve().parent))


def code_cells(notebook: Mapping[str, Any], *, folder: str = "") -> tuple[CellRun, ...]:
    """The code cells of a notebook of format 4, in the order of the document."""
    code = [cell for cell in notebook["cells"] if cell.get("cell_type") == "code"]
    return tuple(
        CellRun(
            number,
            _joined(cell.get("source", "")),
            cell.get("id"),
            cwd=folder,
            tags=_tags(cell),
            count=cell.get("execution_count"),
        )
        for number, cell in enumerate(code, start=1)
    )


def read_notebook(path: Path) -> Any:
    """The notebook as nbformat's objects, format 4. Raises `BadInput` for a file that is not there or is none."""
    plain = _plain_notebook(path)
    import nbformat  # a second and more, with what it takes to validate: what only reads cells does without it

    try:
        return nbformat.reads(json.dumps(plain), as_version=4)
    except (nbformat.ValidationError, nbformat.reader.NotJSONError, ValueError, KeyError, AttributeError) as error:
        raise BadInput(f"{path.name} is not a notebook that nbformat can read: {error}") from None


def _plain_notebook(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path.name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path.name} is not a notebook: it is not UTF-8 text") from None
    try:
        plain = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(f"{path.name} is not a notebook: not JSON (line {error.lineno}: {error.msg})") from None
    parts = (plain.get("cells"), plain.get("worksheets")) if isinstance(plain, dict) else ()
    if not any(isinstance(part, list) for part in parts):
        raise BadInput(f"{path.name} is not a notebook: it has no cells")
    found: dict[str, Any] = plain
    return found


@lru_cache(maxsize=TEXTS)
def python_of(text: str) -> str:
    """A cell's text as Python: magics and shell lines become calls of `get_ipython()`, line numbers stay.

    A cell magic's own line must be gone already. Raises `SyntaxError` when the rest is not Python.
    """
    lines = text.replace("\r\n", "\n").splitlines(keepends=True)
    blank = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    body = lines[blank:]
    if body and not body[-1].endswith("\n"):
        body[-1] += "\n"
    if is_plain("".join(body)):
        return "\n" * blank + "".join(body)
    from IPython.core import inputtransformer2

    manager = inputtransformer2.TransformerManager()
    transforms: list[Any] = manager.cleanup_transforms
    for transform in transforms:
        body = transform(body)
    return "\n" * blank + _parsable(_tokens_transformed(manager, body))


def _tokens_transformed(manager: Any, lines: list[str]) -> list[str]:
    # One transformation at a time: a shell line that goes on over several lines becomes one, and the lines that it
    # loses are given back as empty ones.
    changed = True
    while changed:
        before = lines
        changed, lines = manager.do_one_token_transform(list(before))
        lines = list(lines)
        missing = len(before) - len(lines)
        if changed and missing > 0:
            same = 0
            while same < len(lines) and lines[-1 - same] == before[-1 - same]:
                same += 1
            place = len(lines) - same
            lines[place:place] = ["\n"] * missing
    return lines


def _parsable(lines: list[str]) -> str:
    # IPython also takes `pip install x` for a magic when the line is not Python; so does this, a line at a time.
    for _ in range(len(lines) + 1):
        source = "".join(lines)
        try:
            tree_of(source)
        except SyntaxError as error:
            row = (error.lineno or 0) - 1
            if not 0 <= row < len(lines) or not _automagic(lines, row):
                raise
        else:
            return source
    return "".join(lines)


def _automagic(lines: list[str], row: int) -> bool:
    line = lines[row]
    words = line.split(maxsplit=1)
    if not words or words[0] not in AUTOMAGICS:
        return False
    indent = line[: len(line) - len(line.lstrip())]
    rest = words[1].rstrip("\n") if len(words) > 1 else ""
    while rest.endswith("\\") and row + 1 < len(lines):  # the command goes on
        row += 1
        rest = rest[:-1] + lines[row].strip()
        lines[row] = "\n"
    lines[row - _continued(lines, row, line)] = f"{indent}get_ipython().run_line_magic({words[0]!r}, {rest!r})\n"
    return True


def _continued(lines: Sequence[str], row: int, first: str) -> int:
    back = 0
    while lines[row - back] != first:
        back += 1
    return back


def _joined(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def _tags(cell: Any) -> frozenset[str]:
    tags = cell.get("metadata", {}).get("tags", ())
    return frozenset(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else frozenset()
