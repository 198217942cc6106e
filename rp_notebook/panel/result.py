"""A finished job as a person sees it: as HTML, and the same in text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.gauge import Gauge, GpuGauge
from rp_notebook.jobs.payload import MB, RUN_LIMIT, RUNSYNC_LIMIT
from rp_notebook.jobs.record import KERNEL_DIED, JobRecord
from rp_notebook.panel import style
from rp_notebook.panel.preview import duration, preview, size

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
BAR_CELLS = 20


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


def text(record: JobRecord, prices: PriceTable | None = None) -> str:
    """The whole result in plain text; `prices` are those that ship where none are given."""
    seen = verdict(record)
    head = f"{seen.badge}  {record.job.handler}  {_took(record)}  {record.id}"
    blocks = [head, *([seen.client] if seen.client else []), _bar(record), _fit(record, prices), *_bodies(record)]
    blocks += [f"{sign(finding)} {finding}" for finding in record.findings]
    return "\n".join(block for block in blocks if block)


def html(record: JobRecord, prices: PriceTable | None = None) -> str:
    """The same in HTML that needs no script and no widget."""
    seen = verdict(record)
    client = f'<div class="rpn-client">{escape(seen.client)}</div>' if seen.client else ""
    head = (
        f'<div class="rpn-head"><span class="rpn-badge rpn-{seen.tone}">{escape(seen.badge)}</span>'
        f"<b>{escape(record.job.handler)}</b><span>{escape(_took(record))}</span>"
        f'<span class="rpn-dim">{escape(record.id)}</span></div>'
    )
    fit = f'<div class="rpn-dim">{escape(said)}</div>' if (said := _fit(record, prices)) else ""
    bodies = "".join(f"<pre>{escape(body)}</pre>" for body in _bodies(record))
    findings = "".join(finding_html(finding) for finding in record.findings)
    return f'{style.SHEET}<div class="rpn">{head}{client}{_meter(record)}{fit}{bodies}{findings}</div>'


def _fit(record: JobRecord, prices: PriceTable | None) -> str:
    if record.gauge is None or record.gauge.gpu is None:
        return ""
    from rp_notebook.panel.fit import fit_line  # most kernels have no GPU, and it takes long to load

    return fit_line(record, prices)


def _took(record: JobRecord) -> str:
    taken = "" if record.execution_ms is None else duration(record.execution_ms)
    return taken + (f"  {gauged(record.gauge)}" if record.gauge is not None else "")


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
    items = [post for post in record.posts if post.kind == "stream"]
    if items:
        first = "\n".join(f"  {preview(post.value.get('output'))}" for post in items[:ITEMS_SHOWN])
        more = f"\n  … {len(items) - ITEMS_SHOWN} more" if len(items) > ITEMS_SHOWN else ""
        shown.append(f"streamed {len(items)} item{'s' * (len(items) != 1)}:\n{first}{more}")
    if record.error is not None:
        shown.append(_error(record))
    if "output" in record.answer and not (items and record.output == []):
        shown.append(preview(record.output))
    elif record.final is not None and record.error is None and not items:
        shown.append("(no output: the body is empty)")
    return shown


def _error(record: JobRecord) -> str:
    if record.exception is not None:
        return record.exception["error_traceback"].strip()
    return f"error: {record.error if isinstance(record.error, str) else preview(record.error)}"


def _bar(record: JobRecord) -> str:
    if record.sizes.result is None:
        return ""
    filled = min(round(record.sizes.result / RUNSYNC_LIMIT * BAR_CELLS), BAR_CELLS)
    cells = "█" * filled + "·" * (BAR_CELLS - filled)
    middle = BAR_CELLS // 2
    return f"[{cells[:middle]}|{cells[middle:]}] {_measured(record)}"


def _meter(record: JobRecord) -> str:
    if record.sizes.result is None:
        return ""
    percent = min(record.sizes.result / RUNSYNC_LIMIT * 100, 100)
    tone = "bad" if record.sizes.result > RUN_LIMIT else "good"
    return (
        f'<div class="rpn-meter"><div class="rpn-track" role="img" aria-label="{escape(_measured(record))}">'
        f'<div class="rpn-fill rpn-{tone}" style="width:{percent:.2f}%"></div><div class="rpn-tick"></div></div>'
        f'<span class="rpn-dim">{escape(_measured(record))}</span></div>'
    )


def _measured(record: JobRecord) -> str:
    result = record.sizes.result or 0
    return (
        f"answer {size(result)}: {result / RUN_LIMIT:.0%} of {RUN_LIMIT // MB} MB (/run), "
        f"{result / RUNSYNC_LIMIT:.0%} of {RUNSYNC_LIMIT // MB} MB (/runsync)"
    )


def sign(finding: Finding) -> str:
    """One character for the severity."""
    return {"error": "✗", "warning": "!", "note": "·"}[finding.severity]


def finding_html(finding: Finding) -> str:
    """One finding with its fix."""
    fix = f'<div class="rpn-fix">→ {escape(finding.fix)}</div>' if finding.fix else ""
    said = f"<code>{finding.code}</code> {escape(finding.message)}{fix}"
    return f'<div class="rpn-finding rpn-{finding.severity}">{said}</div>'
