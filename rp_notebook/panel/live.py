"""A job while it runs: how long already, its progress, its newest items."""

from __future__ import annotations

from collections import deque
from html import escape
from typing import Any

from rp_notebook.jobs.events import Event, Progressed, Yielded
from rp_notebook.jobs.job import Job
from rp_notebook.panel import style
from rp_notebook.panel.preview import cell_text, preview
from rp_notebook.panel.values import Allowance, value_html

ITEMS_SHOWN = 8
TEXT_SHOWN = 4000  # characters of streamed text
BAR_CELLS = 30


class LiveView:
    """Follows the events of one job. Shows text that streams as text, progress as a bar where it looks like one."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._now = job.started_at or 0.0
        self._items: deque[Any] = deque(maxlen=ITEMS_SHOWN)
        self._count = 0
        self._text = ""
        self._all_text = True
        self._progress: Any = None

    def follow(self, event: Event) -> None:
        """Takes one event in."""
        self._now = event.at
        match event:
            case Yielded(post=post) if post is not None:
                item = post.value.get("output")
                self._count += 1
                self._items.append(item)
                self._all_text = self._all_text and isinstance(item, str)
                self._text = (self._text + item)[-TEXT_SHOWN:] if self._all_text else ""
            case Progressed(post=post) if post is not None:
                self._progress = post.value.get("output")

    def __repr__(self) -> str:
        lines = [f"RUNNING  {self._job.handler}  {self._seconds:.1f} s  {self._job.id}"]
        if self._progress is not None:
            part = fraction(self._progress)
            lines.append(preview(self._progress) if part is None else f"{_bar(part)} {preview(self._progress)}")
        if self._count:
            lines.append(self._text if self._all_text else "\n".join(f"  {preview(item)}" for item in self._items))
            lines.append(self._counted)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = (
            f'<div class="rpn-head"><span class="rpn-badge rpn-live">RUNNING</span><b>{escape(self._job.handler)}</b>'
            f'<span>{self._seconds:.1f} s</span><span class="rpn-dim">Stop (■) ends it</span>'
            f'<span class="rpn-dim rpn-id">{escape(self._job.id)}</span></div>'
        )
        stream = ""
        if self._count:
            allowance = Allowance()
            shown = [value_html(item, allowance) for item in ([self._text] if self._all_text else self._items)]
            stream = f'{"".join(shown)}<div class="rpn-dim">{self._counted}</div>'
        return f'{style.SHEET}<div class="rpn">{head}{self._progress_html()}{stream}</div>'

    def _progress_html(self) -> str:
        if self._progress is None:
            return ""
        part, said = fraction(self._progress), escape(cell_text(self._progress, TEXT_SHOWN))
        if part is None:
            return f'<div class="rpn-dim">{said}</div>'
        bar = (
            f'<span class="rpn-track rpn-wide"><span class="rpn-fill rpn-live" style="width:{part:.1%}"></span></span>'
        )
        return f'<div class="rpn-meter">{bar}<span>{part:.0%}</span><span class="rpn-dim">{said}</span></div>'

    @property
    def _seconds(self) -> float:
        return self._now - (self._job.started_at or self._now)

    @property
    def _counted(self) -> str:
        return f"{self._count} item{'s' * (self._count != 1)} so far"


def fraction(progress: Any) -> float | None:
    """How much is done, from 0 to 1, when the progress says so: 0.4, "40%", "40 %", "4/10", {"progress": 40}."""
    if isinstance(progress, bool):
        return None
    if isinstance(progress, int | float):
        return float(progress) if 0 <= progress <= 1 else progress / 100 if 0 <= progress <= 100 else None
    if isinstance(progress, dict):
        named = (progress.get(key) for key in ("progress", "percent", "percentage", "fraction"))
        return next((part for value in named if (part := fraction(value)) is not None), None)
    return _fraction_of_text(progress) if isinstance(progress, str) else None


def _fraction_of_text(text: str) -> float | None:
    for word in text.replace(" %", "%").replace(" / ", "/").split():
        done, slash, total = word.strip("()[].,:;").partition("/")
        try:
            if slash:
                part = float(done) / float(total)
            elif done.endswith("%"):
                part = float(done[:-1]) / 100
            else:
                continue
        except (ValueError, ZeroDivisionError):
            continue
        if 0 <= part <= 1:
            return part
    return None


def _bar(part: float) -> str:
    filled = round(part * BAR_CELLS)
    return f"[{'█' * filled}{'·' * (BAR_CELLS - filled)}] {part:.0%}"
