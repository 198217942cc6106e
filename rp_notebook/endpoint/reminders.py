"""What is to be done about the jobs of an endpoint at some later time, the soonest first."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator
from typing import Literal, NamedTuple

SPARE, OPEN = 200, 3  # reminders of no job, and of one that has not ended

Due = Literal["ttl", "execution", "silence", "result"]


class Reminder(NamedTuple):
    """What is due, and when, of the job that was put under that number."""

    at: float
    job_id: str
    what: Due
    number: int


class Reminders:
    """`sooner` is called when `due` comes sooner than it would have."""

    def __init__(self, sooner: Callable[[], None]) -> None:
        self._sooner = sooner
        self._due: list[Reminder] = []

    def __len__(self) -> int:
        return len(self._due)

    @property
    def due(self) -> float | None:
        """When the next one is due, in seconds since the epoch; None when nothing is."""
        return self._due[0].at if self._due else None

    def add(self, reminder: Reminder) -> None:
        """Keeps it until it is due."""
        heapq.heappush(self._due, reminder)
        if self._due[0] is reminder:
            self._sooner()

    def until(self, now: Callable[[], float]) -> Iterator[Reminder]:
        """Those that have come due, which are kept no longer."""
        while self._due and self._due[0].at <= now():
            yield heapq.heappop(self._due)

    def thin_out(self, going: Collection[str], ended: Collection[str]) -> None:
        """Forgets those that nobody needs any more: they may wait for a day, and a job that ended needs but one."""
        if len(self._due) > 2 * (SPARE + OPEN * len(going) + len(ended)):
            self._due = [due for due in self._due if due.job_id in (ended if due.what == "result" else going)]
            heapq.heapify(self._due)
