"""Exports of workers that answered jobs in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rp_notebook.export.recorded import RecordedJob, load_jobs


def exported(
    cells: Sequence[str],
    folder: Path,
    out: Path,
    inputs: Sequence[Any],
    environment: Mapping[str, str],
    *,
    aggregate: bool = False,
) -> tuple[tuple[RecordedJob, ...], list[tuple[str, str]]]:
    """Exports a handler with the jobs that it answers here; gives the jobs, and severity and text of each finding.

    Cells that begin with `!` or `%` are exported and not run.
    """
    asked = {"cells": cells, "folder": str(folder), "out": str(out), "inputs": inputs, "aggregate": aggregate}
    command = [sys.executable, Path(__file__).with_name("fresh_export.py")]
    environ = {**os.environ, **environment, "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, env=environ, check=False)
    assert ran.returncode == 0, ran.stderr
    return load_jobs((out / "tests" / "jobs.jsonl").read_bytes()), json.loads(ran.stdout.splitlines()[-1])
