"""`%runpod job --repeat N` and `--concurrency N`: many jobs, and one report on them."""

from __future__ import annotations

from typing import Any

from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.job import Status
from rp_notebook.jobs.overlap import Overlap
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.request import Mode, Request, request_of, whole_job
from rp_notebook.jobs.series import Series
from rp_notebook.jobs.worker import Worker
from rp_notebook.panel.preview import duration, size
from rp_notebook.panel.report import Report, tone_of


async def repeated(
    worker: Worker, handler: Handler, job: Any, mode: Mode, count: int, timeout_s: float | None
) -> Report:
    """Runs the job `count` times, one after another, until one is cancelled."""
    records = []
    for _ in range(count):
        records.append(await worker.run(handler, _fresh(job, mode), timeout_s))
        if cancelled(records[-1]):
            break
    series = Series(records)
    if not series.times_ms:
        return Report("CANCELLED", "dim", f"{handler.name}, before the first job began")
    listing = [
        f"first   {duration(series.first_ms)}",
        f"min     {duration(series.rest_ms[0])}   median {duration(series.median_ms)}   p95 {duration(series.p95_ms)}",
    ]
    if series.growth is not None:
        listing.append(f"memory {'+' if series.growth >= 0 else '-'}{size(abs(round(series.growth)))} a job")
    findings = [*records[-1].findings, *series.findings()]
    headline = f"{handler.name}, {len(records)} times: {records[-1].status}"
    return Report("REPEATED", tone_of(findings), headline, listing, findings)


async def overlapped(
    worker: Worker, handler: Handler, job: Any, mode: Mode, count: int, timeout_s: float | None
) -> Report:
    """Runs `count` jobs one by one, and then at once; a list of `count` inputs gives each its own.

    Jobs that answer differently at once run alone once more. A sync handler's jobs cannot overlap, and run once.
    """
    inputs = job if isinstance(job, list) and len(job) == count else [job] * count
    serial: list[JobRecord] = []
    for given in inputs if handler.awaits else ():
        serial.append(await worker.run(handler, _fresh(given, mode), timeout_s))
        if cancelled(serial[-1]):
            return Report("CANCELLED", "dim", f"{handler.name}, after {len(serial)} jobs one by one")
    together = await worker.run_together(handler, [_fresh(given, mode) for given in inputs], timeout_s)
    if any(map(cancelled, together)):
        return Report("CANCELLED", "dim", f"{handler.name}, {count} jobs at once")
    overlap = Overlap(handler, serial or together, together)
    for at in overlap.differing():
        overlap.again[at] = await worker.run(handler, _fresh(inputs[at], mode), timeout_s)
        if cancelled(overlap.again[at]):
            return Report("CANCELLED", "dim", f"{handler.name}, job {at + 1} once more")
    findings = [*together[-1].findings, *overlap.findings()]
    listing = [
        f"one by one  {duration(overlap.serial_s * 1000)}",
        f"at once     {duration(overlap.together_s * 1000)}   {overlap.speedup:.1f} times as fast",
    ]
    if not handler.awaits:
        listing = listing[:1]
    headline = f"{handler.name}, {count} jobs at once"
    return Report("OVERLAPPED", tone_of(findings), headline, listing, findings)


def cancelled(record: JobRecord) -> bool:
    """Whether the user ended the job."""
    return record.status is Status.CANCELLED


def _fresh(job: Any, mode: Mode) -> Request:
    """The request with an id of its own: a job's id may not come twice."""
    return request_of({key: value for key, value in whole_job(job).items() if key != "id"}, mode=mode)
