"""`%runpod import` in a real shell: the next cell, and a notebook."""

from __future__ import annotations

from tests.kernel.conftest import Cell

WORKER = """\
import runpod

from shelf import double


def handler(job):
    return double(job["input"]["n"])


runpod.serverless.start({"handler": handler})
"""


def test_an_existing_worker_becomes_the_next_cell_and_runs(cell: Cell, tmp_path, monkeypatch, capsys) -> None:
    given: list[str] = []
    monkeypatch.syspath_prepend(tmp_path)  # as a kernel has its folder
    shell = cell("get_ipython()").result
    monkeypatch.setattr(shell, "set_next_input", given.append)
    (tmp_path / "worker").mkdir()
    (tmp_path / "worker" / "handler.py").write_text(WORKER)
    (tmp_path / "worker" / "shelf.py").write_text("def double(n):\n    return 2 * n\n")
    assert "shelf.py" in repr(cell("%runpod import worker").result)
    (text,) = given
    assert text == f"%%runpod_handler\n{WORKER}"
    cell(text)
    assert cell('%runpod job {"n": 21}').result.output == 42
    assert "handler.py" in repr(cell("%runpod import worker notes/worker.ipynb").result)
    assert {path.name for path in (tmp_path / "notes").iterdir()} == {"worker.ipynb", "shelf.py"}
    cell("%runpod import nowhere")
    assert "there is no folder nowhere" in capsys.readouterr().err
