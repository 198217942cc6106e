"""The jobs so far: records them, and tells whoever listens what happens while they run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from rp_notebook.jobs.events import Event
from rp_notebook.jobs.job import Job
from rp_notebook.jobs.record import JobRecord

BUDGET = 500_000_000  # bytes of posted bodies that are kept; the oldest jobs go first

Listener = Callable[[Job, Event], None]


class History:
    """Finished jobs, oldest first, within `budget` bytes of posted bodies."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._records: deque[JobRecord] = deque()
        self._listeners: list[Listener] = []
        self._budget = budget
        self._held = 0

    def happened(self, job: Job, event: Event) -> None:
        """Tells every listener that `event` made `job` what it is now."""
        for listener in tuple(self._listeners):
            listener(job, event)

    def ended(self, record: JobRecord) -> None:
        """Keeps a finished job."""
        self._records.append(record)
        self._held += _bytes_of(record)
        while self._held > self._budget and len(self._records) > 1:
            self._held -= _bytes_of(self._records.popleft())

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener(job, event)` from now on; the returned function ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def of(self, handler: str, version: int | None = None) -> tuple[JobRecord, ...]:
        """The jobs of one handler, oldest first; with `version`, those of that registration only."""
        return tuple(
            record
            for record in self._records
            if record.job.handler == handler and version in (None, record.job.version)
        )

    def __iter__(self) -> Iterator[JobRecord]:
        return iter(tuple(self._records))

    def __len__(self) -> int:
        return len(self._records)


def _bytes_of(record: JobRecord) -> int:
    return sum(len(post.body) for post in record.posts) + record.sizes.request
