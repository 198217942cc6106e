"""The endpoints of one server, by name: each is made when somebody first asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from rp_notebook.endpoint.asked import Asked
from rp_notebook.endpoint.endpoint import Endpoint
from rp_notebook.endpoint.queue import Queue
from rp_notebook.jobs.runner import Clock

Made = Callable[[Endpoint], None]


class Endpoints(Mapping[str, Queue]):
    """The queues of endpoints, for their workers; `endpoint` gives the whole, for clients.

    `known` says whether there may be an endpoint of a name, `timeout_s` gives its own execution timeout. `made` is
    called with each new one, and `finished` with the terms of each job that ended, and how to get its status object.
    """

    def __init__(
        self,
        known: Callable[[str], bool],
        clock: Clock,
        *,
        timeout_s: Callable[[str], float | None] = lambda _name: None,
        made: Made = lambda _endpoint: None,
        finished: Callable[[Asked, Callable[[], bytes]], None] = lambda _asked, _status: None,
    ) -> None:
        self._known, self._clock, self._timeout_s = known, clock, timeout_s
        self._made, self._finished = made, finished
        self._by_name: dict[str, Endpoint] = {}
        self._sooner: Callable[[], None] = lambda: None

    def endpoint(self, name: str) -> Endpoint | None:
        """The endpoint of that name; None when there can be none."""
        found = self._by_name.get(name)
        if found is None and self._known(name):
            found = self._by_name[name] = Endpoint(
                name,
                self._clock,
                timeout_s=lambda: self._timeout_s(name),
                finished=lambda entry, asked: self._finished(asked, lambda: self._by_name[name].status(entry.job.id)),
                sooner=lambda: self._sooner(),
            )
            self._made(found)
        return found

    def __getitem__(self, name: str) -> Queue:
        found = self.endpoint(name)
        if found is None:
            raise KeyError(name)
        return found.queue

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def on_sooner(self, sooner: Callable[[], None]) -> None:
        """Calls `sooner` whenever something may be due sooner than it was."""
        self._sooner = sooner

    def open_jobs(self) -> dict[str, Endpoint]:
        """The jobs that are not over for their clients, by their ids."""
        return {job_id: found for found in self._by_name.values() for job_id in found.open_jobs}

    @property
    def due(self) -> float | None:
        """When `tick` has something to do, in seconds since the epoch."""
        return min((at for at in (found.due for found in self._by_name.values()) if at is not None), default=None)

    def tick(self) -> None:
        """Ends what has run out of time, everywhere."""
        for found in tuple(self._by_name.values()):
            found.tick()

    def close(self, why: str) -> None:
        """Ends every job that has not ended: who waits for one is told why."""
        for found in self._by_name.values():
            found.close(why)
