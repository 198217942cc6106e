"""The jobs so far as a table: in HTML, and the same in text."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from rp_notebook.jobs.payload import RUN_LIMIT
from rp_notebook.jobs.record import JobRecord
from rp_notebook.panel import style
from rp_notebook.panel.preview import duration, size
from rp_notebook.panel.result import verdict

COLUMNS = ("job", "handler", "status", "took", "in", "out", "of /run", "note")
NOTE = 80  # characters


class JobTable:
    """Shows records, oldest first, as the platform would list them. Empty: says what to type."""

    def __init__(self, records: Iterable[JobRecord]) -> None:
        self.records = tuple(records)

    def __repr__(self) -> str:
        if not self.records:
            return "No job has run yet: %runpod job {...}"
        rows = [COLUMNS, *(_row(record) for record in self.records)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        )

    def _repr_html_(self) -> str:
        if not self.records:
            return f'{style.SHEET}<div class="rpn">{escape(repr(self))}</div>'
        head = "".join(f"<th>{name}</th>" for name in COLUMNS)
        body = "".join(f"<tr>{_cells(record)}</tr>" for record in self.records)
        return f'{style.SHEET}<div class="rpn"><table><tr>{head}</tr>{body}</table></div>'


def _row(record: JobRecord) -> tuple[str, ...]:
    took = "" if record.execution_ms is None else duration(record.execution_ms)
    result = record.sizes.result
    out, share = ("-", "-") if result is None else (size(result), f"{result / RUN_LIMIT:.0%}")
    return (
        record.id[:13],
        record.job.handler,
        verdict(record).badge,
        took,
        size(record.sizes.request),
        out,
        share,
        _note(record),
    )


def _cells(record: JobRecord) -> str:
    job, handler, status, *numbers, note = _row(record)
    badge = f'<span class="rpn-badge rpn-{verdict(record).tone}">{escape(status)}</span>'
    right = "".join(f'<td class="rpn-num">{escape(number)}</td>' for number in numbers)
    return (
        f"<td><code>{escape(job)}</code></td><td>{escape(handler)}</td><td>{badge}</td>{right}<td>{escape(note)}</td>"
    )


def _note(record: JobRecord) -> str:
    if record.findings:
        return record.findings[0].message[:NOTE]
    told = record.exception["error_traceback"] if record.exception else record.error
    lines = [line for line in told.splitlines() if line.strip()] if isinstance(told, str) else []
    return (lines[-1 if record.exception else 0] if lines else "")[:NOTE]
