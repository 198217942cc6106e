"""The whole way from executed cells to a worker repository in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from rp_notebook.errors import UnknownHandler
from rp_notebook.export.around import around
from rp_notebook.export.by_hand import declared_in
from rp_notebook.export.carried import refuse_leaks
from rp_notebook.export.cells import CellRun, notebook_cells
from rp_notebook.export.collector import collector_paused
from rp_notebook.export.declarations import declarations
from rp_notebook.export.document import Document
from rp_notebook.export.flat_cells import unfolded
from rp_notebook.export.hidden_state import hidden_state
from rp_notebook.export.image import Image, image_of
from rp_notebook.export.live import Live
from rp_notebook.export.models import cache_folder
from rp_notebook.export.needs import Caught, Needs
from rp_notebook.export.overrides import NO_OVERRIDES, Overrides
from rp_notebook.export.parts import Parts, parts_of
from rp_notebook.export.places import walked
from rp_notebook.export.plan import NEEDED, Plan
from rp_notebook.export.project import NO_PROJECT, project_of
from rp_notebook.export.reads import Declared
from rp_notebook.export.recorded import dump_jobs, recorded
from rp_notebook.export.repo import Repo, worker_repo
from rp_notebook.export.result import ExportResult
from rp_notebook.export.secret_files import secrets_beside
from rp_notebook.export.slicing import Slice, slice_cells
from rp_notebook.export.sources import sources
from rp_notebook.export.validation import keeping_schema, with_check
from rp_notebook.export.vault import Vault
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.stored import cleared

NOTHING = Declared()


@collector_paused()
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
    validate: bool = False,
    weights: str | None = None,
    declared: Declared = NOTHING,
    environment: Mapping[str, str] = MappingProxyType({}),
    plan: Plan = NEEDED,
) -> ExportResult:
    """Exports a handler from executed cells; `live` adds what a running kernel knows, `records` become its tests.

    `python` is the worker's version as "3.11" (default: the running one), `base` the image to build on, `folder` where
    the notebook is, `document` the notebook as saved; `overrides` are statements to keep or to leave out, `plan` how
    much is taken. `trust_disk` takes modules as on the disk; `declared` was said by hand; `environment` tells where
    models are cached, `weights` where those are to be; `validate` checks inputs before the handler. Raises
    `ExportRefused` for a wrong worker and `BadInput` for a bad pyproject.toml.
    """
    cells = document.tagged(cells) if document is not None else cells
    ran, declaration = unfolded(cells, keeping_schema(declaration) if validate else declaration)
    vault = Vault(secrets_beside(cells, folder) | dict(live.secrets if live is not None else {}))
    slicer = _slicer(live, vault, overrides, folder, plan)
    slice_ = slicer(ran, declaration)
    hidden = hidden_state(slice_, cells, document, partial(_resliced, declaration.name, slicer), strict=strict)
    caught = Caught(live.namespace if live is not None else {}, cache_folder(environment), vault.variables)
    surroundings = around(ran, slice_, folder, live)
    parts = parts_of(surroundings, declaration, declared, vault, caught, plan, trust_disk=trust_disk)
    parts = with_check(parts, declaration, records) if validate else parts
    image = image_of(parts.pins, parts.needs, parts.files, records, python=python, base=base, weights=weights)
    findings = (*slice_.findings, *hidden, *parts.findings, *image.findings)
    records = [cleared(record, vault.secrets) for record in records]
    repo = _repo(parts, declaration, records, cells, findings, image, notebook, plan.loose)
    refuse_leaks(repo, vault)
    told = (parts.slice_.kept, parts.slice_.dropped, findings, repo, parts.needs, parts.module.lines)
    return ExportResult(declaration.name, parts.module.text, *told, _environ(parts.needs, vault), parts.implied)


def _repo(
    parts: Parts,
    declaration: Declaration,
    records: Sequence[JobRecord],
    cells: Sequence[CellRun],
    findings: Sequence[Finding],
    image: Image,
    notebook: str | None,
    loose: Collection[str],
) -> Repo:
    return worker_repo(
        module=parts.module.text,
        lines=parts.module.lines,
        declaration=declaration,
        records=records,
        pins=parts.pins,
        python=image.python,
        notebook=notebook,
        findings=findings,
        local_files=parts.files,
        needs=parts.needs,
        image=image,
        jobs_jsonl=dump_jobs(replace(job, posts=()) if job.id in loose else job for job in map(recorded, records)),
        cells={each.number: (each.cell_id, each.sha256) for each in sources(cells, parts.module.lines)},
    )


def _environ(needs: Needs, vault: Vault) -> dict[str, str]:
    given = vault.given
    return {**needs.settings, **{one.name: given[one.name] for one in needs.variables if one.name in given}}


def _slicer(
    live: Live | None, vault: Vault, overrides: Overrides, folder: Path | None, plan: Plan
) -> Callable[..., Slice]:
    project = project_of(folder) if folder is not None else NO_PROJECT
    return partial(slice_cells, live=live, vault=vault, plan=plan, overrides=overrides, project=project)


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
    validate: bool = False,
    weights: str | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
    train: bool = False,
) -> ExportResult:
    """Exports a handler of a notebook file as after Restart & Run All; runs nothing.

    Without `handler` the last one that the notebook declares is taken; a name that is not declared may be any
    function of the notebook. `out` is the folder to write to (nothing is written without it); `environment` tells
    where models are cached; `train` lets the worker train at each cold start, which is refused otherwise. Raises
    `BadInput` for a file that is no notebook, `UnknownHandler`, `ExportRefused` (`strict`: also for hidden state) and
    `FolderNotOurs`.
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
        validate=validate,
        weights=weights,
        environment=environment,
        train=train,
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
    validate: bool = False,
    weights: str | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
    train: bool = False,
) -> ExportResult:
    """Exports a handler of a notebook's code cells in their order; as `export_notebook` otherwise."""
    known = declarations(cells)
    if handler is None and not known:
        raise UnknownHandler("", known)
    name = handler or next(reversed(known))
    return export_cells(
        cells,
        known.get(name) or Declaration(name, name),
        python=python,
        base=base,
        notebook=notebook,
        folder=folder,
        strict=strict,
        validate=validate,
        weights=weights,
        declared=declared_in(cells),
        environment=environment,
        plan=Plan(trains=train),
    )
