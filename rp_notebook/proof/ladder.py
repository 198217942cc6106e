"""From the smallest slice upwards until an export answers the recorded jobs, or a refusal that says what differs."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rp_notebook.errors import ExportRefused
from rp_notebook.export.hidden_state import HIDDEN
from rp_notebook.export.plan import NEEDED, Plan
from rp_notebook.export.recorded import RecordedJob
from rp_notebook.export.result import ExportResult
from rp_notebook.jobs.finding import Finding
from rp_notebook.proof.attempt import Attempt, attempted, loaded_beside
from rp_notebook.proof.climb import Climb, Step
from rp_notebook.proof.fingerprint import SCALARS, fingerprint
from rp_notebook.proof.hiding import distribution_of, idle_among
from rp_notebook.proof.outcome import findings_of, refusal_of

REPLAYS = 4
Export = Callable[[Plan], ExportResult]


def climb(
    export: Export,
    jobs: Sequence[RecordedJob],
    live: Mapping[str, Any],
    *,
    plan: Plan = NEEDED,
    early: Collection[str] = (),
    strict: bool = False,
    replays: int = REPLAYS,
    timeout_s: float = 600.0,
    none: str = "no job has run",
) -> Climb:
    """Exports by one plan after the other until a clean process answers the jobs as recorded.

    `live` is the namespace of the kernel, for the variables that differ; the `early` jobs ran before something that the
    export has. With no job to run, `none` says why and only the import counts. Raises `ExportRefused` when no plan did
    within so many `replays`, with what differs, and with `strict` when more was needed than the smallest one.
    """
    climbing = _Climbing(export, jobs, live, plan, early, timeout_s, none)
    while climbing.step is not None:
        found = climbing.replayed()
        if found is not None:
            hidden = [finding for finding in found.findings if finding.code in HIDDEN and strict]
            if hidden:
                raise ExportRefused(replace(finding, severity="error") for finding in hidden)
            return found
        if len(climbing.tried) >= replays:
            break
        climbing.advance()
    raise ExportRefused(refusal_of(climbing.tried, climbing.differing(), climbing.refused))


class _Climbing:
    """The plans tried, and what came of each."""

    def __init__(
        self,
        export: Export,
        jobs: Sequence[RecordedJob],
        live: Mapping[str, Any],
        plan: Plan,
        early: Collection[str],
        timeout_s: float,
        none: str,
    ) -> None:
        self._export, self._jobs, self._live, self._plan = export, jobs, live, plan
        self._early, self._timeout_s, self._none = early, timeout_s, none
        self.tried: list[tuple[Step, Attempt]] = []
        self.refused: list[Finding] = []
        self.step: Step | None = Step("needed", plan, export(plan))
        self._coming = self._plans()

    def replayed(self) -> Climb | None:
        """The climb, when the present step is its end."""
        step = self.step
        assert step is not None
        attempt = attempted(step.result, self._jobs, early=self._early, timeout_s=self._timeout_s)
        moving = attempt.moving
        if all(attempt.names[name].type in SCALARS for name in moving):
            attempt = replace(attempt, moving=())  # a time or an id: it is meant to be another at each start
        self.tried.append((step, attempt))
        if not (attempt.passed or attempt.blocked):
            return None
        ran = [job for job in attempt.jobs if job.verdict != "skipped"]
        more = step.plan.demands > self._plan.demands
        findings = tuple(findings_of(self.tried, moving, self._untested(attempt), more=more, none=self._none))
        proved = bool(ran) and not attempt.blocked
        loaded = attempt.touched.modules if attempt.touched is not None and attempt.answered else None
        if proved and loaded is not None and (idle := idle_among(step.result.implied, loaded)):
            plan = replace(step.plan, spared=idle)
            step = Step(step.rung, plan, self._export(plan))
        jobs, seconds, outdated = attempt.jobs, attempt.seconds, frozenset(attempt.outdated)
        return Climb(step.result, step.plan, step.rung, jobs, findings, len(self.tried), seconds, proved, outdated)

    def advance(self) -> None:
        """Takes the next plan that gives another repository; none are left when `step` is None."""
        for rung, plan in self._coming:
            try:
                result = self._export(plan)
            except ExportRefused as refusal:
                self.refused += [finding for finding in refusal.findings if finding not in self.refused]
                continue
            if all(dict(result.repo) != dict(step.result.repo) for step, _ in self.tried):
                self.step = Step(rung, plan, result)
                return
        self.step = None

    def _plans(self) -> Iterator[tuple[str, Plan]]:
        base = self._plan
        while (more := self._more(base)) is not None:
            base = replace(base, demands=base.demands | more.demands, packages=base.packages | more.packages)
            yield "needed", base
        if beside := loaded_beside(self.tried[-1][0].result, self._jobs, timeout_s=self._timeout_s):
            base = replace(base, packages=base.packages | beside)
            yield "needed", base
        if not self.tried[-1][1].moving:
            for rung in ("weak", "full"):
                yield rung, replace(base, rung=rung)
        told = "is another than in the kernel once the worker starts"
        names = [name for name in self.differing() if name not in dict(base.freeze)]
        yield "freeze", replace(base, freeze=(*base.freeze, *((name, told) for name in names)), freezes_all=False)

    def _more(self, asked: Plan) -> Plan | None:
        """What the last attempt said that it does not find, a name or a package, unless it was asked for already."""
        if name := self._missing_name(asked):
            return Plan(demands=frozenset({name}))
        _, attempt = self.tried[-1]
        texts = [*attempt.errors, *([attempt.raised.message] if attempt.raised is not None else [])]
        found = {module for text in texts for module in re.findall(r"No module named '(\w+)", text)}
        keys = frozenset(key for module in found if (key := distribution_of(module)) is not None) - asked.packages
        return Plan(packages=keys) if keys else None

    def _missing_name(self, asked: Plan) -> str | None:
        """The name that the last attempt did not find, unless it was asked for already."""
        _, attempt = self.tried[-1]
        texts = list(attempt.errors)
        if attempt.raised is not None and attempt.raised.type == "NameError":
            texts.append(f"NameError: {attempt.raised.message}")
        found = [re.match(r"NameError: name '(\w+)' is not defined", text) for text in texts]
        return next((m[1] for m in found if m and m[1] in self._live and m[1] not in asked.demands), None)

    def _untested(self, attempt: Attempt) -> list[str]:
        """The variables of which no answer tells whether it matters that they differ; a time or an id may."""
        if attempt.answered or attempt.blocked:
            return []
        return [name for name in self.differing() if attempt.names[name].type not in SCALARS]

    def differing(self) -> list[str]:
        """The variables that are other ones than in the kernel after the smallest export that could be imported."""
        attempt = next((found for _, found in self.tried if found.names), None)
        marks = attempt.names if attempt is not None else {}
        return [n for n, mark in sorted(marks.items()) if n in self._live and fingerprint(self._live[n]) != mark]
