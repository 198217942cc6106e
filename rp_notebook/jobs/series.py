"""The same job many times: how long it takes, what the first call costs, and whether memory grows."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.payload import MB
from rp_notebook.jobs.record import JobRecord

LEAK_BYTES = 1 * MB  # growth a job from which on it is called a leak ...
LEAK_JOBS = 8  # ... when at least so many jobs tell of it
SLOW_FIRST = 3.0  # the first job is worth a word when it takes so many times the median of the rest ...
SLOW_MS = 20.0  # ... and so much longer


def percentile(ordered: Sequence[float], share: int) -> float:
    """The value that `share` percent of sorted values do not exceed (nearest rank)."""
    return ordered[max(-(-len(ordered) * share // 100) - 1, 0)]


@dataclass(frozen=True)
class Series:
    """Records of one job, in the order in which they ran. Times are in ms, memory in bytes."""

    records: Sequence[JobRecord]

    @property
    def times_ms(self) -> tuple[float, ...]:
        """Execution times."""
        return tuple(record.execution_ms for record in self.records if record.execution_ms is not None)

    @property
    def first_ms(self) -> float:
        """The first job's time."""
        return self.times_ms[0]

    @property
    def rest_ms(self) -> tuple[float, ...]:
        """The other times, sorted; the only one when there is no other."""
        return tuple(sorted(self.times_ms[1:] or self.times_ms))

    @property
    def median_ms(self) -> float:
        """The median of the rest."""
        return statistics.median(self.rest_ms)

    @property
    def p95_ms(self) -> float:
        """The 95th percentile of the rest: 19 of 20 took no longer (nearest rank)."""
        return percentile(self.rest_ms, 95)

    @property
    def growth(self) -> float | None:
        """Bytes by which resident memory grows from job to job, by least squares; None if too few jobs tell.

        The first job is left out: it loads what the others only use.
        """
        held = [record.gauge.rss_after for record in self.records[1:] if record.gauge is not None]
        if len(held) < LEAK_JOBS:
            return None
        return statistics.linear_regression(range(len(held)), held).slope

    def findings(self) -> Iterator[Finding]:
        """What the series shows that a single job does not."""
        if self.growth is not None and self.growth > LEAK_BYTES:
            message = f"memory grows by {self.growth / MB:.1f} MB with every job: this is a leak"
            fix = (
                "look for what is appended to a module-level list, cached without bound, or kept with its graph (torch)"
            )
            yield Finding("RPJ120", "error", message, fix)
        slow = len(self.times_ms) > 1 and self.first_ms - self.median_ms > SLOW_MS
        if slow and self.first_ms > SLOW_FIRST * self.median_ms:
            message = f"the first job took {self.first_ms / self.median_ms:.0f} times as long as the others"
            yield Finding("RPJ121", "note", message, "run a warm-up job where the model is loaded")
        ends = {str(record.status) for record in self.records}
        if len(ends) > 1:
            yield Finding("RPJ122", "warning", f"the same job ended as {' and as '.join(sorted(ends))}")
