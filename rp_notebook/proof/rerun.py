"""A job that ran again: what differs for the client, and what differs each time anyway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rp_notebook.export.recorded import TOLERANCE, error_parts
from rp_notebook.jobs.record import JobRecord
from rp_notebook.proof.comparison import Difference, differences


@dataclass(frozen=True)
class Rerun:
    """A job before and after an edit, and `again` as after it where the two differ. `tolerance` is relative."""

    before: JobRecord
    after: JobRecord
    again: JobRecord | None = None
    tolerance: float = TOLERANCE

    @property
    def changes(self) -> tuple[Difference, ...]:
        """What the client sees otherwise than before, but for what differs each time."""
        unstable = {difference.path for difference in self.unstable}
        return tuple(found for found in self._between(self.before, self.after) if found.path not in unstable)

    @property
    def unstable(self) -> tuple[Difference, ...]:
        """What differs between two runs of the very same code."""
        return () if self.again is None else self._between(self.after, self.again)

    def _between(self, one: JobRecord, other: JobRecord) -> tuple[Difference, ...]:
        return tuple(differences(seen(one), seen(other), "", self.tolerance))


def seen(record: JobRecord) -> dict[str, Any]:
    """What a client sees of a job, without what differs by nature: traceback, host, worker and SDK version."""
    told: dict[str, Any] = {"status": record.outcome}
    if record.items:
        told["stream"] = record.items
    if "output" in record.answer:
        told["output"] = record.output
    if record.error is not None:
        parts = error_parts(record.error) if isinstance(record.error, str) else None
        told["error"] = record.error if parts is None else {"type": parts[0], "message": parts[1]}
    if record.lost:
        told["lost"] = record.lost
    return told
