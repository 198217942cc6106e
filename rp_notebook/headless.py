"""Runs a notebook file in a kernel of its own, from outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rp_notebook.errors import NotebookFailed
from rp_notebook.export.cells import read_notebook
from rp_notebook.export.flat_cells import inputs_in
from rp_notebook.jobs.flat_inputs import lacks_value
from rp_notebook.jobs.pasted import lacks_magic

CELL_TIMEOUT_S = 3600
KERNEL_ARGUMENTS = (
    "--Application.log_level=40",  # errors only: a new kernel warns at each start about its loopback sockets
    "--InteractiveShellApp.extra_extensions=rp_notebook",  # so that a notebook need not load it for us
)


def executed(
    path: Path,
    *,
    folder: Path,
    on_cell: Callable[[int, int], None],
    more: tuple[str, ...] = (),
    alone: bool = False,
) -> Any:
    """The notebook at `path` with its outputs, after all its cells and those of `more` ran in a fresh kernel.

    The kernel has the extension loaded and works in `folder`; `on_cell(number, total)` hears of each code cell, from 1.
    `alone`, it passes over the commands that only tell a person something, or write for one.
    Raises `NotebookFailed` with the cell and its error, and `BadInput` for a file that is no notebook.
    """
    import nbformat
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    notebook = read_notebook(path)
    own = sum(cell.cell_type == "code" for cell in notebook.cells)
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in more]
    total = sum(cell.cell_type == "code" for cell in notebook.cells)
    started = 0

    def starting(cell: Any, **_: Any) -> None:
        nonlocal started
        if cell.cell_type == "code":
            started += 1
            on_cell(started, total)

    client = notebook_client(notebook, folder, alone=alone, on_cell_start=starting)
    try:
        return client.execute()
    except CellExecutionError as error:
        if started > own:  # what we added failed on what we were given
            raise NotebookFailed(error.evalue) from None
        cell = [cell for cell in notebook.cells if cell.cell_type == "code"][started - 1]
        raise NotebookFailed(f"code cell {started} of {path.name} failed: {reason(cell.source, error)}") from None
    except DeadKernelError:
        raise NotebookFailed(f"the kernel died in code cell {started} of {path.name}") from None


def reason(source: str, error: Any) -> str:
    """Why a cell failed with nbclient's error, and what helps where we know it."""
    names = [each.name for each in inputs_in(source) if error.evalue == f"name '{each.name}' is not defined"]
    helps = lacks_value(names[0]) if names and error.ename == "NameError" else lacks_magic(source, error.ename)
    return f"{error.ename}: {error.evalue}{f'; {helps}' if helps else ''}"


def notebook_client(notebook: Any, folder: Path, *, alone: bool, **options: Any) -> Any:
    """An nbclient for a notebook, whose kernel works in `folder`, as in `executed`; `options` are more of its own."""
    from nbclient import NotebookClient

    return NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=[*KERNEL_ARGUMENTS, *(["--RunpodMagics.alone=True"] if alone else [])],
        **options,
    )


def run_notebook(path: Path, job: str, *, handler: str | None = None) -> dict[str, Any]:
    """Runs a notebook, but for exports, proofs and the like, and then one job on a handler; `job` is JSON or @FILE.

    Returns `ok`, `status`, `output`, `error`, `lost`, `findings` and `text`, the result as the notebook would show it.
    """
    if job.startswith("@"):
        job = f"@{Path(job[1:]).expanduser().resolve()}"
    with TemporaryDirectory() as scratch:
        answer = Path(scratch) / "answer.json"
        line = f"-n {handler} {job}" if handler else job
        last = f"await get_ipython().magics_manager.registry['RunpodMagics'].reported({line!r}, {str(answer)!r})"
        executed(path, folder=path.resolve().parent, on_cell=lambda _number, _total: None, more=(last,), alone=True)
        told: dict[str, Any] = json.loads(answer.read_text())
    return told
