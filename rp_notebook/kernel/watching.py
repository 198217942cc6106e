"""Shows a job below its cell while it runs, where the front end can replace what it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rp_notebook.jobs.events import Event, Progressed, Yielded
from rp_notebook.jobs.history import History
from rp_notebook.jobs.job import Job
from rp_notebook.panel.live import LiveView

EVERY_S = 0.25  # a front end should not be asked to redraw more often

Display = Callable[..., Any]


@contextmanager
def shown_live(history: History, display: Display | None) -> Iterator[None]:
    """While the block runs, what the running job yields and tells is shown; its result is shown in its place.

    `display` is IPython's; None where output cannot be replaced (a terminal): there nothing is shown before the end.
    """
    if display is None:
        yield
        return
    watcher = _Watcher(display)
    stop = history.listen(watcher.happened)
    try:
        yield
    finally:
        stop()
        watcher.clear()


class _Watcher:
    def __init__(self, display: Display) -> None:
        self._display = display
        self._view: LiveView | None = None
        self._handle: Any = None
        self._drawn_at = 0.0

    def happened(self, job: Job, event: Event) -> None:
        if self._view is None:
            self._view = LiveView(job)
        self._view.follow(event)
        if isinstance(event, Yielded | Progressed) and event.at - self._drawn_at >= EVERY_S:
            self._drawn_at = event.at
            if self._handle is None:
                self._handle = self._display(self._view, display_id=True)
            else:
                self._handle.update(self._view)

    def clear(self) -> None:
        if self._handle is not None:
            self._handle.update({"text/plain": ""}, raw=True)
