"""From a folder to its proof: finds the jobs to replay and runs them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from rp_notebook.errors import ProofImpossible
from rp_notebook.export.recorded import RecordedJob, load_jobs
from rp_notebook.jobs.finding import Finding
from rp_notebook.proof.engines import engine_here
from rp_notebook.proof.levels import proved_at
from rp_notebook.proof.process import LEVELS, Proof, ignore

JOBS = "tests/jobs.jsonl"


def prove_folder(
    folder: Path,
    *,
    level: str = "process",
    jobs: Path | None = None,
    base: str | None = None,
    only: bool = False,
    on_progress: Callable[[str], None] = ignore,
    environ: Mapping[str, str] = os.environ,
) -> Proof:
    """Proves an exported worker with the jobs of `jobs`, or those in the folder's own tests/jobs.jsonl.

    It climbs from level "process" up to `level`, for the lower ones fail sooner and say more, and gives the last proof
    with those `below`; `only` leaves them out. `base` is an image to build on instead of the Dockerfile's own, at level
    "image". The worker gets the variables that the folder's .env.example names, with the values of `environ`.

    Raises `ProofImpossible` when there is nothing to run, or nothing here that could build an image, and `BadInput` for
    a jobs file that does not parse.
    """
    recorded = _recorded(jobs or folder / JOBS, folder)
    given = [name for name in _variables(folder) if name in environ]
    levels = [*(() if only or level not in LEVELS else LEVELS[: LEVELS.index(level)]), level]
    below: list[Proof] = []
    if level == "image":
        engine_here()  # the levels below take minutes
    for one in levels:
        say = on_progress if len(levels) == 1 else partial(_said, on_progress, one)
        found = proved_at(folder, recorded, level=one, base=base, pass_env=given, on_progress=say)
        below.append(found)
        if not found.passed:
            break
    found = replace(found, below=tuple(below[:-1]))
    if not given:
        return found
    message = f"{', '.join(given)}: the worker had this machine's values, and will have those of the endpoint"
    note = Finding("RPP125", "note", message, "set them on the endpoint as here")
    return replace(found, findings=(*found.findings, note))


def _said(say: Callable[[str], None], level: str, line: str) -> None:
    say(f"{level}: {line}")


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
