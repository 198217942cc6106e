"""One export in a clean process: its import, its jobs, and what differs each time anyway."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rp_notebook.export.recorded import RecordedJob
from rp_notebook.export.result import ExportResult
from rp_notebook.jobs.posts import wire_json
from rp_notebook.jobs.request import request_of
from rp_notebook.proof.answers import as_recorded, bodies, error_of, only_there
from rp_notebook.proof.clean import CleanRun, CleanRunEnded, Raised, Ran, Touched
from rp_notebook.proof.comparison import compare_job, differences
from rp_notebook.proof.fingerprint import SCALARS, Fingerprint
from rp_notebook.proof.hiding import NOTHING, distribution_of, hidden_from
from rp_notebook.proof.outdated import left_behind, otherwise, outdated_among
from rp_notebook.proof.process import Checked

NO_MEMORY = ("OutOfMemoryError", "MemoryError")
WITNESSES = 3  # processes that may show that an answer is random
OFFLINE = ("LocalEntryNotFoundError", "OfflineModeIsEnabled", "ConnectionError", "gaierror")


@dataclass(frozen=True)
class Attempt:
    """What came of one export. `varying` maps jobs to the places in their answer that differ each time.

    `outdated` maps jobs that the kernel itself may answer otherwise by now to the reason; `blocked` says why nothing
    can be told here; `raised` is what the import raised; `moving` are the variables that differ from one start to the
    next where the answers do, too.
    """

    jobs: tuple[Checked, ...] = ()
    raised: Raised | None = None
    errors: tuple[str, ...] = ()  # the types and messages of answers that were errors and should not be
    blocked: str = ""
    varying: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    outdated: Mapping[str, str] = field(default_factory=dict)
    moving: tuple[str, ...] = ()
    names: Mapping[str, Fingerprint] = field(default_factory=dict)
    touched: Touched | None = None
    seconds: float = 0.0
    answered: bool = False  # at least one job, and with more than an error

    @property
    def passed(self) -> bool:
        """Whether the import and every job that ran did as recorded."""
        wrong = any(job.verdict in ("different", "lost", "missing") for job in self.jobs)
        return not (wrong or self.raised or self.blocked or self.moving)


def attempted(
    result: ExportResult, jobs: Sequence[RecordedJob], *, early: Collection[str] = (), timeout_s: float
) -> Attempt:
    """Imports the module in a clean process and runs the jobs; where an answer differs, again in another.

    The `early` ones ran before something that the export has.
    """
    try:
        return _attempted(result, jobs, early, timeout_s)
    except CleanRunEnded as end:
        return _ended(end)


def loaded_beside(result: ExportResult, jobs: Sequence[RecordedJob], *, timeout_s: float) -> frozenset[str]:
    """The packages that a process which sees all of them loads beside those of the requirements, if it does well."""
    try:
        found = _played(result, jobs, timeout_s, hides=False)
    except CleanRunEnded:
        return frozenset()
    good = all(as_recorded(job, found.ran[job.id]) for job in jobs if job.id in found.ran)
    if found.raised is not None or found.touched is None or not good:
        return frozenset()
    hidden = hidden_from(result.repo).modules & found.touched.modules.keys()
    return frozenset(key for module in hidden if (key := distribution_of(module)) is not None)


def _attempted(result: ExportResult, jobs: Sequence[RecordedJob], early: Collection[str], timeout_s: float) -> Attempt:
    first = _played(result, jobs, timeout_s)
    different = otherwise(jobs, first.ran)
    outdated = outdated_among(jobs, different, early, first.ran)
    late = [job for job in jobs if job.id not in {*early, *outdated}]
    if different and late and early and any(finding.code == "RPS131" for finding in result.findings):
        alone = _played(result, late, timeout_s).ran  # jobs change what others read
        outdated |= left_behind(jobs, late, first.ran, alone) if outdated or not otherwise(late, alone) else {}
        first = first if otherwise(late, alone) else replace(first, ran={**first.ran, **alone})
    different = [job for job in otherwise(jobs, first.ran) if job.id not in outdated]
    blocked = next(filter(None, (_why_blocked(*error_of(first.ran[job.id])) for job in different)), "")
    if first.raised is not None and not blocked:
        blocked = _why_blocked(first.raised.type, first.raised.message) or _unset(first.raised, result)
    varying: dict[str, tuple[str, ...]] = {}
    moving: tuple[str, ...] = ()
    if different and not blocked:
        varying, moving = _varying(result, jobs, different, first, timeout_s)
    return Attempt(
        tuple(_checked(job, first, varying, outdated) for job in jobs),
        first.raised,
        tuple(": ".join(error_of(first.ran[job.id])) for job in different if error_of(first.ran[job.id])[0]),
        blocked,
        varying,
        outdated,
        moving,
        first.names,
        first.touched,
        first.seconds,
        any(ran.lost is None and not any(error_of(ran)) for job, ran in first.ran.items() if job not in outdated),
    )


@dataclass(frozen=True)
class _Played:
    """One process: the answers by job, the same once more where asked, and what else was seen."""

    ran: dict[str, Ran]
    again: dict[str, Ran]
    ended: str
    raised: Raised | None
    names: Mapping[str, Fingerprint]
    touched: Touched | None
    seconds: float


def _played(
    result: ExportResult,
    jobs: Sequence[RecordedJob],
    timeout_s: float,
    repeat: Sequence[str] = (),
    *,
    hides: bool = True,
) -> _Played:
    passed = [variable.name for variable in result.needs.variables]
    ran: dict[str, Ran] = {}
    again: dict[str, Ran] = {}
    ended, touched = "", None
    environ, secrets = result.environ, result.secrets
    hidden = hidden_from(result.repo) if hides else NOTHING
    with CleanRun(
        result.repo, pass_env=passed, environ=environ, secrets=secrets, hidden=hidden, timeout_s=timeout_s
    ) as run:
        if run.error is None:
            try:
                for job in jobs:
                    if not job.skip:
                        ran[job.id] = run.run(request_of({"id": job.id, **job.request}))
                for job in jobs:
                    if job.id in repeat:
                        again[job.id] = run.run(request_of({"id": job.id, **job.request}))
                touched = run.touched()
            except CleanRunEnded as end:
                if not end.in_time:
                    raise
                ended = str(end)
        return _Played(ran, again, ended, run.error, run.names, touched, run.seconds)


def _varying(
    result: ExportResult,
    jobs: Sequence[RecordedJob],
    different: Sequence[RecordedJob],
    first: _Played,
    timeout_s: float,
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Where the answers of further processes differ from the first's, and the variables that make them differ.

    The same process is no witness: a handler that counts its jobs answers otherwise each time, and is not random.
    """
    unstable: dict[str, set[str]] = {job.id: set() for job in different}
    settled, moved = False, set[str]()
    for number in range(WITNESSES):
        other = _played(result, jobs, timeout_s, () if number else [*unstable])
        moved |= {name for name, mark in first.names.items() if other.names.get(name, mark) != mark}
        for job in different:
            one, two, twice = (found.get(job.id) for found in (first.ran, other.ran, other.again))
            if one is not None and two is not None:
                found = differences(bodies(one.posts), bodies(two.posts), "", job.tolerance)
                unstable[job.id] |= {difference.path for difference in found}
                # The same process gives the same answer again: what is random was drawn when it started.
                same = twice is not None and wire_json(bodies(twice.posts)) == wire_json(bodies(two.posts))
                settled |= same and bool(unstable[job.id])
        open_ones = [job for job in different if not only_there(job, first.ran[job.id], unstable[job.id])]
        if not open_ones or not any(unstable.values()):  # what is random at some places may be so at others, too
            break
        if settled and any(first.names[name].type not in SCALARS for name in moved):
            break  # it is not for the answers to be random: what they are made of is
    named = {job.id: tuple(sorted(at or "how much was posted" for at in unstable[job.id])) for job in different}
    varying = {job.id: named[job.id] for job in different if job not in open_ones}
    return varying, tuple(sorted(moved)) if settled else ()


