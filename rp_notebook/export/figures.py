"""What was measured of a worker's jobs, and what it needs of a machine, for its README."""

from __future__ import annotations

from statistics import median

from rp_notebook.export.draft import Draft
from rp_notebook.jobs.payload import MB


def figures(draft: Draft) -> list[str]:
    """The section of the README, none without jobs: times and sizes of those that ran, and the machine for them."""
    done = draft.completed
    times = [r.execution_ms for r in done if r.execution_ms is not None]
    if not times:
        return []
    rows = [
        ("jobs", f"{len(done)}"),
        ("time of a job", f"{time_text(median(times))} (median), {time_text(max(times))} (longest)"),
        ("largest request", size_text(max(r.sizes.request for r in done))),
        ("largest answer", size_text(max(r.sizes.result or 0 for r in done))),
    ]
    gauges = [r.gauge for r in done if r.gauge is not None]
    if gauges and (peak := max(gauge.rss_peak for gauge in gauges)):
        rows.append(("memory, with the notebook's own", size_text(peak)))
    if held := [gauge.gpu.peak_reserved for gauge in gauges if gauge.gpu is not None]:
        rows.append(("GPU memory", size_text(max(held))))
    machine = draft.machine
    rows.append(("image, about", f"{machine.image_gb:.1f} GB"))
    rows.append(("container disk", f"{machine.disk_gb} GB"))
    if machine.gpu:
        how = "" if machine.measured else " (by the size of the weights: no job was measured on a GPU)"
        rows.append(("GPU", ", ".join(pool.id for pool in machine.pools) + how))
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return [f"## Figures\n\nMeasured in the notebook, on its machine:\n\n| | |\n|---|---|\n{table}"]


def time_text(ms: float) -> str:
    """A time to read."""
    return f"{ms / 1000:.1f} s" if ms >= 1000 else f"{max(ms, 1):.0f} ms"


def size_text(size: int) -> str:
    """A size to read; kB, MB and GB are decimal."""
    if size >= 1000 * MB:
        return f"{size / MB / 1000:.2f} GB"
    return f"{size / MB:.1f} MB" if size >= MB else f"{size / 1000:.1f} kB" if size >= 1000 else f"{size} bytes"
