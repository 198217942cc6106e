"""The whole way from executed cells to a worker repository in memory."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rp_notebook.errors import UnknownHandler
from rp_notebook.export.cells import CellRun, notebook_cells
from rp_notebook.export.declarations import declarations
from rp_notebook.export.flat_cells import unfolded
from rp_notebook.export.installed import located
from rp_notebook.export.live import Live
from rp_notebook.export.local_code import local_code
from rp_notebook.export.module import module_of
from rp_notebook.export.plan import NEEDED, Plan
from rp_notebook.export.recorded import dump_jobs, recorded
from rp_notebook.export.repo import Repo, worker_repo
from rp_notebook.export.requirements import pins
from rp_notebook.export.slicing import Dropped, Kept, slice_cells
from rp_notebook.export.writing import write_repo
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.record import JobRecord


@dataclass(frozen=True)
class ExportResult:
    """An exported worker. Nothing is on disk until `write` puts it there.

    `module` is the text of handler.py; `kept` and `dropped` are the notebook's statements with the reason; `repo`
    maps names to bytes. `lines` has `(cell, line)` or None for each line of the module.
    """

    handler: str
    module: str
    kept: tuple[Kept, ...]
    dropped: tuple[Dropped, ...]
    findings: tuple[Finding, ...]
    repo: Repo
    lines: tuple[tuple[int, int] | None, ...] = ()

    @property
    def summary(self) -> str:
        """What was taken, in a few words."""
        total = len(self.kept) + len(self.dropped)
        return f"{len(self.kept)} of {total} statements, {len(self.repo)} files"

    def write(self, folder: Path, *, force: bool = False) -> str:
        """Writes the repository as a whole and returns `created`, `replaced` or `unchanged`.

        Raises `FolderNotOurs` for a folder that we did not write or that was edited since, unless `force`.
        """
        return write_repo(self.repo, folder, force=force)


def export_cells(
    cells: Sequence[CellRun],
    declaration: Declaration,
    *,
    live: Live | None = None,
    records: Sequence[JobRecord] = (),
    python: str | None = None,
    base: str | None = None,
    notebook: str | None = None,
    folder: Path | None = None,
    plan: Plan = NEEDED,
) -> ExportResult:
    """Exports a handler from executed cells; `live` adds what a running kernel knows, `records` become its tests.

    `python` is the worker's version as "3.11" (default: the running one), `base` the image to build on, `folder` where
    the notebook is, for modules beside it. Raises `ExportRefused` when the worker would be wrong.
    """
    cells, declaration = unfolded(cells, declaration)
    slice_ = slice_cells(cells, declaration, live, plan)
    module = module_of(slice_, declaration)
    # Modules beside the notebook go along, with what they import in turn.
    locate = partial(located, folders=[str(folder)] if folder is not None else [])
    local = local_code(module.imports, locate=locate)
    # pandas reads parquet through a package that nothing imports by name.
    hints = ["pyarrow"] if any(name.endswith(".parquet") for name in slice_.files) else []
    pinned, doubts = pins(local.imports, locate=locate, hints=hints)
    findings = (*slice_.findings, *local.findings, *doubts)
    repo = worker_repo(
        module=module.text,
        lines=module.lines,
        declaration=declaration,
        records=records,
        pins=pinned,
        python=python or ".".join(platform.python_version_tuple()[:2]),
        base=base,
        notebook=notebook,
        findings=findings,
        local_files={**local.files, **slice_.files},
        jobs_jsonl=dump_jobs(recorded(record) for record in records),
    )
    return ExportResult(declaration.name, module.text, slice_.kept, slice_.dropped, findings, repo, module.lines)


def export_notebook(
    path: str | Path,
    out: str | Path | None = None,
    handler: str | None = None,
    *,
    force: bool = False,
    python: str | None = None,
    base: str | None = None,
    train: bool = False,
) -> ExportResult:
    """Exports a handler of a notebook file as after Restart & Run All; runs nothing.

    Without `handler` the last one that the notebook declares is taken; a name that is not declared may be any
    function of the notebook. `out` is the folder to write to (nothing is written without it); `train` lets the worker
    train at each cold start, which is refused otherwise. Raises `BadInput` for
    a file that is no notebook, `UnknownHandler`, `ExportRefused` and `FolderNotOurs`.
    """
    path = Path(path)
    cells = notebook_cells(path)
    known = declarations(cells)
    if handler is None and not known:
        raise UnknownHandler("handler", known)
    name = handler or next(reversed(known))
    declaration = known.get(name) or Declaration(name, name)
    result = export_cells(
        cells,
        declaration,
        python=python,
        base=base,
        notebook=path.name,
        folder=path.resolve().parent,
        plan=Plan(trains=train),
    )
    if out is not None:
        result.write(Path(out), force=force)
    return result
