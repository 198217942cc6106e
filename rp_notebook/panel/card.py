"""What `%runpod` alone shows: the handlers, the last jobs, and what to type next."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.record import JobRecord
from rp_notebook.panel import style
from rp_notebook.panel.preview import duration
from rp_notebook.panel.result import verdict

JOBS_SHOWN = 5


class StatusCard:
    """The state of a notebook in a few lines."""

    def __init__(self, handlers: Iterable[Handler], records: Iterable[JobRecord]) -> None:
        self._handlers = tuple(handlers)
        self._records = tuple(records)

    def __repr__(self) -> str:
        return "\n".join((*self._known(), *self._last(), *self._next()))

    def _repr_html_(self) -> str:
        lines = "".join(f"<div>{escape(line)}</div>" for line in (*self._known(), *self._last()))
        steps = "".join(f"<div><code>{escape(step.strip())}</code></div>" for step in self._next())
        return f'{style.SHEET}<div class="rpn">{lines}{steps}</div>'

    def _known(self) -> list[str]:
        if not self._handlers:
            return ["no handler is registered: begin a cell with %%runpod_handler, above def handler(job): ..."]
        latest = len(self._handlers) - 1
        return [
            f"handler {handler.name} v{handler.version} ({handler.kind.value})"
            + (", the latest" if at == latest else "")
            for at, handler in enumerate(self._handlers)
        ]

    def _last(self) -> list[str]:
        jobs = self._records[-JOBS_SHOWN:]
        return [
            f"job {job.id[:13]} of {job.job.handler}: {verdict(job).badge} in {duration(job.execution_ms or 0)}"
            for job in jobs
        ]

    def _next(self) -> list[str]:
        if not self._handlers:
            return []
        steps = ['%runpod job {"...": "..."}', "%runpod jobs", "%runpod export DIR", "%runpod prove DIR"]
        return [f"  {step}" for step in (steps if self._records else steps[:1])]
