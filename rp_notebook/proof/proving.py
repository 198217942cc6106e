"""From a folder to its proof: finds the jobs to replay and runs them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from rp_notebook.errors import ProofImpossible
from rp_notebook.export.recorded import RecordedJob, load_jobs
from rp_notebook.jobs.finding import Finding
from rp_notebook.proof.levels import proved_at
from rp_notebook.proof.process import Proof, ignore

JOBS = "tests/jobs.jsonl"


def prove_folder(
    folder: Path,
    *,
    level: str = "process",
    jobs: Path | None = None,
    base: str | None = None,
    on_progress: Callable[[str], None] = ignore,
    environ: Mapping[str, str] = os.environ,
) -> Proof:
    """Proves an exported worker with the jobs of `jobs`, or those in the folder's own tests/jobs.jsonl.

    `base` is an image to build on instead of the Dockerfile's own, at level "image". The worker gets the variables that
    the folder's .env.example names, with the values of `environ`.

    Raises `ProofImpossible` when there is nothing to run, and `BadInput` for a jobs file that does not parse.
    """
    recorded = _recorded(jobs or folder / JOBS, folder)
    given = [name for name in _variables(folder) if name in environ]
    found = proved_at(folder, recorded, level=level, base=base, pass_env=given, on_progress=on_progress)
    if not given:
        return found
    message = f"{', '.join(given)}: the worker had this machine's values, and will have those of the endpoint"
    note = Finding("RPP125", "note", message, "set them on the endpoint as here")
    return replace(found, findings=(*found.findings, note))


def _variables(folder: Path) -> list[str]:
    """The environment variables that an export says its worker reads."""
    example = folder / ".env.example"
    lines = example.read_text("utf-8").splitlines() if example.is_file() else []
    return [line.partition("=")[0] for line in lines if "=" in line and not line.startswith("#")]


def _recorded(path: Path, folder: Path) -> tuple[RecordedJob, ...]:
    if path.is_file():
        return load_jobs(path.read_bytes())
    if path == folder / JOBS:  # an export without jobs: prove() says so, or that there is no export at all
        return ()
    raise ProofImpossible(f"there is no file {path}")
