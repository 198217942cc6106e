"""The quickstart as its readers meet it: in JupyterLab, and as the demo of an installed wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.journeys.lab import lab, page_of, run_all

ROOT = Path(__file__).parent.parent.parent
NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"


@pytest.mark.browser
def test_the_quickstart_runs_top_to_bottom_in_jupyterlab(tmp_path) -> None:
    shutil.copy(NOTEBOOK, tmp_path)
    # As high as the whole notebook: JupyterLab draws only the cells in view.
    with lab(tmp_path) as address, page_of(address.format(NOTEBOOK.name), height=9000) as page:
        run_all(page, timeout_s=150)
        page.locator(".jp-OutputArea-output .rpn-badge", has_text="PROVED").wait_for(timeout=10_000)
        badges = page.locator(".jp-OutputArea-output .rpn-head .rpn-badge").all_inner_texts()
        # The picture of the README: QUICKSTART_PNG=docs/quickstart.png writes it.
        target = os.environ.get("QUICKSTART_PNG", str(tmp_path / "quickstart.png"))
        page.screenshot(path=target, clip=from_the_loss_to_the_mend(page))
    assert badges == ["LOST", "COMPLETED", "COMPLETED", "FAILED", "TOO LARGE", "CREATED", "PROVED"]


def from_the_loss_to_the_mend(page) -> dict[str, float]:
    """The part of the page from the job that is lost to the one that completes."""
    begins = page.locator("h2", has_text="A job that production would lose").bounding_box()
    cell = page.locator(".jp-CodeCell", has=page.locator(".rpn-badge", has_text="COMPLETED")).first.bounding_box()
    top, bottom = begins["y"] - 16, cell["y"] + cell["height"]
    return {"x": cell["x"], "y": top, "width": cell["width"], "height": bottom - top}


@pytest.mark.kernel
def test_the_demo_of_an_installed_wheel_proves_a_worker_from_any_folder(tmp_path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "installed")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    demo = subprocess.run(
        [sys.executable, "-m", "rp_notebook.cli", "demo", "--out", "kept"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert demo.returncode == 0, demo.stderr
    assert "production would lose this result: output.confidence is torch.Tensor" in demo.stdout
    assert "The demo passed: the worker is proved." in demo.stdout
    assert (tmp_path / "kept" / "sentiment-worker" / "handler.py").is_file()


def test_the_notebook_is_kept_without_outputs() -> None:
    import nbformat

    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
