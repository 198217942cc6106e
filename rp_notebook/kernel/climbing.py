"""The export of a handler of this kernel, and its jobs again in a clean process."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rp_notebook.errors import BadInput
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.job import Status
from rp_notebook.jobs.payload import MB
from rp_notebook.jobs.query import Query
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.stored import cleared
from rp_notebook.kernel.places import notebook_path
from rp_notebook.kernel.session import Session

if TYPE_CHECKING:
    from rp_notebook.export.plan import Plan
    from rp_notebook.export.result import ExportResult
    from rp_notebook.proof.climb import Climb

Say = Callable[[str], None]

OPTIONS = ("python", "base", "trust_disk", "strict", "validate", "weights")  # as `exported` and the flags call them
JOBS_KEPT = 20  # the latest jobs become tests of the export, where none is golden
REPLAY_S = 600.0
JOBS_BYTES = 5 * MB  # of their requests together: larger ones make a repository that nobody wants to clone
JOBS_S = 60.0  # of jobs that are no golden ones, as long as they took in the notebook; the latest is replayed anyway


def unheard(_: str) -> None:
    """For when nobody wants to hear how far it is."""


def climbed(session: Session, handler: Handler, flags: Namespace, say: Say = unheard) -> Climb:
    """The export that the flags of `%runpod export` ask for, replayed; a dry run replays nothing.

    `say` hears what is being done. Raises `ExportRefused`, and `BadInput` for a name to freeze that is no variable.
    """
    from rp_notebook.export.recorded import recorded
    from rp_notebook.proof.climb import Climb
    from rp_notebook.proof.ladder import climb

    plan = _plan(session, flags)
    golden = _golden(session, handler)
    exporter = partial(exported, session, handler, **{name: getattr(flags, name) for name in OPTIONS})
    say("what the handler needs is taken out of the cells that ran")
    ran, first = (golden, exporter(plan=plan, records=golden)) if golden else _first(session, handler, exporter, plan)
    records = golden or _light(ran)
    if flags.dry_run:
        return Climb(first, plan, "needed", (), (), 0, 0.0, proved=False)
    replayed = [cleared(record, first.secrets | {*session.secrets()}) for record in golden or _quick(records)]

    def by(other: Plan) -> ExportResult:
        if other == plan:
            say(f"replaying {len(replayed)} jobs in a clean process")
            return first
        if replace(other, packages=plan.packages, spared=plan.spared) != plan:
            say("it answered otherwise: once more, with more of the notebook")
        elif not other.spared:
            say("it misses a package: once more, with that")
        return exporter(plan=other, records=records)

    found = climb(
        by,
        [*map(recorded, replayed)],
        session.namespace,
        plan=plan,
        early=() if golden else _early(session, first, records),
        strict=flags.strict,
        timeout_s=flags.timeout or REPLAY_S,
    )
    found = replace(found, findings=(*found.findings, *_doubts(ran, records, replayed)))
    loose = frozenset(job.id for job in found.jobs if job.verdict == "varies")
    if not (found.outdated or loose):
        return found
    current = [record for record in records if record.id not in found.outdated]
    return replace(found, result=exporter(plan=replace(found.plan, loose=loose), records=current))


def _doubts(ran: Sequence[JobRecord], tests: Sequence[JobRecord], replayed: Sequence[JobRecord]) -> Iterator[Finding]:
    """What the jobs that were replayed do not tell of the export."""
    fix = "%runpod golden ID... has those replayed that matter"
    if slow := len(tests) - len(replayed):
        said = f"{slow} of {len(tests)} jobs were not replayed: all take over {JOBS_S:.0f} s"
        yield Finding("RPP124", "note", said, fix)
    if large := len(ran) - len(tests):
        said = f"{large} of {len(ran)} jobs are no tests of the export: their requests are large"
        yield Finding("RPP135", "note", said, fix)
    if replayed and all(record.status is Status.FAILED for record in replayed):
        said = f"every job that was replayed fails, in the notebook too: {replayed[-1].note}"
        yield Finding("RPP136", "warning", said, "run a job that completes, and export again")


def _light(records: Sequence[JobRecord]) -> tuple[JobRecord, ...]:
    """The latest job, and of the others, from the latest on, those whose requests have room together."""
    taken: list[JobRecord] = [*records[-1:]]
    left = JOBS_BYTES
    for record in reversed(records[:-1]):
        if record.sizes.request <= left:
            left -= record.sizes.request
            taken.insert(0, record)
    return tuple(taken)


def _quick(records: Sequence[JobRecord]) -> tuple[JobRecord, ...]:
    """The latest jobs that together take no longer than we may."""
    taken: list[JobRecord] = []
    spent = 0.0
    for record in reversed(records):
        spent += (record.execution_ms or 0.0) / 1000
        if taken and spent > JOBS_S:
            break
        taken.insert(0, record)
    return tuple(taken)


def _plan(session: Session, flags: Namespace) -> Plan:
    from rp_notebook.export.plan import ASKED, Plan

    names = [name.strip() for name in (flags.freeze or "").split(",") if name.strip()]
    unknown = [name for name in names if name not in session.namespace]
    if unknown:
        raise BadInput(f"--freeze {unknown[0]}: there is no variable of that name")
    return Plan(freeze=tuple((name, ASKED) for name in names), trains=flags.train)


def exported(
    session: Session,
    handler: Handler,
    *,
    python: str | None = None,
    base: str | None = None,
    trust_disk: bool = False,
    strict: bool = False,
    validate: bool = False,
    weights: str | None = None,
    plan: Plan | None = None,
    records: Sequence[JobRecord] | None = None,
) -> ExportResult:
    """The export of a handler, in memory; its golden jobs, else those of this version, become its tests.

    Without a `plan` it is cut as the last export of the handler was. Raises `ExportRefused`, with `strict` also for
    hidden state.
    """
    from rp_notebook.export.document import document_of
    from rp_notebook.export.exporting import export_cells
    from rp_notebook.export.live import Live
    from rp_notebook.export.overrides import said
    from rp_notebook.export.plan import NEEDED

    path = notebook_path(session.namespace, os.environ)
    return export_cells(
        session.recorder.cells,
        session.exported_as(handler),
        live=Live(session.namespace, session.shell.history_manager.output_hist, session.secrets()),
        declared=session.needs.declared,
        environment=os.environ,
        records=(_golden(session, handler) or _light(_latest(session, handler))) if records is None else records,
        python=python,
        base=base,
        folder=Path.cwd(),
        trust_disk=trust_disk,
        overrides=said(**session.said),
        document=document_of(path),
        notebook=path.name if path is not None else None,
        strict=strict,
        validate=validate,
        weights=weights,
        plan=plan or session.plans.get(handler.name, NEEDED),
    )


def _golden(session: Session, handler: Handler) -> tuple[JobRecord, ...]:
    return tuple(session.history.records(Query(handler=handler.name, golden=True)))


def _latest(session: Session, handler: Handler) -> tuple[JobRecord, ...]:
    """The latest jobs of this version; of those with the same input and the same posts, as --repeat makes them, one."""
    latest = Query(handler=handler.name, version=handler.version, here=True, last=JOBS_KEPT)
    distinct: list[JobRecord] = []
    for record in session.history.records(latest):
        if not any(record.job.input == one.job.input and _posts(record) == _posts(one) for one in distinct):
            distinct.append(record)
    return tuple(distinct)


def _first(
    session: Session, handler: Handler, export: Callable[..., ExportResult], plan: Plan
) -> tuple[tuple[JobRecord, ...], ExportResult]:
    """The jobs that may become tests, and the export with them. Where jobs change what later ones read, it is the
    first ones: what they answer hangs on no others.
    """
    ran = _latest(session, handler)
    result = export(plan=plan, records=_light(ran))
    if len(ran) < JOBS_KEPT or all(finding.code != "RPS131" for finding in result.findings):
        return ran, result
    ran = _earliest(session, handler, result) or ran
    return ran, export(plan=plan, records=_light(ran))


def _earliest(session: Session, handler: Handler, result: ExportResult) -> tuple[JobRecord, ...]:
    """The first jobs of this version since the last change."""
    since = _changed_at(session, result)
    lines = session.history.lines(Query(handler=handler.name, version=handler.version, here=True))
    rows = [line.row for line in lines if line.started_at is not None and line.started_at >= since]
    return tuple(session.history.records(Query(rows=tuple(rows[:JOBS_KEPT])))) if rows else ()


def _posts(record: JobRecord) -> list[tuple[str, bytes]]:
    return [(post.kind, post.body) for post in record.posts]


def _early(session: Session, result: ExportResult, records: Sequence[JobRecord]) -> frozenset[str]:
    """The jobs from before the last change."""
    since = _changed_at(session, result)
    return frozenset(r.id for r in records if r.job.started_at is not None and r.job.started_at < since)


def _changed_at(session: Session, result: ExportResult) -> float:
    """When the last cell ran that the export has a statement of, or a module of it was written."""
    numbers = {kept.cell for kept in result.kept if not kept.text.startswith(("import ", "from "))}
    cells = [cell.started_at for cell in session.recorder.cells if cell.number in numbers]
    return max([*cells, *_written(result)], default=0.0)


def _written(result: ExportResult) -> Iterator[float]:
    """When the modules that go along were written last."""
    for name in result.repo:
        module = sys.modules.get(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        file = getattr(module, "__file__", None)
        if name.endswith(".py") and file and Path(file).is_file():
            yield Path(file).stat().st_mtime
