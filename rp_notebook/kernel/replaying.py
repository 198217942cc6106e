"""`%runpod replay`: earlier jobs again on the handler as it is now, side by side."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from rp_notebook.errors import BadInput
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.flag_parser import FlagParser
from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.history import History
from rp_notebook.jobs.job import Status
from rp_notebook.jobs.query import Query
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.stored import without_id
from rp_notebook.kernel.session import Session
from rp_notebook.panel.preview import aligned, duration
from rp_notebook.panel.report import Report

if TYPE_CHECKING:
    from rp_notebook.proof.rerun import Rerun

LAST = 10
SHOWN = 5  # differences of one job


def replay_flags() -> FlagParser:
    """The flags of `%runpod replay`."""
    parser = FlagParser(
        prog="%runpod replay",
        add_help=False,
        description="Run the golden jobs, else the last ones, again on the handler as it is now; show what changed.",
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="jobs by how their id begins")
    parser.add_argument("-n", "--name", metavar="NAME", help="the handler (default: the latest registered)")
    parser.add_argument("--last", type=int, metavar="N", help=f"the last N jobs, golden or not (default: {LAST})")
    parser.add_argument("--tolerance", type=float, metavar="X", help="how far numbers may be off, relative")
    parser.add_argument("--timeout", type=float, metavar="S", help="seconds a job may take")
    return parser


async def replayed(session: Session, flags: Namespace) -> Report:
    """Runs the jobs that the flags mean and compares. Raises `BadInput` when there is none."""
    from rp_notebook.export.recorded import recorded  # loaded when somebody replays, as for an export

    handler = session.handlers.chosen(flags.name, session.namespace)
    before = _chosen(session, handler, flags)
    skipped = {record.id: skip for record in before if (skip := recorded(record).skip) is not None}
    reruns: list[Rerun] = []
    for record in before:
        if record.id in skipped:
            continue
        rerun = await _again(session, handler, record, flags)
        if rerun is None:
            return Report("CANCELLED", "dim", f"{handler.name}, after {len(reruns)} jobs")
        reruns.append(rerun)
    return _report(handler, reruns, skipped)


async def _again(session: Session, handler: Handler, before: JobRecord, flags: Namespace) -> Rerun | None:
    """The job run once, and once more where something differs; None when the user ended it."""
    from rp_notebook.export.recorded import TOLERANCE
    from rp_notebook.proof.rerun import Rerun

    tolerance = next((x for x in (flags.tolerance, before.tolerance) if x is not None), TOLERANCE)
    after = await session.worker.run(handler, before.job.request, flags.timeout)
    rerun = Rerun(before, after, tolerance=tolerance)
    if rerun.changes and after.status is not Status.CANCELLED:
        again = await session.worker.run(handler, before.job.request, flags.timeout)
        rerun = Rerun(before, after, again, tolerance)
    ended = (rerun.after, rerun.again)
    return None if any(record is not None and record.status is Status.CANCELLED for record in ended) else rerun


def _chosen(session: Session, handler: Handler, flags: Namespace) -> list[JobRecord]:
    history = session.history
    if flags.ids:
        return list(history.records(Query(handler=handler.name, ids=tuple(flags.ids))))
    if flags.last is None and (golden := list(history.records(Query(handler=handler.name, golden=True)))):
        return golden
    ended = Query(handler=handler.name, outcomes=("COMPLETED", "FAILED", "LOST", "TOO LARGE"))
    rows = [line.row for line in history.lines(ended)]
    now = {line.row for line in history.lines(Query(handler=handler.name, version=handler.version, here=True))}
    # What the present handler answered tells nothing about an edit, unless there is nothing else.
    latest = _latest(history, [row for row in rows if row not in now] or rows)
    found = list(islice(latest, LAST if flags.last is None else flags.last))
    if not found:
        raise BadInput(f"no job of {handler.name} has ended yet: %runpod job {{...}}")
    return found[::-1]


def _latest(history: History, rows: Sequence[int]) -> Iterator[JobRecord]:
    """The jobs of these rows, the latest first, each input once."""
    seen = set()
    for row in reversed(rows):
        for record in history.records(Query(rows=(row,))):
            _, given = without_id(record.id, record.job.request.body)
            if given not in seen:
                seen.add(given)
                yield record


def _report(handler: Handler, reruns: Sequence[Rerun], skipped: dict[str, str]) -> Report:
    changed = sum(bool(rerun.changes) for rerun in reruns)
    rows = [("job", "status", "time", "answer"), *(_row(rerun) for rerun in reruns)]
    head, *lines = aligned(rows)
    listing = [head]
    for line, rerun in zip(lines, reruns, strict=True):
        listing.append(line)
        listing += [f"    {difference}" for difference in rerun.changes[:SHOWN]]
        more = len(rerun.changes) - SHOWN
        listing += [f"    … {more} more"] if more > 0 else []
    listing += [f"{id_[:13]}  not replayed: {why}" for id_, why in skipped.items()]
    headline = f"{handler.name} v{handler.version}: {len(reruns) - changed} of {len(reruns)} jobs answer as before"
    badge = "CHANGED" if changed else "SAME"
    return Report(badge, "bad" if changed else "good", headline, listing, [*_unstable(reruns)])


def _row(rerun: Rerun) -> tuple[str, ...]:
    before, after = rerun.before, rerun.after
    took = [duration(record.execution_ms or 0) for record in (before, after)]
    status = before.outcome if before.outcome == after.outcome else f"{before.outcome} → {after.outcome}"
    answer = "changed" if rerun.changes else "differs each time" if rerun.unstable else "same"
    return before.id[:13], status, " → ".join(took), answer


def _unstable(reruns: Sequence[Rerun]) -> list[Finding]:
    paths = dict.fromkeys(difference.path for rerun in reruns for difference in rerun.unstable)
    if not paths:
        return []
    message = f"the same code answers differently each time: {', '.join(list(paths)[:SHOWN])}"
    return [Finding("RPJ170", "note", message, "seed what is random from the job's input, or give --tolerance")]
