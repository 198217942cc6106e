"""The proof at level "process": recorded jobs through the folder's own handler.py, under the real SDK."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from rp_notebook.errors import NO_SDK, ProofImpossible
from rp_notebook.export.recorded import RecordedJob
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.posts import Post
from rp_notebook.jobs.request import request_of
from rp_notebook.proof.cold_start import ColdStart, cold_start
from rp_notebook.proof.comparison import compare_job, error_line
from rp_notebook.proof.places import Folder, Place
from rp_notebook.proof.replay import Played, Replay, WorkerDied

Verdict = Literal["same", "close", "varies", "different", "lost", "missing", "skipped"]

LEVELS = ("process", "venv", "image")
TAIL_LINES = 6
PROBE = """
import importlib.metadata as m, json, platform
try:
    sdk = m.version("runpod")
except m.PackageNotFoundError:
    sdk = None
print(json.dumps([platform.python_version(), sdk]))
"""


@dataclass(frozen=True)
class Checked:
    """What became of one recorded job.

    `verdict`: `same` or `close` (numbers within the tolerance) is good; `varies` is another answer of the same shape
    each time; `different` posted something else, `lost`
    posted no final answer, `missing` was waited for in vain or never ran, `skipped` could not be run. `ms` is from
    handing the job out to its final body, up to 100 ms of it the SDK's own; `bytes` is the size of that body.
    """

    id: str
    verdict: Verdict
    detail: str = ""
    ms: float | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Proof:
    """What a proof found. `seconds_to_ready` is from starting the worker to its first question for a job.

    `cold` has the parts of a cold start; `offline` says whether all ran again with the network refused, None where that
    could not be tried. `below` are the proofs at the levels before this one, which passed.
    """

    level: str
    jobs: tuple[Checked, ...]
    findings: tuple[Finding, ...]
    seconds_to_ready: float
    sdk: str
    python: str
    cold: ColdStart | None = None
    offline: bool | None = None
    below: tuple[Proof, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether at least one job ran and every job that ran did as recorded."""
        return not any(finding.severity == "error" for finding in self.findings)


def ignore(_: str) -> None:
    """Tells nobody."""


def prove(
    folder: Path,
    jobs: Sequence[RecordedJob],
    *,
    level: str = "process",
    python: str = sys.executable,
    pass_env: Iterable[str] = (),
    timeout_s: float = 600,
    on_progress: Callable[[str], None] = ignore,
) -> Proof:
    """Runs every job through the worker in `folder`, under the SDK that `python` has, and compares what it posts.

    The folder is copied and run from the copy, with a scratch HOME and an environment that holds no secret but those
    named in `pass_env`. `timeout_s` bounds, in seconds, each start of the worker and each job. `on_progress` hears a
    line for each step.

    Raises `ProofImpossible` when there is nothing to run, no job or no SDK. The other levels are in levels.py.
    """
    if level != "process":
        raise ProofImpossible(f"there is no level {level!r}; there are: {', '.join(LEVELS)}")
    refuse_nothing(folder, jobs)
    with TemporaryDirectory(prefix="rp-notebook-proof-", ignore_cleanup_errors=True) as name:
        place = Folder(folder, Path(name), python=python, pass_env=pass_env)
        return proved_in(place, jobs, Path(name), level=level, timeout_s=timeout_s, on_progress=on_progress)


def refuse_nothing(folder: Path, jobs: Sequence[RecordedJob]) -> None:
    """Raises `ProofImpossible` where there is no worker in the folder, or no job to prove it with."""
    if not (folder / "handler.py").is_file():
        raise ProofImpossible(f"there is no handler.py in {folder}: export a worker there first")
    if not jobs:
        raise ProofImpossible("no jobs to prove with: run %runpod job first, or write a line to tests/jobs.jsonl")


def proved_in(
    place: Place,
    jobs: Sequence[RecordedJob],
    scratch: Path,
    *,
    level: str,
    timeout_s: float = 600,
    on_progress: Callable[[str], None] = ignore,
    timed: bool = True,
) -> Proof:
    """Runs every job through a worker at a place and, if it is to be `timed`, once more the first and a cold start.

    Raises `ProofImpossible` where no Python runs there, or it has no SDK.
    """
    version, sdk = _versions(place)
    with Replay(place, scratch, timeout_s=timeout_s) as replay:
        checked, findings = _checked_all(replay, jobs, on_progress)
        first = next((one for one in checked if one.ms is not None), None)
        job = next((job for job in jobs if first is not None and job.id == first.id), None)
        again = _played_again(replay, job) if timed and job is not None else None
    cold = None
    if timed and first is not None and first.ms is not None:
        cold = cold_start(place, first.ms / 1000, again)
    return Proof(level, tuple(checked), tuple(findings), replay.seconds_to_ready, sdk, version, cold)


