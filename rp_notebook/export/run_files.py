"""What `%run` runs: the text of a script, or the cells of another notebook."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from rp_notebook.errors import BadInput
from rp_notebook.export.cells import CellRun, notebook_cells
from rp_notebook.export.magics import peeled

_WRITERS = frozenset({"%%writefile", "%%file"})


def ran_by(argument: str, cwd: str, written: Mapping[str, str]) -> tuple[str, ...]:
    """The texts that `%run ARGUMENT` ran in that folder, empty where nobody can say.

    What is on the disk counts, else what a cell has `written` there.
    """
    try:
        words = [word for word in shlex.split(argument, posix=True) if not word.startswith("-")]
    except ValueError:  # IPython could not read it either
        return ()
    if not words or "-m" in argument.split():
        return ()
    for name in (words[0], f"{words[0]}.py"):
        path = Path(cwd or ".") / name
        try:
            if name.endswith(".ipynb"):
                return tuple(peeled(cell.text)[1] for cell in notebook_cells(path) if peeled(cell.text)[0] is None)
            if path.is_file() and name.endswith((".py", ".ipy")):
                return (path.read_text(encoding="utf-8"),)
        except (BadInput, OSError, UnicodeDecodeError):
            return ()
        if name in written:
            return (written[name],)
    return ()


def written_by(cell: CellRun) -> tuple[str, str] | None:
    """Name and text of the file that a `%%writefile` cell wrote."""
    first, _, body = cell.text.lstrip().partition("\n")
    words = first.split(maxsplit=1)
    if words[:1] == [] or words[0] not in _WRITERS or len(words) < 2 or not cell.ok:
        return None
    name = words[1].strip()
    if name.startswith(("-a ", "--append ")):
        return None
    return name.strip("'\""), body if body.endswith("\n") else body + "\n"
