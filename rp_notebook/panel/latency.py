"""How long jobs took, cold and warm: in figures, and drawn where matplotlib is installed."""

from __future__ import annotations

import base64
import io
import statistics
from collections.abc import Sequence
from html import escape
from importlib.util import find_spec
from typing import Any

from rp_notebook.jobs.query import JobLine
from rp_notebook.jobs.series import percentile
from rp_notebook.panel import style
from rp_notebook.panel.preview import duration

INCHES = (8, 3)


class Latency:
    """Times of `lines` for each version of a handler; its first job in a kernel is the cold one."""

    def __init__(self, lines: Sequence[JobLine]) -> None:
        self._timed = [line for line in lines if line.ms is not None]

    def __repr__(self) -> str:
        if not self._timed:
            return "No job has a time yet: %runpod job {...}"
        versions = dict.fromkeys((line.handler, line.version) for line in self._timed)
        rows = [self._told(handler, version) for handler, version in versions]
        if find_spec("matplotlib") is None:
            rows.append("(a plot needs matplotlib, which is not installed)")
        return "\n".join(rows)

    def png(self) -> bytes | None:
        """The picture; None where there is nothing to draw, or nothing to draw with."""
        if not self._timed or find_spec("matplotlib") is None:
            return None
        from matplotlib.figure import Figure  # without pyplot: the user's backend and figures stay as they are

        figure = Figure(figsize=INCHES, layout="constrained")
        over_time, spread = figure.subplots(1, 2, width_ratios=(2, 1))
        for name, cold, marker in (("warm", False, "."), ("cold", True, "x")):
            numbered = [(at, line.ms) for at, line in enumerate(self._timed, start=1) if line.cold == cold]
            if numbered:
                over_time.plot(*zip(*numbered, strict=True), marker, label=f"{name} ({len(numbered)})")
        over_time.set(xlabel="job", ylabel="ms", ylim=(0, None))
        over_time.legend()
        self._draw_spread(spread)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=100)
        return drawn.getvalue()

    def _repr_html_(self) -> str:
        png = self.png()
        told = f"<pre>{escape(repr(self))}</pre>"
        if png is not None:
            source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
            told = f'<img alt="{escape(repr(self), quote=True)}" src="{source}">{told}'
        return f'{style.SHEET}<div class="rpn">{told}</div>'

    def _draw_spread(self, axes: Any) -> None:
        warm = self._times(cold=False) or self._times(cold=True)
        axes.hist(warm, bins=min(30, len(warm)))
        for share, line in ((50, "-"), (95, "--")):
            at = percentile(warm, share)
            axes.axvline(at, color="black", linestyle=line, label=f"p{share} {duration(at)}")
        axes.set(xlabel="ms, warm")
        axes.legend()

    def _told(self, handler: str, version: int) -> str:
        mine = [line for line in self._timed if (line.handler, line.version) == (handler, version)]
        cold = [line.ms for line in mine if line.cold and line.ms is not None]
        warm = sorted(line.ms for line in mine if not line.cold and line.ms is not None)
        parts = [f"cold {duration(statistics.median(cold))}"] if cold else []
        if warm:
            shares = ", ".join(f"p{share} {duration(percentile(warm, share))}" for share in (50, 95, 99))
            parts.append(f"warm min {duration(warm[0])}, {shares}")
        return f"{handler} v{version}  {len(mine)} jobs  {'  '.join(parts)}"

    def _times(self, *, cold: bool) -> list[float]:
        return sorted(line.ms for line in self._timed if line.cold == cold and line.ms is not None)
