"""A notebook of cells, exported and proved with jobs whose answers are known."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rp_notebook.export.cells import CellRun
from rp_notebook.export.exporting import export_document
from rp_notebook.export.recorded import load_jobs
from rp_notebook.export.result import ExportResult
from rp_notebook.proof.places import Folder
from rp_notebook.proof.process import Proof, proved_in
from rp_notebook.proof.report import report_lines


def exported(root: Path, cells: Sequence[str], **options: Any) -> ExportResult:
    """The export of a notebook in `root`, in which nothing is wrong, written to its folder `worker`."""
    runs = [CellRun(number, text, cwd=str(root)) for number, text in enumerate(cells, 1)]
    result = export_document(runs, folder=root, **options)
    assert [str(finding) for finding in result.findings if finding.severity == "error"] == []
    assert "a try" not in result.module
    result.write(root / "worker")
    return result


def proved(root: Path, result: ExportResult, jobs: Sequence[tuple[Any, Any]], environ: Mapping[str, str]) -> Proof:
    """The proof of that worker with pairs of an input and its answer, None where any will do.

    The worker has `environ`, and no file of the export a value of it.
    """
    asked = [{"id": f"j{at}", "input": given} | ({"output": said} if said is not None else {})
             for at, (given, said) in enumerate(jobs)]  # fmt: skip
    lines = "".join(json.dumps(one) + "\n" for one in asked)
    (root / "scratch").mkdir()
    place = Folder(root / "worker", root / "scratch", pass_env=[*environ])
    proof = proved_in(place, load_jobs(lines.encode()), root / "scratch", level="process", timed=False)
    assert proof.passed, "\n".join(report_lines(proof))
    assert {job.verdict for job in proof.jobs} == {"same"}, proof.jobs
    written = "".join(body.decode(errors="replace") for body in result.repo.values())
    assert [name for name, value in environ.items() if f"{name}={value}" in written] == []
    assert [name for name in environ if f"{name}=" not in result.repo[".env.example"].decode()] == []
    assert all(os.environ[name] == value for name, value in environ.items())
    return proof
