"""The notebook that this process runs: a job that `run_job` or `arun_job` runs in it belongs to its history too."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rp_notebook.jobs.handler import Handler
    from rp_notebook.jobs.handlers import Handlers
    from rp_notebook.jobs.history import History
    from rp_notebook.jobs.interrupts import Stop
    from rp_notebook.jobs.record import JobRecord
    from rp_notebook.jobs.running import Listener


class Notebook:
    """Its history and handlers while the extension is loaded. Plain Python has neither.

    `stops` are the ways to end the jobs that run.
    """

    def __init__(self) -> None:
        self.stops: list[Stop] = []
        self._history: History | None = None
        self._handlers: Handlers | None = None

    def opened(self, history: History, handlers: Handlers) -> None:
        """From now on, jobs belong to this history."""
        self._history, self._handlers = history, handlers

    def closed(self) -> None:
        """From now on, jobs belong to nobody."""
        self._history = self._handlers = None

    def known(self, handler: Handler) -> Handler:
        """The handler, under the name and the version of the registered one that calls the same function."""
        if self._handlers is not None:
            for registered in self._handlers:
                if registered.call is handler.call:
                    return handler._replace(name=registered.name, version=registered.version)
        return handler

    @property
    def listener(self) -> Listener | None:
        """Who is to hear what happens to jobs: the history, if there is one."""
        return None if self._history is None else self._history.happened

    def ended(self, record: JobRecord) -> None:
        """Gives a finished job to the history, if there is one."""
        if self._history is not None:
            self._history.ended(record)


# A process has one notebook, and nobody hands it to `run_job`, which is a plain function.
notebook = Notebook()
