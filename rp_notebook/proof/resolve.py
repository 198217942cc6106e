"""Whether a worker's requirements can be installed together on RunPod's machines: a real resolve, and no download."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from rp_notebook.export.manifest import MANIFEST
from rp_notebook.export.repo import BASE_REQUIREMENTS, REQUIREMENTS
from rp_notebook.export.vendored import VENDOR
from rp_notebook.jobs.finding import Finding
from rp_notebook.proof.indexes import without_unreachable
from rp_notebook.proof.processes import ran

# What pip takes for linux/amd64, the newest first: a wheel of an older one runs there, too.
PLATFORMS = (
    *("manylinux_2_34_x86_64", "manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "linux_x86_64",
)
LINES_TOLD = 8
_NAMES = (BASE_REQUIREMENTS, REQUIREMENTS)
_UNREACHED = "after connection broken by"  # what pip says as it tries once more


def conflicts_of(files: Mapping[str, bytes]) -> list[Finding]:
    """What `unresolved` says of an export in memory, and which of its indexes do not answer."""
    needed = {name: body for name, body in files.items() if name in _NAMES or name.startswith(f"{VENDOR}/")}
    with TemporaryDirectory(prefix="rp-notebook-resolve-") as name:
        folder = Path(name)
        for inner, body in needed.items():
            (folder / inner).parent.mkdir(parents=True, exist_ok=True)
            (folder / inner).write_bytes(body)
        silent = without_unreachable(folder)
        return [*unresolved(folder, json.loads(files[MANIFEST])["python"]), *silent]


def unresolved(folder: Path, python: str, *, timeout_s: float = 300) -> list[Finding]:
    """What pip's resolver says against the requirements of a folder for a Python such as "3.11"; [] when they resolve.

    Transitive requirements count, those of the SDK among them. Where no index answers, that is a note.
    """
    # Lines such as ./vendor/x.whl are relative to where pip runs. It downloads what it reads, and installs nothing.
    command = [
        *(sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-input"),
        *(
            "--disable-pip-version-check",
            "--retries=1",
            "--only-binary=:all:",
            "--implementation=cp",
            f"--python-version={python}",
        ),
        *(f"--platform={platform}" for platform in PLATFORMS),
        *("--target=unused", f"--report={os.devnull}"),
        *(f"--requirement={name}" for name in _NAMES if (folder / name).is_file()),
    ]
    try:
        asked = ran(command, cwd=folder, text=True, timeout_s=timeout_s)
    except subprocess.TimeoutExpired:
        return [_unknown(f"pip had not resolved them after {timeout_s:.0f} s")]
    if asked.returncode == 0:
        return []
    told = "\n".join([line for line in asked.stderr.splitlines() if line.startswith("ERROR")][-LINES_TOLD:])
    if _UNREACHED in asked.stderr and "conflict" not in told:
        return [_unknown("no package index answers here")]
    if "conflict" in told:
        message = f"the requirements cannot be installed together on Python {python}"
        return [Finding("RPP128", "error", message, f"install versions that go together; pip says:\n{told}")]
    message = f"not all requirements have a wheel for Linux x86_64 and Python {python}"
    return [Finding("RPP129", "warning", message, f"the build compiles them, or fails; pip says:\n{told}")]


def _unknown(why: str) -> Finding:
    return Finding("RPP132", "note", f"whether the requirements go together is not known: {why}")
