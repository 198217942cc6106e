"""A proof as text that a newcomer understands, and as plain data."""

from __future__ import annotations

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
OFFLINE = "downloads at start: the network could not be refused"


def report_lines(proof: Proof) -> list[str]:
    """The report: the result, one line a job, what was found, and what this level cannot show."""
    outcome = "passed" if proof.passed else "FAILED"
    ready = f", ready after {proof.seconds_to_ready:.1f} s" if proof.seconds_to_ready else ""
    width = max((len(job.id) for job in proof.jobs), default=0)
    return [
        f"Proof at level {proof.level}: {outcome} (Python {proof.python}, runpod {proof.sdk}{ready})",
        *(_row(job, width) for job in proof.jobs),
        *_cold(proof.cold),
        *(["all of it again with the network refused: nothing is downloaded"] if proof.offline else []),
        *(f"{finding.severity}: {finding}" for finding in proof.findings),
        *(f"not proved: {what}" for what in not_proved(proof)),
    ]


def not_proved(proof: Proof) -> list[str]:
    """What a level, or this run of it, cannot show."""
    more = [OFFLINE] if proof.level != "process" and proof.offline is None else []
    return [*NOT_PROVED.get(proof.level, ()), *more]


def _cold(cold: ColdStart | None) -> list[str]:
    if cold is None:
        return []
    parts = {"process": cold.process, "imports": cold.imports, "loading": cold.load, "first job": cold.first_job}
    parts["again"] = cold.second_job
    told = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in parts.items() if seconds is not None)
    return [f"cold start: {told}"]


def report_data(proof: Proof) -> dict[str, Any]:
    """The same as plain data, for `--json`."""
    return {**asdict(proof), "passed": proof.passed, "not_proved": not_proved(proof)}


def _row(job: Checked, width: int) -> str:
    ms = "" if job.ms is None else f"{job.ms:,.0f} ms"
    size = "" if job.bytes is None else f"{job.bytes:,} bytes"
    return f"  {job.id:<{width}}  {job.verdict:<9}  {ms:>10}  {size:>17}  {job.detail}".rstrip()
