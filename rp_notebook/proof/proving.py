"""From a folder to its proof: finds the jobs to replay and runs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rp_notebook.errors import ProofImpossible
from rp_notebook.export.recorded import RecordedJob, load_jobs
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
) -> Proof:
    """Proves an exported worker with the jobs of `jobs`, or those in the folder's own tests/jobs.jsonl.

    `base` is an image to build on instead of the Dockerfile's own, at level "image".

    Raises `ProofImpossible` when there is nothing to run, and `BadInput` for a jobs file that does not parse.
    """
    return proved_at(folder, _recorded(jobs or folder / JOBS, folder), level=level, base=base, on_progress=on_progress)


def _recorded(path: Path, folder: Path) -> tuple[RecordedJob, ...]:
    if path.is_file():
        return load_jobs(path.read_bytes())
    if path == folder / JOBS:  # an export without jobs: prove() says so, or that there is no export at all
        return ()
    raise ProofImpossible(f"there is no file {path}")