def _checked(
    job: RecordedJob, played: _Played, varying: Mapping[str, tuple[str, ...]], outdated: Mapping[str, str]
) -> Checked:
    ran = played.ran.get(job.id)
    skip = job.skip or outdated.get(job.id)
    if skip:
        return Checked(job.id, "skipped", skip)
    if ran is None:
        return Checked(job.id, "missing", played.ended or "the module could not be imported")
    final = next((post for post in ran.posts if post.kind == "done"), None)
    size = len(final.body) if final else None
    if job.id in varying:
        return Checked(job.id, "varies", f"differs each time at {', '.join(varying[job.id][:3])}", ran.ms, size)
    if job.lost is not None or ran.lost is not None:
        lost = "same" if as_recorded(job, ran) else "lost" if ran.lost is not None else "different"
        return Checked(job.id, lost, ran.lost or f"it was recorded as lost ({job.lost})", ran.ms, size)  # type: ignore[arg-type] # one of the three
    compared = compare_job(job, ran.posts)
    return Checked(job.id, compared.likeness, compared.detail, ran.ms, size)


def _why_blocked(kind: str, message: str) -> str:
    """Why a process could not do here what a worker could; empty where the worker itself is at fault."""
    leaf = kind.rpartition(".")[2]
    if leaf in NO_MEMORY or "CUDA out of memory" in message:
        return f"a second copy does not fit into the memory ({leaf}): %runpod unload, or replay on another machine"
    if leaf in OFFLINE or "offline mode" in message.lower() or "HF_HUB_OFFLINE" in message:
        return f"the replay downloads nothing ({leaf}), and what it needs is not in this machine's cache"
    return ""


def _unset(raised: Raised, result: ExportResult) -> str:
    name = raised.message.strip("'\"")
    if raised.type == "KeyError" and name in {variable.name for variable in result.needs.variables}:
        return f"the environment variable {name} is not set here"
    return ""


def _ended(end: CleanRunEnded) -> Attempt:
    if not end.in_time or "signal 9" in str(end):
        return Attempt(blocked=str(end))
    last = [line for line in end.tail.splitlines() if line.strip()][-1:]
    return Attempt(raised=Raised("SystemExit", f"{end}{f': {last[0]}' if last else ''}", None, None, None, ()))
