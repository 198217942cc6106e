"""The levels of a proof: this Python, a fresh environment from the requirements alone, and the image that is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from rp_notebook.export.recorded import RecordedJob
from rp_notebook.jobs.finding import Finding
from rp_notebook.proof.engines import BuildFailed, Container, engine_here
from rp_notebook.proof.environment import InstallFailed, fresh_environment
from rp_notebook.proof.hub_files import hub_findings
from rp_notebook.proof.indexes import mounts, pip_settings, told_settings, without_unreachable
from rp_notebook.proof.offline import Again, proved_offline
from rp_notebook.proof.places import Folder
from rp_notebook.proof.process import Checked, Proof, ignore, prove, proved_in, refuse_nothing
from rp_notebook.proof.worker_process import stage


def proved_at(
    folder: Path,
    jobs: Sequence[RecordedJob],
    *,
    level: str = "process",
    base: str | None = None,
    pass_env: Sequence[str] = (),
    timeout_s: float = 600,
    on_progress: Callable[[str], None] = ignore,
) -> Proof:
    """Proves a worker at a level, and once more with all network refused where this machine can.

    `base` is an image to build on instead of the Dockerfile's own. Raises `ProofImpossible` when there is nothing to
    run, or nothing here that could run it.
    """
    refuse_nothing(folder, jobs)
    with TemporaryDirectory(prefix="rp-notebook-proof-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        match level:
            case "venv":
                found = _in_environment(folder, jobs, scratch, pass_env, timeout_s, on_progress)
            case "image":
                found = _in_image(folder, jobs, scratch, base, pass_env, timeout_s, on_progress)
            case _:
                found = prove(
                    folder, jobs, level=level, pass_env=pass_env, timeout_s=timeout_s, on_progress=on_progress
                )
    return replace(found, findings=(*found.findings, *hub_findings(folder)))


def _in_environment(
    folder: Path,
    jobs: Sequence[RecordedJob],
    scratch: Path,
    pass_env: Sequence[str],
    timeout_s: float,
    say: Callable[[str], None],
) -> Proof:
    staged, silent = _staged(folder, scratch)
    say("installing the requirements into a fresh environment")
    try:
        python = fresh_environment(staged, scratch / "venv")
    except InstallFailed as failed:
        message = "requirements.txt cannot be installed"
        why = Finding("RPP120", "error", message, f"pip says:\n{failed.tail}")
        return _failed("venv", jobs, [why, *silent])
    found = proved_in(
        Folder(folder, scratch, python=python, pass_env=pass_env),
        jobs,
        scratch,
        level="venv",
        timeout_s=timeout_s,
        on_progress=say,
    )
    found = replace(found, findings=(*found.findings, *silent))
    return proved_offline(found, Again("venv", str(folder), python, "", tuple(pass_env), timeout_s), jobs, say)


def _in_image(
    folder: Path,
    jobs: Sequence[RecordedJob],
    scratch: Path,
    base: str | None,
    pass_env: Sequence[str],
    timeout_s: float,
    say: Callable[[str], None],
) -> Proof:
    engine = engine_here()
    tag = f"localhost/rp-notebook-proof:{uuid4().hex[:12]}"
    staged, silent = _staged(folder, scratch)
    settings = pip_settings() if engine.mounts else {}
    silent += told_settings(settings)
    say(f"building the image with {engine.name}")
    try:
        engine.build(staged, tag, scratch / "build.log", base=base, volumes=mounts(settings, scratch))
    except BuildFailed as failed:
        said = f"{engine.name} says:\n{failed.tail}"
        why = Finding("RPP121", "error", "the image does not build", said)
        if failed.without_base:
            fix = f"build on one that is here: --base IMAGE; {said}"
            why = Finding("RPP133", "error", "the image that it is built on cannot be fetched", fix)
        return _failed("image", jobs, [why, *silent])
    try:
        place = Container(engine, tag, pass_env)
        found = proved_in(place, jobs, scratch, level="image", timeout_s=timeout_s, on_progress=say)
        found = replace(found, findings=(*found.findings, *silent))
        # A daemon's containers are in a network of their own, out of reach of the queue on this loopback.
        if engine.name != "buildah":
            return found
        return proved_offline(found, Again("image", str(folder), "", tag, tuple(pass_env), timeout_s), jobs, say)
    finally:
        engine.remove(tag)


def _staged(folder: Path, scratch: Path) -> tuple[Path, list[Finding]]:
    """A copy to install from, without the indexes that do not answer, and what there is to say of them."""
    staged = scratch / "staged"
    stage(folder, staged)
    return staged, without_unreachable(staged)


def _failed(level: str, jobs: Sequence[RecordedJob], why: Sequence[Finding]) -> Proof:
    missing = tuple(Checked(job.id, "missing", "the worker could not be made") for job in jobs)
    return Proof(level, missing, tuple(why), 0.0, "?", "?")
