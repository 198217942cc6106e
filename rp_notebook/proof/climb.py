"""An export on the rung that answered its jobs, and what a person is told of how it was proved."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from dataclasses import dataclass

from rp_notebook.export.plan import Plan
from rp_notebook.export.result import ExportResult
from rp_notebook.jobs.finding import Finding
from rp_notebook.panel.result import wrapped
from rp_notebook.proof.process import Checked

RUNGS = ("needed", "weak", "full", "freeze")
TOLD = {
    "needed": "what is needed",
    "weak": "also what only might change something",
    "full": "the whole history",
    "freeze": "values from the kernel",
}
SHOWN = 5  # of each kind of thing


@dataclass(frozen=True)
class Step:
    """An export on one rung."""

    rung: str
    plan: Plan
    result: ExportResult


@dataclass(frozen=True)
class Climb:
    """An export and how far it is proved.

    `plan` is how it was cut and `rung` the first that answered the jobs: `needed`, `weak`, `full` or `freeze`. `proved`
    is false where no job ran, or nothing could run here; `findings` then say why. `seconds` are those of the import;
    the `outdated` jobs ran before the notebook changed and do not count.
    """

    result: ExportResult
    plan: Plan
    rung: str
    jobs: tuple[Checked, ...]
    findings: tuple[Finding, ...]
    replays: int
    seconds: float
    proved: bool
    outdated: frozenset[str] = frozenset()

    @property
    def told(self) -> str:
        """The rung and the jobs in a line."""
        if not self.proved:
            return "not proved"
        good = sum(job.verdict in ("same", "close") for job in self.jobs)
        varies = sum(job.verdict == "varies" for job in self.jobs)
        ran = sum(job.verdict != "skipped" for job in self.jobs)
        more = f", {varies} by shape only" if varies else ""
        return (
            f"{good} of {ran} jobs answered alike in a clean process{more}; "
            f"rung {RUNGS.index(self.rung) + 1} ({TOLD[self.rung]})"
        )

    @property
    def lines(self) -> tuple[str, ...]:
        """What there is to say beside the findings: what was taken on suspicion, what is around it, where it ran."""
        ran = (self._where(), f"imported in {self.seconds:.1f} s") if self.proved else ()
        return (*self._around(), *ran, wrapped(self.told))

    def _around(self) -> Iterator[str]:
        unsure = [kept for kept in self.result.kept if not kept.sure]
        for kept in unsure[:SHOWN]:
            yield f"likely: In[{kept.cell}] line {kept.line} {kept.reason}"
        if len(unsure) > SHOWN:
            yield f"likely: {len(unsure) - SHOWN} more, see %runpod why"
        needs = self.result.needs
        if needs.variables:
            named = (f"{one.name} (secret)" if one.secret else one.name for one in needs.variables)
            yield f"environment: {', '.join(named)}"
        for model in needs.models:
            yield f"model: {model.id}" + (f" at {model.revision[:12]}" if model.revision else "")

    def _where(self) -> str:
        wanted = self.result.repo["requirements.txt"]
        packages = sum(not line.startswith("-") for line in wanted.decode().splitlines())
        mark = hashlib.sha256(wanted).hexdigest()[:12]
        python = f"{platform.python_implementation()} {platform.python_version()}"
        return f"verified in: a clean process on {python}, {packages} package{'s' * (packages != 1)} {mark}"
