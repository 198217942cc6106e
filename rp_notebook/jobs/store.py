"""Keeps jobs in a SQLite file, which outlives the kernel that ran them.

A job is written when it starts and again when it ends, at once; only in a burst of short jobs every `COMMIT_S`. A
thread writes what nobody comes back for, and takes large bodies, and those of jobs that a client waits for, off the
job's own time.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rp_notebook.jobs.database import connected, mark_interrupted, this_kernel
from rp_notebook.jobs.job import Job
from rp_notebook.jobs.query import LINE, JobLine, Query
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.stored import (
    RECORD,
    SMALL,
    Body,
    RequestKept,
    Running,
    body_of,
    packed,
    request_kept,
    unpacked,
    without_id,
)

COMMIT_S = 0.01
BEHIND_S = 0.01  # how far the thread is behind at least: most jobs start and end in it, and are written once
LARGE = 250_000  # bytes of a job from which on the thread writes it: hashing and copying them takes milliseconds
EMPTIED = 0.9  # what is over its budget is emptied to this share of it, so that not every job has to
STEPS = 20  # one in so many of the jobs goes at a time

START = (
    "INSERT INTO job (id, kernel, handler, version, cold, started_at, request_size, size, request)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
END = (
    "UPDATE job SET status = ?, outcome = ?, ended_at = ?, result_size = ?, rss_peak = ?, gpu_peak = ?, note = ?,"
    " lost = ?, error = ?, facts = ?, small = ?, size = ? WHERE row = ?"
)


class Store:
    """Jobs in the file at `path`, made where it is missing; without a path, in memory.

    `budget` is in bytes of all bodies; the oldest jobs go first, golden ones never. `secrets` gives what must not be
    kept, beside what looks like a secret. Methods raise `sqlite3.Error` when the file cannot be used, or cannot any
    more.
    """

    def __init__(self, path: Path | None, budget: int, secrets: Callable[[], Collection[str]] = tuple) -> None:
        self.path = path
        self._budget = budget
        self._secrets = secrets
        self._lock = threading.RLock()
        self._connection = connected(path)
        self._kernel = this_kernel(self._connection)
        mark_interrupted(self._connection)
        self._connection.commit()
        self._held = self._size()
        self._seen: set[tuple[str, int]] = set()
        self._waiting: deque[Running] = deque()
        self._flushed_at = 0.0
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = self._fails = False

    def put(self, running: Running, *, at_once: bool = True) -> None:
        """Writes a job that started, or that ended and has its record now; `at_once` if it is not large."""
        self._waiting.append(running)
        if self._fails or (at_once and running.size <= LARGE and not self._is_burst):
            self.flush()
            return
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._write_behind, name="rp_notebook history", daemon=True)
            self._thread.start()
        if not self._wake.is_set():
            self._wake.set()

    def records(self, query: Query) -> Iterator[JobRecord]:
        """The jobs that a query asks for, oldest first unless it says otherwise."""
        for (row,) in self._asked("row", query):
            with self._lock:
                columns = self._connection.execute(f"SELECT {RECORD} FROM job WHERE row = ?", (row,)).fetchone()
                record = None if columns is None else unpacked(columns, self._content)
            if record is not None:  # it may have gone since, to make room
                yield record

    def lines(self, query: Query) -> list[JobLine]:
        """The same jobs without their bodies."""
        return [JobLine(*columns) for columns in self._asked(LINE, query)]

    def tally(self, query: Query) -> dict[str, int]:
        """How many jobs ended how; `last` has no part in it."""
        where, values = query.where(self._kernel)
        with self._lock:
            self.flush()
            return dict(self._connection.execute(f"SELECT outcome, count(*) FROM job WHERE {where} GROUP BY 1", values))

    def set_golden(self, row: int, *, golden: bool, tolerance: float | None) -> None:
        """Marks a job as golden, or as golden no more."""
        with self._lock:
            update = "UPDATE job SET golden = ?, tolerance = ? WHERE row = ?"
            self._connection.execute(update, (golden, tolerance, row))
            self._connection.commit()

    def flush(self) -> None:
        """Writes everything that waits."""
        with self._lock:
            batch = tuple(self._waiting)
            rows = [running.row for running in batch]
            written = False
            try:
                with self._connection:  # else Ctrl-C in the midst of it would leave the file locked
                    for running in batch:
                        self._write(running)
                written = True
            except (sqlite3.Error, KeyboardInterrupt):
                raise
            except Exception:  # our own mistake; it would be made again and again, and keep all others from the disk
                self._waiting.remove(running)
                raise
            finally:
                for running, row in () if written else zip(batch, rows, strict=True):
                    running.row, running.complete = row, False
            for _ in batch:
                self._waiting.popleft()
            self._flushed_at = time.monotonic()

    def close(self) -> None:
        """Writes everything that waits, ends the thread and closes the file."""
        try:
            self.flush()
        finally:
            self._closed = True
            self._wake.set()
            if self._thread is not None:
                self._thread.join()
            self._connection.close()

    def in_memory(self) -> Store:
        """Closes this store and returns one in memory with all that can still be read of it."""
        moved = Store(None, self._budget, self._secrets)
        with self._lock, suppress(sqlite3.Error):  # of a file that cannot be read, nothing is left
            self._connection.rollback()
            self._connection.backup(moved._connection)
            moved._kernel, moved._held = self._kernel, moved._size()
        moved._seen, moved._waiting, self._waiting = self._seen, self._waiting, deque()
        with suppress(sqlite3.Error):
            self.close()
        return moved

    @property
    def _is_burst(self) -> bool:
        return time.monotonic() - self._flushed_at < COMMIT_S

    def _write_behind(self) -> None:
        while not self._closed:
            self._wake.wait()
            self._wake.clear()
            time.sleep(2 * COMMIT_S if self._is_burst else BEHIND_S)  # in a burst, the next job writes
            try:
                self.flush()
            except sqlite3.Error:  # whoever puts or flushes next meets it too, and has somebody to tell
                self._fails = True

    def _write(self, running: Running) -> None:
        if running.kept is None:
            running.kept = request_kept(running.job.request, self._secrets())
        if running.row is None:
            running.row = self._begin(running.job, running.kept[0])
        if running.record is not None and not running.complete:
            self._end(running.row, running.record, running.kept)
            running.complete = True

    def _begin(self, job: Job, body: str) -> int:
        kind = (job.handler, job.version)
        cold = kind not in self._seen
        self._seen.add(kind)
        small = body if len(body) <= SMALL else None
        columns = (job.id, self._kernel, *kind, cold, job.started_at, job.request.size, len(small or ""), small)
        row = self._connection.execute(START, columns).lastrowid or 0
        if small is None:
            at, rest = without_id(job.id, body)
            large = body_of(rest.encode())
            update = "UPDATE job SET request_sha = ?, id_at = ? WHERE row = ?"
            self._connection.execute(update, (large.sha256, at, row))
            self._keep(row, [large])
        return row

    def _end(self, row: int, record: JobRecord, request: RequestKept) -> None:
        kept = packed(record, request, self._secrets())
        gauge = record.gauge
        gpu = gauge.gpu.peak_reserved if gauge is not None and gauge.gpu is not None else None
        columns = (
            *(str(record.status), record.outcome, record.job.ended_at, record.sizes.result),
            *(None if gauge is None else gauge.rss_peak, gpu, kept.note, kept.lost, record.job.error),
            *(kept.facts, kept.small, min(record.sizes.request, SMALL) + len(kept.small), row),
        )
        self._connection.execute(END, columns)
        self._held += len(kept.small)
        self._keep(row, kept.large)
        if self._held > self._budget:
            self._make_room()

    def _keep(self, row: int, bodies: Sequence[Body]) -> None:
        for body in bodies:
            columns = (body.sha256, len(body.content), body.content)
            if self._connection.execute("INSERT OR IGNORE INTO body VALUES (?, ?, ?)", columns).rowcount:
                self._held += len(body.content)
            self._connection.execute("INSERT INTO uses VALUES (?, ?)", (row, body.sha256))

    def _make_room(self) -> None:
        goes = "SELECT row FROM job WHERE NOT golden AND ended_at IS NOT NULL AND row < (SELECT max(row) FROM job)"
        while self._held > EMPTIED * self._budget:
            (count,) = self._connection.execute(f"SELECT count(*) FROM ({goes})").fetchone()
            if not count:
                return
            oldest = f"{goes} ORDER BY row LIMIT {-(-count // STEPS)}"
            self._connection.execute(f"DELETE FROM uses WHERE job IN ({oldest})")
            self._connection.execute(f"DELETE FROM job WHERE row IN ({oldest})")
            self._connection.execute("DELETE FROM body WHERE sha256 NOT IN (SELECT sha256 FROM uses)")
            self._held = self._size()

    def _size(self) -> int:
        sums = "SELECT (SELECT coalesce(sum(size), 0) FROM job) + (SELECT coalesce(sum(size), 0) FROM body)"
        return int(self._connection.execute(sums).fetchone()[0])

    def _asked(self, columns: str, query: Query) -> list[tuple[Any, ...]]:
        where, values = query.where(self._kernel)
        select = f"SELECT {columns} FROM job WHERE {where} ORDER BY {query.ordered} LIMIT ?"
        with self._lock:
            self.flush()
            found = self._connection.execute(select, (*values, -1 if query.last is None else query.last)).fetchall()
        return found[::-1] if query.order is None else found

    def _content(self, sha256: str) -> bytes | None:
        found = self._connection.execute("SELECT content FROM body WHERE sha256 = ?", (sha256,)).fetchone()
        return None if found is None else found[0]
