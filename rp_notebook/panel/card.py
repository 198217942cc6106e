"""What `%runpod` alone shows: the handlers, the last jobs, and what to type next."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.query import JobLine
from rp_notebook.panel import style
from rp_notebook.panel.preview import duration
from rp_notebook.panel.result import wrapped


class StatusCard:
    """The state of a notebook in a few lines: `jobs` are the latest, `history` says where they are kept.

    `endpoints` says where the latest handler is served, and `exports` what changed since the notebook was exported.
    """

    def __init__(
        self,
        handlers: Iterable[Handler],
        jobs: Iterable[JobLine],
        history: str,
        endpoints: Iterable[str] = (),
        exports: Iterable[str] = (),
    ) -> None:
        self._endpoints = tuple(endpoints)
        self._handlers = tuple(handlers)
        self._jobs = tuple(jobs)
        self._history = history
        self._exports = tuple(exports)

    def __repr__(self) -> str:
        known, exports = map(wrapped, self._known()), map(wrapped, self._exports)
        return "\n".join((*known, *self._endpoints, *self._last(), *exports, *self._next()))

    def _repr_html_(self) -> str:
        known, exports = (
            "".join(f"<div><b>{escape(line)}</b></div>" for line in lines) for lines in (self._known(), self._exports)
        )
        rest = "".join(f'<div class="rpn-dim">{escape(line)}</div>' for line in (*self._endpoints, *self._last()))
        steps = "".join(f"<code>{escape(step.strip())}</code>" for step in self._next())
        return f'{style.SHEET}<div class="rpn">{known}{rest}{exports}<div class="rpn-steps">{steps}</div></div>'

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
        jobs = [
            f"job {job.id[:13]} of {job.handler}: {job.outcome}" + ("" if job.ms is None else f" in {duration(job.ms)}")
            for job in self._jobs
        ]
        return [*jobs, self._history] if jobs else []

    def _next(self) -> list[str]:
        if not self._handlers:
            return []
        steps = ['%runpod job {"...": "..."}', "%runpod jobs", "%runpod export", "%runpod prove"]
        return [f"  {step}" for step in (steps if self._jobs else steps[:1])]
