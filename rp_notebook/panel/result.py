"""A finished job as a person sees it: as HTML, and the same in text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from textwrap import indent, wrap
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.gauge import Gauge, GpuGauge
from rp_notebook.jobs.payload import MB, RUNSYNC_LIMIT, encodable
from rp_notebook.jobs.record import KERNEL_DIED, JobRecord
from rp_notebook.panel import style
from rp_notebook.panel.meters import bars, heavy, meters
from rp_notebook.panel.preview import LONG, WIDTH, duration, preview, size, visible
from rp_notebook.panel.values import Allowance, value_html

if TYPE_CHECKING:
    from rp_notebook.jobs.pools import PriceTable

Tone = Literal["good", "bad", "dim"]

TONES: Mapping[str, Tone] = MappingProxyType(
    {
        **dict.fromkeys(("LOST", "TOO LARGE", "INTERRUPTED", "FAILED", "TIMED_OUT"), "bad"),
        "COMPLETED": "good",
        "CANCELLED": "dim",
        "RUNNING": "dim",
    }
)
ITEMS_SHOWN = 8
UNSENT = "what the handler returned, and nobody gets:"
EMPTY = "(no output: the body is empty)"


@dataclass(frozen=True)
class Verdict:
    """What stands on the badge, and what it means for the client."""

    badge: str
    tone: Tone
    client: str = ""


def verdict(record: JobRecord) -> Verdict:
    """How the job ended, in the words that matter."""
    result = record.sizes.result or 0
    route = "through /run " if result <= RUNSYNC_LIMIT else ""
    clients = {
        "LOST": "the client would see IN_PROGRESS until the job times out",
        "INTERRUPTED": f"{KERNEL_DIED}: what a worker would have answered is not known",
        "TOO LARGE": f"{route}the client would see COMPLETED without an output",
    }
    return Verdict(record.outcome, TONES[record.outcome], clients.get(record.outcome, ""))


def text(record: JobRecord, prices: PriceTable | None = None, *, printed: bool = False) -> str:
    """The whole result in plain text of 80 columns; `prices` are those that ship where none are given.

    `printed` is shown where nobody has seen it.
    """
    seen = verdict(record)
    head = "  ".join(filter(None, (seen.badge, record.job.handler, _took(record), record.id)))
    blocks = [head, _gauge(record), seen.client, *bars(record)]
    blocks += [wrapped(said) for said in (heavy(record), _fit(record, prices))]
    blocks += _bodies(record)
    blocks += [wrapped(f"{sign(finding)} {finding}") for finding in record.findings]
    blocks += [f"printed:\n{record.printed[-LONG:].rstrip()}"] if printed and record.printed else []
    return visible("\n".join(block for block in blocks if block))


def html(
    record: JobRecord, prices: PriceTable | None = None, allowance: Allowance | None = None, *, printed: bool = False
) -> str:
    """The same in HTML that needs no script and no widget."""
    seen = verdict(record)
    allowance = allowance or Allowance()
    head = (
        f'<div class="rpn-head"><span class="rpn-badge rpn-{seen.tone}">{escape(seen.badge)}</span>'
        f'<b>{escape(record.job.handler)}</b><span>{escape(_took(record))}</span><span class="rpn-dim">'
        f'{escape(_gauge(record))}</span><span class="rpn-dim rpn-id">{escape(record.id)}</span></div>'
    )
    client = f'<div class="rpn-client">{escape(seen.client)}</div>' if seen.client else ""
    dim = "".join(
        f'<div class="rpn-dim">{escape(said)}</div>' for said in (heavy(record), _fit(record, prices)) if said
    )
    findings = "".join(finding_html(finding) for finding in record.findings)
    told = f"<details><summary>printed</summary><pre>{escape(record.printed[-LONG:])}</pre></details>"
    parts = [
        head,
        client,
        meters(record),
        dim,
        *_shown(record, allowance),
        findings,
        told if printed and record.printed else "",
    ]
    return encodable(f'{style.SHEET}<div class="rpn">{"".join(parts)}</div>')


def _fit(record: JobRecord, prices: PriceTable | None) -> str:
    if record.gauge is None or record.gauge.gpu is None:
        return ""
    from rp_notebook.panel.fit import fit_line  # most kernels have no GPU, and it takes long to load

    return fit_line(record, prices)


def _took(record: JobRecord) -> str:
    return "" if record.execution_ms is None else duration(record.execution_ms)


def _gauge(record: JobRecord) -> str:
    return "" if record.gauge is None else gauged(record.gauge)


def gauged(gauge: Gauge) -> str:
    """`CPU 12 ms, RAM peak 812.0 MB (+3.1 MB)`: what a job took of the machine, the GPU included."""
    words = [
        f"CPU {duration(gauge.cpu_ms)}",
        f"RAM peak {size(gauge.rss_peak)}{_change(gauge.rss_after - gauge.rss_before)}",
    ]
    if gauge.gpu is not None:
        words += _gpu_words(gauge.gpu)
    return ", ".join(words)


def _gpu_words(gpu: GpuGauge) -> list[str]:
    over = f" on {gpu.devices} GPUs" if gpu.devices > 1 else ""
    words = [f"GPU peak {size(gpu.peak_allocated)}{_change(gpu.kept)}{over}", f"reserved {size(gpu.peak_reserved)}"]
    return words if gpu.busy is None else [*words, f"busy {gpu.busy} %"]


def _change(count: int) -> str:
    return "" if abs(count) < MB else f" ({'+' if count > 0 else '-'}{size(abs(count))})"


def _bodies(record: JobRecord) -> list[str]:
    shown = []
    items = record.items
    if items and _is_text(items):
        shown.append(f"{_streamed(items)}:\n{preview(''.join(items))}")
    elif items:
        first = "\n".join(indent(preview(item), "  ") for item in items[:ITEMS_SHOWN])
        more = f"\n  … {len(items) - ITEMS_SHOWN} more" if len(items) > ITEMS_SHOWN else ""
        shown.append(f"{_streamed(items)}:\n{first}{more}")
    if record.error is not None:
        shown.append(_error(record))
    if _answers(record):
        shown.append(preview(record.output))
    elif record.final is not None and record.error is None and not items:
        shown.append(EMPTY)
    if record.unsent is not None:
        shown.append(f"{UNSENT}\n{preview(record.unsent)}")
    return shown


def _shown(record: JobRecord, allowance: Allowance) -> Iterator[str]:
    items = record.items
    if items:
        told = value_html("".join(items) if _is_text(items) else items, allowance)
        yield f'<div class="rpn-dim">{_streamed(items)}</div>{told}'
    if record.error is not None:
        yield f'<pre class="rpn-error">{escape(_error(record))}</pre>'
    if _answers(record):
        yield value_html(record.output, allowance)
    elif record.final is not None and record.error is None and not items:
        yield f'<div class="rpn-dim">{EMPTY}</div>'
    if record.unsent is not None:
        yield f'<div class="rpn-dim">{UNSENT}</div>{value_html(record.unsent, allowance)}'


def _answers(record: JobRecord) -> bool:
    return "output" in record.answer and not (record.items and record.output in ([], record.items))


def _is_text(items: list[Any]) -> bool:
    return all(isinstance(item, str) for item in items)


def _streamed(items: list[Any]) -> str:
    return f"streamed {len(items)} item{'s' * (len(items) != 1)}"


def _error(record: JobRecord) -> str:
    if record.exception is not None:
        return record.exception["error_traceback"].strip()
    return f"error: {record.error if isinstance(record.error, str) else preview(record.error)}"


def wrapped(line: str) -> str:
    """A line of at most 80 columns; what goes on below is set in."""
    return "\n".join(
        part
        for each in line.split("\n")
        for part in wrap(each, WIDTH, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False)
    )


def sign(finding: Finding) -> str:
    """One character for the severity."""
    return {"error": "✗", "warning": "!", "note": "·"}[finding.severity]


def finding_html(finding: Finding) -> str:
    """One finding with its fix."""
    fix = f' <span class="rpn-fix">→ {escape(finding.fix)}</span>' if finding.fix else ""
    where = f' <span class="rpn-fix">({finding.where})</span>' if finding.where else ""
    said = f"<code>{finding.code}</code> {escape(finding.message)}{where}{fix}"
    return f'<div class="rpn-finding rpn-{finding.severity}">{said}</div>'
