"""A proof as text that a newcomer understands, and as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rp_notebook.proof.cold_start import ColdStart
from rp_notebook.proof.process import Checked, Proof

_MACHINE = "the GPU, drivers and memory of the machine it will run on"
_IMAGE = "the image: its system packages, its files, its user"
_CHECKS = "the platform's own checks at a worker's start"
NOT_PROVED = {
    "process": (
        "requirements.txt (the packages were those of this Python)",
        _IMAGE,
        _MACHINE,
        "downloads at start: models came from this machine's cache",
    ),
    "venv": (_IMAGE, _MACHINE, "weights in the image: models came from this machine's cache", _CHECKS),
    "image": (_MACHINE, _CHECKS),
}
ID_SHOWN = 13  # characters, as %runpod jobs shows
OFFLINE = "downloads at start: the network could not be refused"
_OFFLINE = ", with the network refused: nothing is downloaded"
COLD_PARTS = ("process", "imports", "loading", "first job", "again")
_COLD = "{:<13}  {:>7}  {:>7}  {:>7}  {:>9}  {:>5}"


def report_lines(proof: Proof) -> list[str]:
    """The report: the result, one line a job, what was found, and what this level cannot show."""
    ids = _short([job.id for job in proof.jobs])
    width = max(map(len, ids.values()), default=0)
    return [
        *_ladder(proof),
        _title(proof),
        *(_row(job, f"{ids[job.id]:<{width}}") for job in proof.jobs),
        *_cold((*proof.below, proof)),
        *([f"all of it again{_OFFLINE}"] if proof.offline else []),
        *(f"{finding.severity}: {finding}" for finding in proof.findings),
        *(f"not proved: {what}" for what in not_proved(proof)),
    ]


def not_proved(proof: Proof) -> list[str]:
    """What a level, or this run of it, cannot show."""
    more = [OFFLINE] if proof.passed and proof.level != "process" and proof.offline is None else []
    return [*NOT_PROVED.get(proof.level, ()), *more]


def _ladder(proof: Proof) -> list[str]:
    """A line for each level below, which are passed, or nobody would be on this one."""
    return [f"{_title(one)}: {len(one.jobs)} jobs as recorded{_OFFLINE if one.offline else ''}" for one in proof.below]


def _title(proof: Proof) -> str:
    ready = f", ready after {proof.seconds_to_ready:.1f} s" if proof.seconds_to_ready else ""
    outcome = "passed" if proof.passed else "FAILED"
    return f"Proof at level {proof.level}: {outcome} (Python {proof.python}, runpod {proof.sdk}{ready})"


def _cold(proofs: Sequence[Proof]) -> list[str]:
    """The parts of a cold start in seconds, a row for each level."""
    rows = [_COLD.format(proof.level, *_seconds(proof.cold)) for proof in proofs if proof.cold is not None]
    return [_COLD.format("cold start, s", *COLD_PARTS), *rows] if rows else []


def _seconds(cold: ColdStart) -> Iterator[str]:
    parts = (cold.process, cold.imports, cold.load, cold.first_job, cold.second_job)
    return ("" if seconds is None else f"{seconds:.2f}" for seconds in parts)


def report_data(proof: Proof) -> dict[str, Any]:
    """The same as plain data, for `--json`."""
    return {**asdict(proof), "passed": proof.passed, "not_proved": not_proved(proof)}


def _short(ids: list[str]) -> dict[str, str]:
    """Ids as the table of jobs has them, whole where two begin alike."""
    short = {id_: id_[:ID_SHOWN] for id_ in ids}
    return short if len({*short.values()}) == len(short) else {id_: id_ for id_ in ids}


def _row(job: Checked, id_: str) -> str:
    ms = "" if job.ms is None else f"{job.ms:,.0f} ms"
    size = "" if job.bytes is None else f"{job.bytes:,} bytes"
    return f"  {id_}  {job.verdict:<9}  {ms:>10}  {size:>17}  {job.detail}".rstrip()
