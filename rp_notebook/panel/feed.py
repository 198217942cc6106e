"""Tells a panel what happens to jobs, in few messages: a stream of many items must not flood it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from rp_notebook.jobs.events import Event, Progressed, Started, Yielded
from rp_notebook.jobs.history import History
from rp_notebook.jobs.job import Job
from rp_notebook.jobs.query import JobLine, Query
from rp_notebook.jobs.record import JobRecord
from rp_notebook.panel.live import fraction
from rp_notebook.panel.preview import cell_text, preview

EVERY_S = 0.05
SOON_S = 0.02  # most jobs are over by then: one message tells it all
ITEMS = 100  # of one job in one message
TEXT = 10_000  # characters of it
BESIDE = 20  # rows looked at besides those that ended

Send = Callable[[dict[str, Any]], None]


class Feed:
    """Follows a history; `told` gives what else a panel wants to know of a job that ended.

    Its events come on the main thread; what they lead to may be sent by a thread of its own.
    """

    def __init__(self, history: History, send: Send, told: Callable[[JobRecord], dict[str, Any] | None]) -> None:
        self._history, self._send, self._told = history, send, told
        self._lock = threading.Lock()
        self._live: dict[str, dict[str, Any]] = {}
        self._changed: dict[str, dict[str, Any]] = {}
        self._ended: dict[str, dict[str, Any] | None] = {}
        self._sent_at = 0.0
        self._timer: threading.Timer | None = None

    @property
    def live(self) -> list[dict[str, Any]]:
        """The jobs that run."""
        return [{**state, "items": [], "text": ""} for state in tuple(self._live.values())]

    def watch(self) -> Callable[[], None]:
        """From now on it tells; the returned function ends that."""
        stops = (self._history.listen(self._happened), self._history.listen_ended(self._has_ended))

        def stop() -> None:
            for each in stops:
                each()
            with self._lock:
                if self._timer is not None:
                    self._timer.cancel()

        return stop

    def _happened(self, job: Job, event: Event) -> None:
        match event:
            case Started(at=at):
                state = {"id": job.id, "handler": job.handler, "version": job.version, "at": at, "count": 0}
                with self._lock:
                    self._live[job.id] = self._changed[job.id] = state
                self._soon(SOON_S)
            case Yielded(post=post) | Progressed(post=post) if post is not None and job.id in self._live:
                with self._lock:
                    self._took(job.id, event, post.value.get("output"))
                self._soon(EVERY_S)

    def _took(self, job_id: str, event: Event, value: Any) -> None:
        state = self._live[job_id]
        change = self._changed.setdefault(job_id, state)
        if isinstance(event, Progressed):
            change |= {"progress": cell_text(value, ITEMS), "part": fraction(value)}
            return
        change["count"] += 1
        if isinstance(value, str):
            change["text"] = (change.get("text", "") + value)[-TEXT:]
        else:
            change["items"] = [*change.get("items", [])[1 - ITEMS :], preview(value)]

    def _has_ended(self, record: JobRecord) -> None:
        told = self._told(record)
        with self._lock:
            self._live.pop(record.id, None)
            self._ended[record.id] = told
        if told is not None:  # somebody waits for it
            self._flush()
        else:
            self._soon(EVERY_S)

    def _soon(self, wait_s: float) -> None:
        with self._lock:
            if self._timer is not None:
                return
            due = max(self._sent_at + EVERY_S - time.monotonic(), wait_s)
            self._timer = threading.Timer(due, self._flush)
            self._timer.daemon = True
            self._timer.start()

    def _flush(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._sent_at = time.monotonic()
            changed = [dict(state) for job_id, state in self._changed.items() if job_id not in self._ended]
            for state in self._changed.values():
                state |= {"items": [], "text": ""}
            self._changed.clear()
            ended, self._ended = self._ended, {}
        if changed or ended:
            told = [told for told in ended.values() if told is not None]
            self._send({"kind": "events", "live": changed, "rows": self._rows(ended), "ended": [*ended], "told": told})

    def _rows(self, ids: Iterable[str]) -> list[JobLine]:
        wanted = set(ids)
        if not wanted:
            return []
        latest = self._history.lines(Query(last=len(wanted) + BESIDE))
        missing = wanted - {line.id for line in latest}
        older = self._history.lines(Query(ids=tuple(missing))) if missing else []
        return [line for line in (*older, *latest) if line.id in wanted]
