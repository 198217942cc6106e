"""The notebooks that users open first: each runs from top to bottom without a network, and proves its worker."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from rp_notebook.headless import executed

ROOT = Path(__file__).parent.parent.parent
MODEL = Path(sys.prefix) / "smollm2-135m-instruct"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# What has to be among the badges that each shows, in this order; the quickstart has a test of its own, in a browser.
SHOWN = {
    "adopt": ["LOST", "CHECKED", "COMPLETED", "REPEATED", "CREATED", "WHY", "PROVED"],
    "audio": ["COMPLETED", "FAILED", "CHANGED", "FAILED", "CREATED", "PROVED"],
    "concurrency": ["OVERLAPPED", "OVERLAPPED", "COMPLETED", "FAILED", "CREATED", "PROVED"],
    "streaming": ["COMPLETED", "COMPLETED", "COMPLETED", "CREATED", "PROVED"],
    "endpoint": ["COMPLETED", "CREATED", "SERVING", "STOPPED", "PROVED"],
    "gpus": ["REPEATED", "COMPLETED", "FITS", "FITS", "CREATED", "PROVED", "REHEARSED", "REHEARSED"],
    "images": ["LOST", "COMPLETED", "FAILED", "CREATED", "PROVED"],
    "messy": ["COMPLETED", "CHECKED", "CREATED", "WHY", "COMPLETED", "REPLACED", "PROVED"],
}
# Of these the notebook speaks itself: the model that the code names is fetched by the image only; a mess is a mess.
WARNED = {"streaming": ["RPX251"], "messy": ["RPS108", "RPS107", "RPS108"]}


def texts(notebook: Any) -> list[str]:
    """What the cells show, as plain text."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output.data["text/plain"] for output in outputs if "text/plain" in output.get("data", {})]


@pytest.mark.kernel
@pytest.mark.parametrize("name", SHOWN)
def test_a_notebook_proves_its_worker_without_a_network(name: str, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    if name == "streaming":
        if not MODEL.is_dir():
            pytest.skip("the language model is not there: make test, or make lab, makes it")
        monkeypatch.setenv("MODEL", str(MODEL))
    for file in (ROOT / "notebooks").iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    notebook = executed(tmp_path / f"{name}.ipynb", folder=tmp_path, on_cell=lambda *_: None)
    shown = texts(notebook)
    badges = [text.split("  ")[0] for text in shown]
    assert [badge for badge in badges if badge.isupper()] == SHOWN[name], "\n".join(shown)
    # A reader should meet no warning that is not the notebook's subject.
    export = next(text for text in shown if text.startswith("CREATED"))
    warnings = [line for line in export.splitlines() if line.startswith(("!", "✗"))]
    assert [line.split()[1] for line in warnings] == WARNED.get(name, []), export


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert cells
    assert not any(cell.outputs or cell.execution_count for cell in cells)


def test_every_notebook_is_executed() -> None:
    assert {path.stem for path in NOTEBOOKS} == {*SHOWN, "quickstart"}
