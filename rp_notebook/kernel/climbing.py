"""The export of a handler of this kernel, and its jobs again in a clean process."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rp_notebook.errors import BadInput
from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.masking import secrets_in
from rp_notebook.jobs.query import Query
from rp_notebook.jobs.record import JobRecord
from rp_notebook.kernel.session import Session

if TYPE_CHECKING:
    from rp_notebook.export.exporting import ExportResult
    from rp_notebook.export.plan import Plan
    from rp_notebook.proof.ladder import Climb

JOBS_KEPT = 20  # the latest jobs become tests of the export, where none is golden
REPLAY_S = 600.0


def climbed(session: Session, handler: Handler, flags: Namespace) -> Climb:
    """The export that the flags of `%runpod export` ask for, replayed; a dry run replays nothing.

    Raises `ExportRefused`, and `BadInput` for a name to freeze that is no variable.
    """
    from rp_notebook.export.plan import Plan
    from rp_notebook.export.recorded import recorded
    from rp_notebook.proof.ladder import Climb, climb

    names = [name.strip() for name in (flags.freeze or "").split(",") if name.strip()]
    unknown = [name for name in names if name not in session.namespace]
    if unknown:
        raise BadInput(f"--freeze {unknown[0]}: there is no variable of that name")
    plan = Plan(freeze=tuple((name, "is frozen, as you asked") for name in names), trains=flags.train)
    golden = _golden(session, handler)
    records = golden or _latest(session, handler)

    first = exported(session, handler, python=flags.python, base=flags.base, plan=plan, records=records)
    if flags.dry_run:
        return Climb(first, "needed", (), (), 0, 0.0, proved=False)
    fresh = golden or _of_this_state(session, first, records)

    def export(other: Plan) -> ExportResult:
        if other == plan and fresh == records:
            return first
        return exported(session, handler, python=flags.python, base=flags.base, plan=other, records=fresh)

    return climb(
        export,
        [recorded(record) for record in fresh],
        session.namespace,
        plan=plan,
        timeout_s=flags.timeout or REPLAY_S,
        none="every job ran before the last change" if records else "no job has run",
    )


def exported(
    session: Session,
    handler: Handler,
    *,
    python: str | None = None,
    base: str | None = None,
    plan: Plan | None = None,
    records: Sequence[JobRecord] | None = None,
) -> ExportResult:
    """The export of a handler, in memory; its golden jobs, else those of this version, become its tests.

    Raises `ExportRefused`.
    """
    from rp_notebook.export.exporting import export_cells
    from rp_notebook.export.live import Live
    from rp_notebook.export.plan import NEEDED

    hidden = tuple(text for _, text in secrets_in(dict(os.environ)))
    return export_cells(
        session.recorder.cells,
        session.declaration(handler),
        live=Live(session.namespace, session.namespace.get("Out", {}), hidden),
        records=(_golden(session, handler) or _latest(session, handler)) if records is None else records,
        python=python,
        base=base,
        folder=Path.cwd(),
        plan=plan or NEEDED,
    )


def _golden(session: Session, handler: Handler) -> tuple[JobRecord, ...]:
    return tuple(session.history.records(Query(handler=handler.name, golden=True)))


def _latest(session: Session, handler: Handler) -> tuple[JobRecord, ...]:
    latest = Query(handler=handler.name, version=handler.version, here=True, last=JOBS_KEPT)
    return tuple(session.history.records(latest))


def _of_this_state(session: Session, result: ExportResult, records: Sequence[JobRecord]) -> tuple[JobRecord, ...]:
    """The jobs that ran after the last cell that the export has a statement of: earlier ones saw another notebook."""
    numbers = {kept.cell for kept in result.kept}
    since = max((cell.started_at for cell in session.recorder.cells if cell.number in numbers), default=0.0)
    return tuple(r for r in records if r.job.started_at is None or r.job.started_at >= since)
