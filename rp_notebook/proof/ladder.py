"""From the smallest slice upwards until an export answers the recorded jobs, or a refusal that says what differs."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rp_notebook.errors import ExportRefused
from rp_notebook.export.exporting import ExportResult
from rp_notebook.export.plan import NEEDED, Plan
from rp_notebook.export.recorded import RecordedJob
from rp_notebook.jobs.finding import Finding
from rp_notebook.proof.attempt import Attempt, attempted
from rp_notebook.proof.fingerprint import SCALARS, fingerprint
from rp_notebook.proof.process import Checked

REPLAYS = 4
SHOWN = 5
RUNGS = ("needed", "weak", "full", "freeze")
TOLD = {
    "needed": "what is needed",
    "weak": "also what only might change something",
    "full": "the whole history",
    "freeze": "values from the kernel",
}


@dataclass(frozen=True)
class Climb:
    """An export and how far it is proved.

    `rung` is the first that answered the jobs: `needed`, `weak`, `full` or `freeze`. `proved` is false where no job
    ran, or nothing could run here; `findings` then say why. `seconds` are those of the import.
    """

    result: ExportResult
    rung: str
    jobs: tuple[Checked, ...]
    findings: tuple[Finding, ...]
    replays: int
    seconds: float
    proved: bool

    @property
    def told(self) -> str:
        """The rung, the jobs and the import in a line."""
        if not self.proved:
            return "not proved"
        good = sum(job.verdict in ("same", "close") for job in self.jobs)
        varies = sum(job.verdict == "varies" for job in self.jobs)
        ran = sum(job.verdict != "skipped" for job in self.jobs)
        more = f", {varies} by shape only" if varies else ""
        return (
            f"{good} of {ran} jobs answered alike in a clean process{more}; "
            f"rung {RUNGS.index(self.rung) + 1} ({TOLD[self.rung]}), {self.seconds:.1f} s to import"
        )


Export = Callable[[Plan], ExportResult]


def climb(
    export: Export,
    jobs: Sequence[RecordedJob],
    live: Mapping[str, Any],
    *,
    plan: Plan = NEEDED,
    replays: int = REPLAYS,
    timeout_s: float = 600.0,
    none: str = "no job has run",
) -> Climb:
    """Exports by one plan after the other until a clean process answers the jobs as recorded.

    `live` is the namespace of the kernel, for the variables that differ; with no job to run, `none` says why and only
    the import counts.
    Raises `ExportRefused` when no plan did within so many `replays`, with what differs.
    """
    climbing = _Climbing(export, jobs, live, plan, timeout_s, none)
    while climbing.step is not None:
        found = climbing.replayed()
        if found is not None:
            return found
        if len(climbing.tried) >= replays:
            break
        climbing.advance()
    raise ExportRefused(climbing.refusal())


@dataclass(frozen=True)
class _Step:
    rung: str
    plan: Plan
    result: ExportResult


class _Climbing:
    """The plans tried, and what came of each."""

    def __init__(
        self,
        export: Export,
        jobs: Sequence[RecordedJob],
        live: Mapping[str, Any],
        plan: Plan,
        timeout_s: float,
        none: str,
    ) -> None:
        self._export, self._jobs, self._live, self._plan = export, jobs, live, plan
        self._timeout_s, self._none = timeout_s, none
        self.tried: list[tuple[_Step, Attempt]] = []
        self._refused: list[Finding] = []
        self.step: _Step | None = _Step("needed", plan, export(plan))
        self._coming = self._plans()

    def replayed(self) -> Climb | None:
        """The climb, when the present step is its end."""
        step = self.step
        assert step is not None
        attempt = attempted(step.result, self._jobs, timeout_s=self._timeout_s)
        moving = attempt.moving
        if all(attempt.names[name].type in SCALARS for name in moving):
            attempt = replace(attempt, moving=())  # a time or an id: it is meant to be another at each start
        self.tried.append((step, attempt))
        if not (attempt.passed or attempt.blocked):
            return None
        ran = [job for job in attempt.jobs if job.verdict != "skipped"]
        findings = tuple(self._findings(step, attempt, moving))
        proved = bool(ran) and not attempt.blocked
        return Climb(step.result, step.rung, attempt.jobs, findings, len(self.tried), attempt.seconds, proved)

    def advance(self) -> None:
        """Takes the next plan that gives another repository; none are left when `step` is None."""
        for rung, plan in self._coming:
            try:
                result = self._export(plan)
            except ExportRefused as refusal:
                self._refused += [finding for finding in refusal.findings if finding not in self._refused]
                continue
            if all(dict(result.repo) != dict(step.result.repo) for step, _ in self.tried):
                self.step = _Step(rung, plan, result)
                return
        self.step = None

    def _plans(self) -> Iterator[tuple[str, Plan]]:
        base = self._plan
        for name in iter(self._missing_name, None):
            base = replace(base, demands=base.demands | {name})
            yield "needed", base
        if not self.tried[-1][1].moving:
            for rung in ("weak", "full"):
                yield rung, replace(base, rung=rung)
        told = "is another than in the kernel once the worker starts"
        names = [name for name in self._differing() if name not in dict(base.freeze)]
        yield "freeze", replace(base, freeze=(*base.freeze, *((name, told) for name in names)), freezes_all=False)

    def _missing_name(self) -> str | None:
        """The name that the last attempt did not find, unless it was asked for already."""
        step, attempt = self.tried[-1]
        texts = list(attempt.errors)
        if attempt.raised is not None and attempt.raised.type == "NameError":
            texts.append(f"NameError: {attempt.raised.message}")
        found = [re.match(r"NameError: name '(\w+)' is not defined", text) for text in texts]
        return next((m[1] for m in found if m and m[1] in self._live and m[1] not in step.plan.demands), None)

    def _differing(self) -> list[str]:
        """The variables that are other ones than in the kernel after the smallest export that could be imported."""
        attempt = next((found for _, found in self.tried if found.names), None)
        marks = attempt.names if attempt is not None else {}
        return [n for n, mark in sorted(marks.items()) if n in self._live and fingerprint(self._live[n]) != mark]

    def _findings(self, step: _Step, attempt: Attempt, moving: Sequence[str]) -> Iterator[Finding]:
        if attempt.blocked:
            yield Finding("RPP112", "warning", f"not proved: {attempt.blocked}", "%runpod prove DIR, where it can run")
            return
        if not self._jobs:
            yield Finding("RPP111", "warning", f"not proved: {self._none}", "%runpod job {...}, and export again")
            return
        if all(job.verdict == "skipped" for job in attempt.jobs):
            yield Finding("RPP111", "warning", f"not proved: no job can be replayed: {attempt.jobs[0].detail}")
            return
        if step.rung != "needed" or step.plan.demands > self._plan.demands:
            yield Finding("RPS108", "warning", f"the slice was too small; the worker has {self._added(step)}")
        for job, paths in attempt.varying.items():
            said = (
                f"job {job[:13]} answers differently each time at {', '.join(paths[:3])}: only its shape was compared"
            )
            yield Finding("RPP113", "warning", said, "seed what is random from the job's input")
        if moving:
            said = f"at each start, another value: {', '.join(moving)}"
            yield Finding("RPS123", "warning", said, "seed it, if it is meant to be the one that you tested")
        idle = [name for name in _functions(step.result.module, attempt) if name]
        if idle:
            more = f" and {len(idle) - SHOWN} more" if len(idle) > SHOWN else ""
            yield Finding("RPP114", "note", f"no job executed {', '.join(f'{n}()' for n in idle[:SHOWN])}{more}")

    def _added(self, step: _Step) -> str:
        before = {(kept.cell, kept.line) for kept in self.tried[0][0].result.kept}
        added = [kept for kept in step.result.kept if kept.cell and (kept.cell, kept.line) not in before]
        shown = "; ".join(f"cell {kept.cell}: {kept.text.splitlines()[0][:60]}" for kept in added[:SHOWN])
        more = f" and {len(added) - SHOWN} more" if len(added) > SHOWN else ""
        return f"{TOLD[step.rung]}{f' ({shown}{more})' if shown else ''}"

    def refusal(self) -> list[Finding]:
        """Why nothing answered the jobs: the first mismatch, and what was tried."""
        step, attempt = self.tried[0]
        tried = ", ".join(dict.fromkeys(TOLD[step.rung] for step, _ in self.tried))
        if attempt.raised is not None:
            return [_of_import(attempt, step.result, tried), *self._refused]
        if attempt.moving:
            said = f"{', '.join(attempt.moving)}: another value at each start, and the jobs ran with the kernel's"
            fix = "seed it, or load it from a file; weights: %runpod export DIR --freeze NAME"
            return [Finding("RPS123", "error", said, fix), *self._refused]
        wrong = [job for job in attempt.jobs if job.verdict in ("different", "lost", "missing")]
        names = self._differing()
        where = f"; these are others than in the kernel: {', '.join(names[:SHOWN])}" if names else ""
        said = f"job {wrong[0].id[:13]} answers otherwise in a clean process: {wrong[0].detail}{where} (tried: {tried})"
        fix = "if the notebook changed since that job ran, run it again; else write what differs in a cell"
        return [Finding("RPS108", "error", said, fix), *self._refused]


def _of_import(attempt: Attempt, result: ExportResult, tried: str) -> Finding:
    raised = attempt.raised
    assert raised is not None
    place = None
    if raised.line is not None and raised.line <= len(result.lines):
        place = result.lines[raised.line - 1]
    cell, line = place or (None, None)
    said = f"handler.py cannot be imported in a clean process: {raised.type}: {raised.message} (tried: {tried})"
    code, fix = {
        "FileNotFoundError": ("RPP115", f"put {raised.path} beside the notebook, so that it goes along"),
        "ModuleNotFoundError": ("RPP116", f"install what gives {raised.name}, or keep it beside the notebook"),
        "NameError": ("RPS109", ""),
    }.get(raised.type, ("RPS108", ""))
    return Finding(code, "error", said, fix, cell, line)


def _functions(module: str, attempt: Attempt) -> Iterator[str]:
    """The functions and methods of handler.py that no job called."""
    called = {line for file, line in attempt.touched.called if file == "handler.py"} if attempt.touched else set()
    for node in ast.parse(module).body:
        for item in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([item.lineno, *(decorator.lineno for decorator in item.decorator_list)])
                if first not in called and not item.name.startswith("_cell_"):
                    yield f"{node.name}.{item.name}" if isinstance(node, ast.ClassDef) else item.name
