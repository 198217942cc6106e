"""The jobs so far as a table: in HTML, and the same in text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from rp_notebook.jobs.payload import RUN_LIMIT, encodable
from rp_notebook.jobs.query import JobLine
from rp_notebook.jobs.record import JobRecord
from rp_notebook.panel import style
from rp_notebook.panel.preview import aligned, duration, preview, size, visible
from rp_notebook.panel.result import TONES, html, text, wrapped
from rp_notebook.panel.values import Allowance, value_html

COLUMNS = ("job", "handler", "status", "took", "in", "out", "of /run", "RAM", "GPU", "note")
NOTE = 80  # characters
GOLDEN = "★"


class JobTable:
    """Shows `lines` of jobs, as the platform would list them. `tally` says how all that were asked for ended.

    A job that was asked for alone is shown `whole` below them, with what it printed.
    """

    def __init__(self, lines: Sequence[JobLine], tally: Mapping[str, int], whole: JobRecord | None = None) -> None:
        self.lines = tuple(lines)
        self.tally = tally
        self.whole = whole

    def __repr__(self) -> str:
        if not self.lines:
            return self._headline()
        narrow = [self._columns(row)[:-1] for row in (COLUMNS, *map(_row, self.lines))]
        at = COLUMNS.index("of /run")  # what a terminal has no room for, like the notes: they stand below
        head, *rows = aligned([[*row[:at], *row[at + 1 :]] for row in narrow])
        told = [part for row, line in zip(rows, self.lines, strict=True) for part in (row, *_noted(line))]
        shown = visible("\n".join((head, *told, wrapped(self._headline()))))
        if self.whole is None:
            return shown
        given = visible(f"input:\n{preview(self.whole.job.input)}")
        return f"{shown}\n\n{text(self.whole, printed=True)}\n{given}"

    def _repr_html_(self) -> str:
        headline = f'<div class="rpn-dim">{escape(self._headline())}</div>'
        if not self.lines:
            return f'{style.SHEET}<div class="rpn">{headline}</div>'
        right = COLUMNS[3:-1]
        names = self._columns(COLUMNS)
        head = "".join(f'<th class="rpn-num">{name}</th>' if name in right else f"<th>{name}</th>" for name in names)
        body = "".join(f"<tr>{self._cells(line)}</tr>" for line in self.lines)
        whole = "" if self.whole is None else f"{html(self.whole, printed=True)}{_given(self.whole)}"
        return encodable(f'{style.SHEET}<div class="rpn"><table><tr>{head}</tr>{body}</table>{headline}</div>{whole}')

    def _headline(self) -> str:
        total = sum(self.tally.values())
        if not total:
            return "No such job: %runpod job {...} runs one"
        ends = ", ".join(f"{count} {outcome}" for outcome, count in self.tally.items())
        shown = f"; {len(self.lines)} shown (--last N, --all)" if len(self.lines) < total else ""
        return f"{total} job{'s' * (total != 1)}: {ends}{shown}"

    def _columns(self, row: Sequence[str]) -> Sequence[str]:
        """Without the GPU where there was none."""
        has_gpu = any(line.gpu_peak is not None for line in self.lines)
        return [cell for name, cell in zip(COLUMNS, row, strict=True) if has_gpu or name != "GPU"]

    def _cells(self, line: JobLine) -> str:
        job, handler, _, *numbers, note = self._columns(_row(line))
        badge = f'<span class="rpn-badge rpn-{TONES[line.outcome]}">{escape(line.outcome)}</span>'
        status = badge if line.outcome == line.status else f"{badge} {escape(line.status)}"
        right = "".join(f'<td class="rpn-num">{escape(number)}</td>' for number in numbers)
        return (
            f'<td title="{escape(line.id)}"><code>{escape(job)}</code></td><td>{escape(handler)}</td>'
            f'<td>{status}</td>{right}<td class="rpn-note">{escape(note)}</td>'
        )


def _given(record: JobRecord) -> str:
    shown = value_html(record.job.input, Allowance())
    return f'<div class="rpn"><details><summary>input</summary>{shown}</details></div>'


def _shortened(note: str) -> str:
    return note if len(note) <= NOTE else f"{note[: NOTE - 1].rstrip()}…"


def _noted(line: JobLine) -> list[str]:
    return [wrapped(f"    {_shortened(line.note)}")] if line.note else []


def _row(line: JobLine) -> tuple[str, ...]:
    result = line.result_size
    return (
        f"{GOLDEN * line.golden}{line.id[:13]}",
        f"{line.handler} v{line.version}",
        line.outcome if line.outcome == line.status else f"{line.outcome} ({line.status})",
        "" if line.ms is None else duration(line.ms),
        size(line.request_size),
        "-" if result is None else size(result),
        "-" if result is None else f"{result / RUN_LIMIT:.0%}",
        "-" if line.rss_peak is None else size(line.rss_peak),
        "-" if line.gpu_peak is None else size(line.gpu_peak),
        _shortened(line.note),
    )
