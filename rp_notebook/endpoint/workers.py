"""The workers of one endpoint: which are there, when each was last heard of, and which are not well."""

from __future__ import annotations

from rp_notebook.jobs.runner import Clock


class Workers:
    """Known by name from the first word on. `clock` gives seconds since the epoch."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._checks: dict[str, str | None] = {}
        self._seen: dict[str, float] = {}

    def join(self, worker: str) -> None:
        """A worker is there; one that is never `saw` stays until it is forgotten."""
        self._checks.setdefault(worker, None)

    def saw(self, worker: str) -> None:
        """Anything was heard of a worker."""
        self._seen[worker] = self._clock()

    def fails(self, worker: str, check: str) -> None:
        """A worker says which fitness check failed and why."""
        self._checks[worker] = check

    def forget(self, worker: str) -> None:
        """A worker is gone."""
        self._checks.pop(worker, None)
        self._seen.pop(worker, None)

    def seen(self, worker: str) -> float | None:
        """When a worker was last heard of."""
        return self._seen.get(worker)

    def asked(self, worker: str) -> bool:
        """Whether that worker is up: it has asked for a job."""
        return self._checks.get(worker, "") is None

    def unhealthy(self, worker: str) -> str | None:
        """The fitness check that a worker reported as failed."""
        return self._checks.get(worker)

    def heard_since(self, at: float) -> frozenset[str]:
        """All that are there: who falls silent is not."""
        return frozenset(worker for worker in self._checks if self._seen.get(worker, at) >= at)
