"""The jobs so far: keeps them, and tells whoever listens what happens while they run."""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from rp_notebook.jobs.events import Event, Started
from rp_notebook.jobs.job import Job
from rp_notebook.jobs.query import JobLine, Query
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.running import Listener
from rp_notebook.jobs.store import Store
from rp_notebook.jobs.stored import Running

BUDGET = 500_000_000  # bytes of bodies that are kept; the oldest jobs go first

EVERY_JOB = Query()

Result = TypeVar("Result")


def _nowhere() -> Iterable[Path]:
    return ()


class History:
    """Jobs in a file, which the first of `places` gives that can be used; where none can, in memory.

    `places` is asked when the first job runs or somebody looks. `budget` is in bytes; `warn` hears, once, that the
    file cannot be used (a full disk): jobs go on, in memory. `secrets` gives texts that must not be kept.
    """

    def __init__(
        self,
        places: Callable[[], Iterable[Path]] = _nowhere,
        *,
        budget: int = BUDGET,
        warn: Callable[[str], None] = warnings.warn,
        secrets: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._places = places
        self._budget = budget
        self._warn = warn
        self._secrets = secrets
        self._listeners: list[Listener] = []
        self._told_of_ends: list[Callable[[JobRecord], None]] = []
        self._running: dict[int, Running] = {}  # by the request, one object for each job: an id may come twice
        self._process = os.getpid()
        self._opened: Store | None = None

    @property
    def path(self) -> Path | None:
        """The file; None when jobs are kept in memory only."""
        return self._store.path

    def happened(self, job: Job, event: Event, *, at_once: bool = True) -> None:
        """Keeps that a job started, and tells every listener that `event` made `job` what it is now.

        It is on the disk `at_once`, or some milliseconds later: that is no time of the job's own.
        """
        if isinstance(event, Started) and self._is_ours:
            running = Running(job)
            self._running[id(job.request)] = running
            self._put(running, at_once=at_once)
        if self._listeners:
            for listener in tuple(self._listeners):
                listener(job, event)

    def ended(self, record: JobRecord, *, at_once: bool = True) -> None:
        """Keeps a finished job; `at_once` as in `happened`."""
        if self._is_ours:
            job = record.job
            running = self._running.pop(id(job.request), None) or Running(job)  # cancelled before its start
            running.record = record
            self._put(running, at_once=at_once)
            for tell in tuple(self._told_of_ends):
                tell(record)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener(job, event)` from now on; the returned function ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def listen_ended(self, listener: Callable[[JobRecord], None]) -> Callable[[], None]:
        """Calls `listener(record)` from now on for each job that is kept; the returned function ends that."""
        self._told_of_ends.append(listener)
        return lambda: self._told_of_ends.remove(listener)

    def records(self, query: Query = EVERY_JOB) -> Iterator[JobRecord]:
        """The jobs that a query asks for: oldest first, or in its own order."""
        return self._store.records(query)

    def lines(self, query: Query = EVERY_JOB) -> list[JobLine]:
        """The same jobs without their bodies."""
        return self._kept(lambda store: store.lines(query))

    def tally(self, query: Query = EVERY_JOB) -> dict[str, int]:
        """How many jobs of a query ended how."""
        return self._kept(lambda store: store.tally(query))

    def of(self, handler: str, version: int | None = None) -> tuple[JobRecord, ...]:
        """This kernel's jobs of one handler, oldest first; with `version`, those of that registration only."""
        return tuple(self.records(Query(handler=handler, version=version, here=True)))

    def set_golden(self, row: int, *, golden: bool, tolerance: float | None = None) -> None:
        """Marks a job as golden (kept for good, and as a test), or as golden no more; `tolerance` is relative."""
        self._kept(lambda store: store.set_golden(row, golden=golden, tolerance=tolerance))

    def flush(self) -> None:
        """Puts on the disk whatever is not there yet."""
        if self._opened is not None and self._is_ours:
            self._kept(Store.flush)

    def close(self) -> None:
        """Closes the file; it is opened again when it is needed."""
        self.flush()
        if self._opened is not None and self._opened.path is not None and self._is_ours:
            self._opened.close()
            self._opened = None

    @property
    def _is_ours(self) -> bool:
        # A forked process has a copy of the connection, and must not use it.
        return self._process == os.getpid()

    @property
    def _store(self) -> Store:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> Store:
        troubles = []
        for place in self._places():
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                (place.parent / ".gitignore").write_text("*\n")  # what jobs were given is nobody else's business
                return Store(place, self._budget, self._secrets)
            except (sqlite3.Error, OSError) as error:  # noqa: PERF203 (one of two places at most)
                troubles.append(f"{place}: {error}")
        if troubles:
            self._warn(f"no history can be written ({'; '.join(troubles)}): jobs run, and are kept in memory only")
        return Store(None, self._budget, self._secrets)

    def _put(self, running: Running, *, at_once: bool) -> None:
        store = self._opened or self._store
        try:
            store.put(running, at_once=at_once)
        except sqlite3.Error as error:
            self._left(store, error).put(running)

    def _kept(self, write: Callable[[Store], Result]) -> Result:
        store = self._store
        try:
            return write(store)
        except sqlite3.Error as error:
            return write(self._left(store, error))

    def _left(self, store: Store, error: sqlite3.Error) -> Store:
        """The store that takes the place of one whose file failed. Raises `error` where there is no file."""
        if store.path is None:
            raise error
        self._warn(f"the history {store.path} can no longer be written ({error}): jobs run, and are kept in memory")
        self._opened = store.in_memory()
        return self._opened
