"""What a rehearsal showed, for a reader: how the handler fared here, how the endpoint will, and how failures look."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rp_notebook.endpoint.endpoint import EXECUTION_S
from rp_notebook.endpoint.faults import FAULTS, Fault
from rp_notebook.endpoint.rehearsal import Ran, Rehearsed
from rp_notebook.endpoint.scaling import Rules, Scaling
from rp_notebook.endpoint.simulation import Simulated, simulated
from rp_notebook.endpoint.traffic import Traffic
from rp_notebook.endpoint.work import Work
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.pools import Demand, Pool, PriceTable
from rp_notebook.jobs.series import percentile
from rp_notebook.panel.fit import dollars
from rp_notebook.panel.preview import aligned, duration, preview
from rp_notebook.panel.report import Report, tone_of

SHARES = (50, 95, 99)
SHOWN = 5  # ways to fail
NOTE = 200  # characters of one
HOUR_S = 3600.0
JOBS, MOST_JOBS = 1000, 10_000  # that are simulated at least, and at most
LEAST_S = 1e-4  # a job that took less is taken to have taken so long
WHOLE = 5000  # bytes of an answer that is shown as it is
BLOCKS = "▁▂▃▄▅▆▇█"
COLUMNS = 60
SLOW = 1.5  # a pause is worth a word that makes a job so many times as long ...
BUSY = 0.3  # ... where workers have this much to do, or more


@dataclass(frozen=True)
class Target:
    """The endpoint that is simulated: its settings, its possible pools, and its cold start in seconds with the reason.

    `seconds` is what a job takes there on average; None where it is what it took here.
    """

    scaling: Scaling
    rules: Rules
    prices: PriceTable
    cold_start_s: float
    why_cold: str
    seconds: float | None = None

    def pool(self, demand: Demand | None) -> tuple[Pool, str]:
        """The pool whose price counts for such jobs, and why."""
        pools = self.prices.pools
        if len(pools) == 1:
            return pools[0], "as given"
        if demand is None:
            return self.prices.fitting(0)[0], "the cheapest; no job has measured a GPU"
        fitting = self.prices.fitting(demand.needed)
        if fitting:
            return fitting[0], "the cheapest that holds its jobs"
        return max(pools, key=lambda pool: pool.memory_gb), "the largest, though none holds its jobs"


def rehearsal_report(
    handler: Handler, found: Rehearsed, sent: str, traffic: Traffic, target: Target, demand: Demand | None
) -> Report:
    """What was measured, and the endpoint simulated from it; `demand` is what its jobs ask of a card."""
    ran = found.ran
    badge = "STOPPED" if found.stopped else "REHEARSED"
    if not ran:
        return Report(badge, "dim", f"{handler.name}: no job ended before that", [f"sent      {sent}"])
    well = sum(each.outcome == "COMPLETED" for each in ran)
    ended = f"{len(ran)} job{'s' * (len(ran) != 1)}"
    told = f"{ended} ended in {duration(found.seconds * 1000)}, {len(ran) / found.seconds:.1f} a second"
    headline = f"{handler.name} v{handler.version}: {told}, {'all' if well == len(ran) else well} COMPLETED"
    left = found.sent - len(ran)
    given_up = f"; {left} {'still waited' if not found.stopped else 'had not ended'} when it was over"
    listing = [f"sent      {sent}" + given_up * (left > 0), "", *_measured(ran), *_failures(ran)]
    work = _work(handler, ran, target)
    listing += ["", *_simulated(traffic, work, target, *target.pool(demand))]
    findings = [*_slow(handler, ran), *_findings(handler, traffic, work, target)]
    tone = "dim" if found.stopped else tone_of(findings) if well == len(ran) else "bad"
    return Report(badge, tone, headline, listing, findings)


def _measured(ran: Sequence[Ran]) -> list[str]:
    rows = [("here", *(f"p{share}" for share in SHARES), "max")]
    for name, times in (
        ("execution", [each.execution_ms for each in ran]),
        ("in queue", [each.delay_ms for each in ran]),
    ):
        rows.append((name, *_percentiles(sorted(times)), duration(max(times))))
    return aligned(rows)


def _percentiles(ordered: Sequence[float]) -> list[str]:
    return [duration(percentile(ordered, share)) for share in SHARES]


def _failures(ran: Sequence[Ran]) -> list[str]:
    kinds = Counter((each.outcome, each.note) for each in ran if each.outcome != "COMPLETED")
    listing = [
        f"{count} {outcome}  {' '.join(note[:NOTE].split())}" for (outcome, note), count in kinds.most_common(SHOWN)
    ]
    more = len(kinds) - SHOWN
    listing += [f"… {more} more ways to fail"] if more > 0 else []
    return ["", *listing, "(the first of each: %runpod jobs)"] if kinds else []


def _work(handler: Handler, ran: Sequence[Ran], target: Target) -> Work:
    times = [max(each.execution_ms / 1000, LEAST_S) for each in ran]
    if target.seconds is not None:
        there = target.seconds * len(times) / sum(times)
        times = [time * there for time in times]
    concurrency = max(handler.concurrency or 1, 1) if handler.awaits else 1
    return Work(times, target.cold_start_s, concurrency, not handler.awaits, target.rules.look_again_s)


def _simulated(traffic: Traffic, work: Work, target: Target, pool: Pool, why: str) -> list[str]:
    asked = target.scaling
    seconds = _period(traffic, work, asked)
    runs = {scaling: simulated(traffic, seconds, work, scaling, billed_by_s=target.rules.billed_by_s)
            for scaling in _alternatives(asked)}  # fmt: skip
    jobs = len(runs[asked].delays_s)
    price = (
        "no price known" if pool.usd_per_hour is None else f"{dollars(pool.usd_per_hour)} USD/h of {target.prices.date}"
    )
    hours, minutes = seconds / HOUR_S, seconds / 60
    lasting = f"{hours:.0f} h" if hours >= 1 else f"{minutes:.0f} min" if minutes >= 1 else f"{seconds:.0f} s"
    rows = [("workers", "scale by", *(f"p{share}" for share in SHARES), "mean", "busy", "cold", "USD/1000")]
    return [
        f"deployed  the same traffic, simulated: {jobs:,} jobs in {lasting}",
        f"cold      {duration(target.cold_start_s * 1000)} until a worker is ready ({target.why_cold})",
        f"price     {pool.id}, {price} ({why}); USD/1000 is for 1000 jobs",
        f"rules     of {target.rules.date}; FlashBoot off; what this cannot know: docs/endpoint.md",
        "",
        *aligned([*rows, *(_row(scaling, run, pool) for scaling, run in runs.items())]),
        "",
        *_over_time(asked, runs[asked]),
    ]


def _row(scaling: Scaling, run: Simulated, pool: Pool) -> tuple[str, ...]:
    alive = run.busy_s + run.cold_s + run.idle_s
    rule = (
        f"delay {scaling.threshold:g} s"
        if scaling.scale_by == "delay"
        else f"{scaling.threshold:g} job{'s' * (scaling.threshold != 1)} each"
    )
    return (
        f"{scaling.workers_min}-{scaling.workers_max}",
        rule,
        *_percentiles([delay * 1000 for delay in run.delays_s]),
        f"{run.mean_workers:.1f}",
        *(f"{part / alive:.0%}" if alive else "-" for part in (run.busy_s, run.cold_s)),
        "-" if pool.usd_per_s is None else dollars(run.usd_per_1000(pool.usd_per_s)),
    )


def _alternatives(asked: Scaling) -> list[Scaling]:
    """What was asked for, and what one would try next: another rule, a worker that always runs, more of them."""
    other = replace(asked, scale_by="requests", threshold=1.0)
    always = replace(
        asked, workers_min=asked.workers_min + 1, workers_max=max(asked.workers_max, asked.workers_min + 1)
    )
    more = replace(asked, workers_max=2 * asked.workers_max)
    return [*dict.fromkeys((asked, other, always, more))]


def _period(traffic: Traffic, work: Work, scaling: Scaling) -> float:
    """How long is simulated: an hour, but enough jobs to tell percentiles, and no more than takes a moment."""
    rate = traffic.rate
    if traffic.clients:
        each_s = max(sum(work.times_s) / len(work.times_s), work.look_again_s)
        rate = min(traffic.clients, scaling.workers_max * work.concurrency) / each_s
    return min(max(HOUR_S, JOBS / rate), MOST_JOBS / rate)


def _over_time(scaling: Scaling, run: Simulated) -> list[str]:
    """How many workers there were at most in each part of the time, as a row of blocks."""
    most = [0] * COLUMNS
    ends = [at for at, _ in run.alive[1:]] + [run.end_s]
    for (at, count), end in zip(run.alive, ends, strict=True):
        first, last = (min(int(when / run.end_s * COLUMNS), COLUMNS - 1) for when in (at, end))
        for column in range(first, last + 1):
            most[column] = max(most[column], count)
    drawn = "".join(" " if not count else BLOCKS[math.ceil(count / run.peak * len(BLOCKS)) - 1] for count in most)
    return [f"workers over that time with {scaling}: at most {run.peak}", f"|{drawn}|"]


def _slow(handler: Handler, ran: Sequence[Ran]) -> Iterator[Finding]:
    longest_ms = max(each.execution_ms for each in ran)
    if handler.timeout_s is None and longest_ms > EXECUTION_S * 1000:
        message = (
            f"a job took {duration(longest_ms)}; an endpoint ends it after {EXECUTION_S:g} s unless told otherwise"
        )
        yield Finding(
            "RPJ182", "warning", message, "set a longer executionTimeout, and --timeout S of the handler here"
        )


def _findings(handler: Handler, traffic: Traffic, work: Work, target: Target) -> Iterator[Finding]:
    slots = target.scaling.workers_max * work.concurrency
    needed = traffic.rate * work.slot_s
    if not traffic.clients and needed > slots:
        message = (
            f"{traffic.rate:g} jobs a second are more than {target.scaling.workers_max} workers do "
            f"({slots / work.slot_s:.2g}): jobs wait longer and longer"
        )
        yield Finding("RPJ180", "warning", message, f"try --workers-max {math.ceil(needed / work.concurrency) + 1}")
    mean = sum(work.times_s) / len(work.times_s)
    busy = traffic.clients or needed > BUSY * slots
    if busy and work.concurrency == 1 and work.slot_s > SLOW * mean:
        message = (
            f"a job of {duration(mean * 1000)} keeps a worker for {duration(work.slot_s * 1000)}: one that takes a job "
            "at a time looks for the next once a second (SDK 1.12)"
        )
        write = "register it with --concurrency N" if handler.awaits else "write it async, with --concurrency N"
        yield Finding("RPJ181", "note", message, f"{write}, or take several inputs in a job")


def fault_report(handler: Handler, faults: Sequence[Fault], *, stopped: bool) -> Report:
    """What a client gets for each failure, as the endpoint answers it."""
    listing: list[str] = []
    for fault in faults:
        listing += [f"{fault.kind}: {FAULTS[fault.kind]}"]
        for seen in fault.seen:
            listing += [f"  GET /{seen.route}/ID, {_when(seen.after_s)}", *_told(seen.body)]
        listing += [f"  {finding}" for finding in fault.findings] + [""]
    badge = "STOPPED" if stopped else "INJECTED"
    return Report(badge, "dim", f"{handler.name}: what a client gets of a worker that fails", listing[:-1])


def _when(after_s: float) -> str:
    return "at once" if after_s < 1 else f"{after_s:.0f} s after it began"


def _told(body: bytes) -> list[str]:
    """The JSON of an answer; all of it but for large outputs."""
    value = json.loads(body)
    text = json.dumps(value, indent=2, ensure_ascii=False) if len(body) < WHOLE else preview(value)
    return [f"    {line}" for line in text.splitlines()]
