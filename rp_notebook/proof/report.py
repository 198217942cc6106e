"""A proof as text that a newcomer understands, and as plain data."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rp_notebook.proof.process import Checked, Proof

NOT_PROVED = {
    "process": (
        "requirements.txt (the packages were those of this Python)",
        "the image: its system packages, its files, its user",
        "the GPU, drivers and memory of the machine it will run on",
        "downloads at start: models came from this machine's cache",
    ),
}


def report_lines(proof: Proof) -> list[str]:
    """The report: the result, one line a job, what was found, and what this level cannot show."""
    outcome = "passed" if proof.passed else "FAILED"
    ready = f", ready after {proof.seconds_to_ready:.1f} s" if proof.seconds_to_ready else ""
    width = max((len(job.id) for job in proof.jobs), default=0)
    return [
        f"Proof at level {proof.level}: {outcome} (Python {proof.python}, runpod {proof.sdk}{ready})",
        *(_row(job, width) for job in proof.jobs),
        *(f"{finding.severity}: {finding}" for finding in proof.findings),
        *(f"not proved: {what}" for what in NOT_PROVED.get(proof.level, ())),
    ]


def report_data(proof: Proof) -> dict[str, Any]:
    """The same as plain data, for `--json`."""
    return {**asdict(proof), "passed": proof.passed, "not_proved": list(NOT_PROVED.get(proof.level, ()))}


def _row(job: Checked, width: int) -> str:
    ms = "" if job.ms is None else f"{job.ms:,.0f} ms"
    size = "" if job.bytes is None else f"{job.bytes:,} bytes"
    return f"  {job.id:<{width}}  {job.verdict:<9}  {ms:>10}  {size:>17}  {job.detail}".rstrip()
