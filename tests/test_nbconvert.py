"""`jupyter nbconvert --to runpod` in a real process reaches the same exporter."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from rp_notebook.export.exporting import export_notebook

pytestmark = pytest.mark.kernel
ROOT = Path(__file__).parent.parent
GOOD = ("SCALE = 3\nUNUSED = 1", "%%runpod_handler\ndef handler(job):\n    return job['input'] * SCALE")


@pytest.fixture
def convert(tmp_path):
    """Runs nbconvert on a notebook of these cells, with the entry point that our pyproject.toml declares."""
    lines = (ROOT / "pyproject.toml").read_text().split('[project.entry-points."nbconvert.exporters"]\n')[1]
    declared = lines.split("\n\n")[0].replace('"', "")
    info = tmp_path / "site" / "rp_notebook_of_this_checkout-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rp-notebook-of-this-checkout\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[nbconvert.exporters]\n{declared}\n")
    paths = os.pathsep.join([str(ROOT), str(info.parent)])

    def run(*flags: str, cells: tuple[str, ...] = GOOD, name: str = "n.ipynb") -> subprocess.CompletedProcess[str]:
        made = [nbformat.v4.new_code_cell(text) for text in cells]
        nbformat.write(nbformat.v4.new_notebook(cells=made), tmp_path / name)
        command = [sys.executable, "-m", "nbconvert", "--to", "runpod", name, *flags]
        environ = {**os.environ, "PYTHONPATH": paths, "HOME": str(tmp_path)}
        return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)

    return run


def test_the_files_are_those_of_the_export(convert, tmp_path) -> None:
    done = convert()
    assert done.returncode == 0, done.stderr
    expected = export_notebook(tmp_path / "n.ipynb").repo
    folder = tmp_path / "n-worker"
    written = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert written == dict(expected)
    assert convert().returncode == 0, "a second time it is ours to write over"


def test_flags_say_where_and_which(convert, tmp_path) -> None:
    other = "%%runpod_handler other\ndef other(job):\n    return 2"
    flags = ("--output-dir", "deep/worker", "--RunpodExporter.handler=handler", "--RunpodExporter.python=3.12")
    flags += ("--RunpodExporter.validate=True", "--RunpodExporter.weights=volume")
    schema = "INPUT_SCHEMA = {'n': {'type': int, 'required': True}}"
    loads = "from transformers import AutoModel\nmodel = AutoModel.from_pretrained('owner/tiny')"
    handler = "%%runpod_handler --schema INPUT_SCHEMA\ndef handler(job):\n    return [job['input']['n'] * SCALE, model]"
    done = convert(*flags, cells=(GOOD[0], schema, loads, handler, other))
    assert done.returncode == 0, done.stderr
    module = (tmp_path / "deep" / "worker" / "handler.py").read_text()
    assert "SCALE = 3" in module
    assert ast.parse(module)
    dockerfile = (tmp_path / "deep" / "worker" / "Dockerfile").read_text()
    assert ("python:3.12" in dockerfile, "HF_HOME=/runpod-volume/huggingface" in dockerfile) == (True, True)
    assert "INPUT_SCHEMA" in module


def test_output_names_the_workers_folder(convert, tmp_path) -> None:
    assert convert("--output", "mine").returncode == 0
    assert (tmp_path / "mine" / "rp_manifest.json").is_file()


def test_a_wrong_worker_is_refused_and_nothing_is_written(convert, tmp_path) -> None:
    done = convert(cells=("%%runpod_handler\ndef handler(job):\n    return nowhere",))
    assert done.returncode != 0
    assert "RPS109 no cell defines `nowhere`" in done.stderr
    assert not (tmp_path / "n-worker").exists()


def test_files_of_others_are_not_written_over(convert, tmp_path) -> None:
    (tmp_path / "README.md").write_text("mine")
    done = convert("--output-dir", ".")
    assert done.returncode != 0
    assert "holds README.md" in done.stderr
    assert (tmp_path / "README.md").read_text() == "mine"
    assert convert("--output-dir", ".", "--RunpodExporter.force=True").returncode == 0
