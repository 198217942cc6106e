"""Jobs one after another against the same jobs at once: what overlapping gains, and what it breaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.record import JobRecord

OVERLAPS = 0.8  # of the serial time: at most so much, and jobs are said to overlap


@dataclass(frozen=True)
class Overlap:
    """Records of the same jobs, in the same order: one after another, and at once.

    A sync handler's jobs are one after another either way, and run once. `again` is filled, by position, with the
    `differing` ones, alone once more.
    """

    handler: Handler
    serial: Sequence[JobRecord]
    together: Sequence[JobRecord]
    again: dict[int, JobRecord] = field(default_factory=dict)

    @property
    def serial_s(self) -> float:
        """Seconds that the jobs took one after another."""
        return sum(record.execution_ms or 0.0 for record in self.serial) / 1000

    @property
    def together_s(self) -> float:
        """Seconds from the start of the first job to the end of the last when they ran at once."""
        jobs = [record.job for record in self.together]
        return max(job.ended_at or 0.0 for job in jobs) - min(job.started_at or 0.0 for job in jobs)

    @property
    def one_by_one(self) -> bool:
        """Whether no job began before another had ended, though several could have."""
        spans = sorted((record.job.started_at or 0.0, record.job.ended_at or 0.0) for record in self.together)
        return len(spans) > 1 and all(ended <= began for (_, ended), (began, _) in pairwise(spans))

    @property
    def speedup(self) -> float:
        """How many times as fast the jobs were at once."""
        return self.serial_s / self.together_s if self.together_s else 1.0

    def differing(self) -> list[int]:
        """Positions of the jobs that answered differently when others ran at the same time."""
        pairs = enumerate(zip(self.serial, self.together, strict=True))
        return [at for at, (alone, crowded) in pairs if answers(alone) != answers(crowded)]

    def findings(self) -> Iterator[Finding]:
        """Shared state that breaks, and handlers that cannot overlap."""
        if not self.handler.awaits:
            message = "a sync handler runs one job after another, whatever the concurrency: it holds the worker's loop"
            yield Finding("RPJ130", "warning", message, "write `async def` and await what takes long")
        elif self.one_by_one or self.together_s > OVERLAPS * self.serial_s:
            message = f"the jobs hardly overlap: {self.together_s:.2f} s at once, {self.serial_s:.2f} s one by one"
            fix = "something in the handler blocks the loop: await it, or give it to asyncio.to_thread"
            yield Finding("RPJ131", "warning", message, fix)
        for at in self.differing():
            if at in self.again and answers(self.serial[at]) != answers(self.again[at]):
                message = f"job {at + 1} answers differently each time: races cannot be told from it"
                yield Finding("RPJ133", "note", message)
            else:
                message = f"job {at + 1} answers differently when others run at the same time: its state is shared"
                yield Finding("RPJ132", "error", message, "keep what belongs to one job in local variables")


def answers(record: JobRecord) -> tuple[object, ...]:
    """What a record says to the client, without its identity."""
    return (record.status, record.lost, tuple(post.body for post in record.posts if post.kind != "progress"))