def _played_again(replay: Replay, job: RecordedJob) -> float | None:
    """The seconds of a job that has run before, on a worker that is warm."""
    try:
        played = replay.play(request_of({**job.request, "id": f"{job.id}-again"}))
    except WorkerDied:
        return None
    return played.ms / 1000 if played.ms is not None else None


def _checked_all(
    replay: Replay, jobs: Sequence[RecordedJob], say: Callable[[str], None]
) -> tuple[list[Checked], list[Finding]]:
    checked: list[Checked] = []
    findings: list[Finding] = []
    for number, job in enumerate(jobs, start=1):
        say(f"job {number} of {len(jobs)}: {job.id}")
        try:
            one, found = (Checked(job.id, "skipped", job.skip), []) if job.skip else _checked(replay, job)
        except WorkerDied as death:
            findings.append(Finding("RPP101", "error", f"the worker did not start: {death}", _end_of(death.tail)))
            checked += [Checked(left.id, "missing", "the worker did not start") for left in jobs[number - 1 :]]
            return checked, findings
        checked.append(one)
        findings += found
        say(f"job {number} of {len(jobs)}: {one.verdict}{f', {one.detail}' if one.detail else ''}")
    if all(one.verdict == "skipped" for one in checked):
        fix = "run one that needs no secret, and keep it"
        findings.append(Finding("RPP104", "error", "no job could be replayed, so nothing is proved", fix))
    return checked, findings


def _checked(replay: Replay, job: RecordedJob) -> tuple[Checked, list[Finding]]:
    progress = sum(post.kind == "progress" for post in job.posts)
    played = replay.play(request_of({"id": job.id, **job.request}), progress)
    final = next((post for post in played.posts if post.kind == "done"), None)
    verdict, detail = _judged(job, played, final)
    findings = [_finding(job, verdict, detail, played.log)] if verdict in ("different", "lost", "missing") else []
    if not job.posts and job.lost is None and final is not None and (error := final.value.get("error")):
        detail = f"answered with an error: {error_line(error)}"
        fix = "if that is right, record the job, so that its error is compared"
        findings.append(Finding("RPP105", "warning", f"job {job.id} was {detail}", fix))
    return Checked(job.id, verdict, detail, played.ms, len(final.body) if final else None), findings


def _judged(job: RecordedJob, played: Played, final: Post | None) -> tuple[Verdict, str]:
    if final is None and not played.in_time:
        return "missing", played.lost or ""
    if job.lost is not None:
        if final is None:
            return "same", f"nothing was posted, as recorded: {job.lost}"
        return "different", f"it was recorded as lost ({job.lost}), and now an answer was posted"
    if final is None:
        return "lost", played.lost or ""
    compared = compare_job(job, played.posts)
    return compared.likeness, compared.detail


def _finding(job: RecordedJob, verdict: Verdict, detail: str, log: str) -> Finding:
    match verdict:
        case "lost":
            fix = f"a client would wait until the job times out; {_end_of(log)}"
            return Finding("RPP103", "error", f"job {job.id} was lost: {detail}", fix)
        case "missing":
            return Finding("RPP106", "error", f"job {job.id} did not end: {detail}", _end_of(log))
    fix = "the exported worker does not do what the notebook did; if the answer varies by nature, set its tolerance"
    return Finding("RPP102", "error", f"job {job.id} differs: {detail}", fix)


def _end_of(log: str) -> str:
    lines = log.splitlines()[-TAIL_LINES:]
    return "\n    ".join(["the worker's log ends with", *lines]) if lines else "the worker wrote nothing"


def _versions(place: Place) -> tuple[str, str]:
    """The versions of a place's Python and of the SDK it would import, asked in a process of its own."""
    version, sdk = json.loads(place.ask(PROBE))
    if sdk is None:
        raise ProofImpossible(NO_SDK)
    return version, sdk
