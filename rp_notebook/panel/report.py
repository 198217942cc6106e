"""What an export or a proof has to say: a badge, a line, a listing, findings."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from textwrap import wrap

from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.payload import encodable
from rp_notebook.panel import style
from rp_notebook.panel.preview import WIDTH, visible
from rp_notebook.panel.result import Tone, finding_html, sign, wrapped

LEAST = 20  # columns that the last part of a row has at least


def tone_of(findings: Iterable[Finding]) -> Tone:
    """Bad when one of the findings is an error."""
    return "bad" if any(finding.severity == "error" for finding in findings) else "good"


def _fitted(line: str) -> str:
    """A row of columns within 80 of them: what goes on below stands under its last one. What is to be copied stays."""
    column = line.rfind("  ", 0, WIDTH - LEAST) + 2
    if len(line) <= WIDTH or "\n" in line or column <= 1:
        return line
    first, *rest = wrap(line[column:], WIDTH - column, break_on_hyphens=False, break_long_words=False)
    return "\n".join([line[:column] + first, *(" " * column + part for part in rest)])


class Report:
    """Shown at the end of a cell. `listing` is preformatted; `steps` are commands to type next."""

    def __init__(
        self,
        badge: str,
        tone: Tone,
        headline: str,
        listing: Iterable[str] = (),
        findings: Iterable[Finding] = (),
        steps: Iterable[str] = (),
    ) -> None:
        self.badge = badge
        self.tone = tone
        self.headline = headline
        self.listing = tuple(listing)
        self.findings = tuple(findings)
        self.steps = tuple(steps)

    def __repr__(self) -> str:
        said = (wrapped(f"{sign(finding)} {finding}") for finding in self.findings)
        head, steps = wrapped(f"{self.badge}  {self.headline}"), (f"  {step}" for step in self.steps)
        return visible("\n".join((head, *map(_fitted, self.listing), *said, *steps)))

    def _repr_html_(self) -> str:
        head = (
            f'<div class="rpn-head"><span class="rpn-badge rpn-{self.tone}">{escape(self.badge)}</span>'
            f"<b>{escape(self.headline)}</b></div>"
        )
        listing = f"<pre>{escape(chr(10).join(self.listing))}</pre>" if self.listing else ""
        findings = "".join(finding_html(finding) for finding in self.findings)
        steps = "".join(f"<div><code>{escape(step)}</code></div>" for step in self.steps)
        return encodable(f'{style.SHEET}<div class="rpn">{head}{listing}{findings}{steps}</div>')
