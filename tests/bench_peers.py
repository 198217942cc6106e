"""Rows of `make bench` about other exporters: how many of our cases answer as the notebook did, over how many of ours.

nuclio-jupyter is installed for it into an environment that is thrown away; where that cannot be, the row says so.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import pytest

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from tests.bench import Row
from tests.export.test_slicing import CASES, answers, cells_of, exported, folder, module_space, run_plainly

NUCLIO = """
import base64, json, sys, nbformat
from nuclio.export import NuclioExporter
texts = []
for cells in json.load(sys.stdin):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    try:
        told = NuclioExporter().from_notebook_node(notebook, resources={})[0]  # YAML, the source in it
        coded = next(line for line in told.splitlines() if "functionSourceCode" in line).split(":")[1]
        texts.append(base64.b64decode(coded).decode())
    except Exception as error:
        texts.append(f"raise SystemExit({str(error)!r})")
print(json.dumps(texts))
"""
INSTALL_S = 240
# Read from an install of November 2026.
UNJUDGED = Row(
    "cases right, ipyflow / ours",
    0.0,
    1.0,
    "not judged: it brings 110 packages of 331 MB with it, and slices only what ran under its own kernel",
)


def peers() -> list[Row]:
    """The rows; all is judged in this process, in a folder with the cases' modules and files."""
    with TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
        place = folder.__wrapped__(Path(scratch), patch)  # type: ignore[attr-defined] # a fixture's own function
        cases = [case for case in CASES if not case.needs or importlib.util.find_spec(case.needs)]
        told = [cells_of(case, str(place)) for case in cases]
        expected = [answers(run_plainly(cells)["handler"]) for cells in told]
        ours = right(expected, [our_text(cells) for cells in told])
        made: dict[str, Callable[[], list[str]]] = {
            "nbconvert --to script": lambda: [script(cells) for cells in told],
            "nuclio-jupyter": lambda: nuclio([[cell.text for cell in cells] for cells in told]),
        }
        return [*(row(name, make, expected, ours) for name, make in made.items()), UNJUDGED]


def row(name: str, make: Callable[[], list[str]], expected: list[object], ours: int) -> Row:
    try:
        theirs = right(expected, make())
    except (OSError, subprocess.SubprocessError) as error:
        return Row(f"cases right, {name} / ours", 0.0, 1.0, f"not measured: {type(error).__name__} while installing it")
    return Row(f"cases right, {name} / ours", theirs / ours, 1.0, f"{theirs} of {len(expected)} against {ours}")


def right(expected: list[object], texts: list[str]) -> int:
    """How many modules answer as the notebook did."""
    found = 0
    for wanted, text in zip(expected, texts, strict=True):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception, SystemExit):
            found += answers(module_space(text)["handler"]) == wanted
    return found


def our_text(cells: list[CellRun]) -> str:
    try:
        return exported(cells)[1].text
    except ExportRefused as refusal:
        return f"raise SystemExit({str(refusal)!r})"


def script(cells: list[CellRun]) -> str:
    from nbconvert.exporters import PythonExporter

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.text) for cell in cells])
    return str(PythonExporter().from_notebook_node(notebook)[0])


def nuclio(notebooks: list[list[str]]) -> list[str]:
    with TemporaryDirectory() as place:
        subprocess.run([sys.executable, "-m", "venv", place], check=True, capture_output=True)
        python = f"{place}/bin/python"
        install = [python, "-m", "pip", "install", "-qq", "nuclio-jupyter"]
        subprocess.run(install, check=True, capture_output=True, timeout=INSTALL_S)
        told = subprocess.run(
            [python, "-c", NUCLIO], input=json.dumps(notebooks), capture_output=True, text=True, check=True
        )
    texts: list[str] = json.loads(told.stdout.splitlines()[-1])
    return texts
