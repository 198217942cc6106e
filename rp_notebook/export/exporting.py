"""The whole way from executed cells to a worker repository in memory."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rp_notebook.errors import UnknownHandler
from rp_notebook.export.around import Around, around
from rp_notebook.export.assets import Carried
from rp_notebook.export.cells import CellRun, notebook_cells
from rp_notebook.export.declarations import declarations
from rp_notebook.export.document import Document
from rp_notebook.export.flat_cells import unfolded
from rp_notebook.export.hidden_state import hidden_state
from rp_notebook.export.live import Live
from rp_notebook.export.local_code import local_code
from rp_notebook.export.module import Module, module_of
from rp_notebook.export.overrides import NO_OVERRIDES, Overrides
from rp_notebook.export.places import walked
from rp_notebook.export.project import NO_PROJECT, project_of
from rp_notebook.export.recorded import dump_jobs, recorded
from rp_notebook.export.repo import Repo, worker_repo
from rp_notebook.export.requirements import Pin, pins
from rp_notebook.export.slicing import Dropped, Kept, Slice, slice_cells
from rp_notebook.export.sources import sources
from rp_notebook.export.writing import write_repo
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.record import JobRecord


@dataclass(frozen=True)
class ExportResult:
    """An exported worker. Nothing is on disk until `write` puts it there.

    `module` is the text of handler.py, `lines` has `(cell, line)` or None for each line of it; `kept` and `dropped` are
    the notebook's statements with the reason; `repo` maps names to bytes.
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
    trust_disk: bool = False,
    overrides: Overrides = NO_OVERRIDES,
    document: Document | None = None,
    strict: bool = False,
) -> ExportResult:
    """Exports a handler from executed cells; `live` adds what a running kernel knows, `records` become its tests.

    `python` is the worker's version as "3.11" (default: the running one), `base` the image to build on, `folder` where
    the notebook is, `document` the notebook as saved; `overrides` are statements to keep or to leave out. `trust_disk`
    takes modules as on the disk. Raises `ExportRefused` for a wrong worker, `BadInput` for a bad pyproject.toml.
    """
    cells = document.tagged(cells) if document is not None else cells
    ran, declaration = unfolded(cells, declaration)
    slicer = _slicer(live, overrides, folder)
    slice_ = slicer(ran, declaration)
    hidden = hidden_state(slice_, cells, document, partial(_resliced, declaration.name, slicer), strict=strict)
    surroundings = around(ran, slice_, folder, live)
    module, assets, pinned, found = _carried(surroundings, declaration, trust_disk=trust_disk)
    findings = (*slice_.findings, *hidden, *found)
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
        local_files=assets.files,
        apt=surroundings.apt,
        jobs_jsonl=dump_jobs(map(recorded, records)),
        cells={each.number: (each.cell_id, each.sha256) for each in sources(cells, module.lines)},
    )
    return _result(declaration, module, assets.slice_, findings, repo)


def _result(
    declaration: Declaration, module: Module, used: Slice, findings: tuple[Finding, ...], repo: Repo
) -> ExportResult:
    return ExportResult(declaration.name, module.text, used.kept, used.dropped, findings, repo, module.lines)


def _slicer(live: Live | None, overrides: Overrides, folder: Path | None) -> Callable[..., Slice]:
    project = project_of(folder) if folder is not None else NO_PROJECT
    return partial(slice_cells, live=live, overrides=overrides, project=project)


def _carried(
    surroundings: Around, declaration: Declaration, *, trust_disk: bool
) -> tuple[Module, Carried, tuple[Pin, ...], tuple[Finding, ...]]:
    """The module, the files that go along, modules beside the notebook included, and the packages of all others."""
    assets, carrier = surroundings.assets()
    module = module_of(assets.slice_, declaration)
    local = local_code(module.imports, locate=surroundings.locate, gone=surroundings.provenance.gone)
    assets = surroundings.modules(local, assets, carrier, trust_disk=trust_disk)
    pinned, doubts = pins(local.imports, asked=surroundings.asked, locate=surroundings.locate)
    files = {**assets.files, **local.files}
    return module, replace(assets, files=files), pinned, (*assets.findings, *local.findings, *doubts)


def _resliced(name: str, slicer: Callable[..., Slice], cells: tuple[CellRun, ...]) -> Slice:
    """The slice of other cells for the handler of that name, as after Restart & Run All."""
    return slicer(*unfolded(cells, declarations(cells).get(name) or Declaration(name, name)))


def export_notebook(
    path: str | Path,
    out: str | Path | None = None,
    handler: str | None = None,
    *,
    force: bool = False,
    python: str | None = None,
    base: str | None = None,
    strict: bool = False,
) -> ExportResult:
    """Exports a handler of a notebook file as after Restart & Run All; runs nothing.

    Without `handler` the last one that the notebook declares is taken; a name that is not declared may be any
    function of the notebook. `out` is the folder to write to (nothing is written without it). Raises `BadInput` for
    a file that is no notebook, `UnknownHandler`, `ExportRefused` (`strict`: also for hidden state) and `FolderNotOurs`.
    """
    path = Path(path)
    result = export_document(
        walked(notebook_cells(path)),
        handler,
        python=python,
        base=base,
        notebook=path.name,
        folder=path.resolve().parent,
        strict=strict,
    )
    if out is not None:
        result.write(Path(out), force=force)
    return result


def export_document(
    cells: Sequence[CellRun],
    handler: str | None = None,
    *,
    python: str | None = None,
    base: str | None = None,
    notebook: str | None = None,
    folder: Path | None = None,
    strict: bool = False,
) -> ExportResult:
    """Exports a handler of a notebook's code cells in their order; as `export_notebook` otherwise."""
    known = declarations(cells)
    if handler is None and not known:
        raise UnknownHandler("handler", known)
    name = handler or next(reversed(known))
    return export_cells(
        cells,
        known.get(name) or Declaration(name, name),
        python=python,
        base=base,
        notebook=notebook,
        folder=folder,
        strict=strict,
    )
