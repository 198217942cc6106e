"""What an export or a proof has to say: a badge, a line, a listing, findings."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from rp_notebook.jobs.finding import Finding
from rp_notebook.panel import style
from rp_notebook.panel.result import Tone, finding_html, sign, wrapped


def tone_of(findings: Iterable[Finding]) -> Tone:
    """Bad when one of the findings is an error."""
    return "bad" if any(finding.severity == "error" for finding in findings) else "good"


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
        return "\n".join(
            (wrapped(f"{self.badge}  {self.headline}"), *self.listing, *said, *(f"  {step}" for step in self.steps))
        )

    def _repr_html_(self) -> str:
        head = (
            f'<div class="rpn-head"><span class="rpn-badge rpn-{self.tone}">{escape(self.badge)}</span>'
            f"<b>{escape(self.headline)}</b></div>"
        )
        listing = f"<pre>{escape(chr(10).join(self.listing))}</pre>" if self.listing else ""
        findings = "".join(finding_html(finding) for finding in self.findings)
        steps = "".join(f"<div><code>{escape(step)}</code></div>" for step in self.steps)
        return f'{style.SHEET}<div class="rpn">{head}{listing}{findings}{steps}</div>'
