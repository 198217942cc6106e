"""The command rp-notebook, called as a shell would: what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from rp_notebook.cli import main

HANDLER = "%%runpod_handler\ndef handler(job):\n    return {'y': FACTOR * job['input']['x']}"


@pytest.fixture
def notebook(tmp_path) -> Path:
    path = tmp_path / "n.ipynb"
    cells = ["FACTOR = 2\nprint('noise')", HANDLER, "%runpod prove nowhere"]  # only a person wants that
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), path)
    return path


def test_export_writes_a_worker_and_tells_its_files(notebook: Path, tmp_path, capsys) -> None:
    assert main(["export", str(notebook), "--out", str(tmp_path / "w"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["handler"], told["written"]) == ("handler", "created")
    written = [path for path in (tmp_path / "w").rglob("*") if path.is_file()]
    assert sorted(path.relative_to(tmp_path / "w").as_posix() for path in written) == told["files"]


def test_an_edited_folder_is_refused_and_taken_with_force(notebook: Path, tmp_path, capsys) -> None:
    command = ["export", str(notebook), "--out", str(tmp_path / "w")]
    main(command)
    (tmp_path / "w" / "handler.py").write_text("# mine\n")
    assert main(command) == 1
    assert "handler.py" in capsys.readouterr().err
    assert (tmp_path / "w" / "handler.py").read_text() == "# mine\n"
    assert main([*command, "--force"]) == 0
    assert "FACTOR" in (tmp_path / "w" / "handler.py").read_text()


def test_a_refused_export_says_why_as_json(notebook: Path, tmp_path, capsys) -> None:
    assert main(["export", str(notebook), "--handler", "other", "--out", str(tmp_path / "w"), "--json"]) == 1
    assert [found["code"] for found in json.loads(capsys.readouterr().out)["findings"]] == ["RPS109"]
    assert not (tmp_path / "w").exists()


def test_training_has_to_be_allowed(tmp_path, capsys) -> None:
    cells = ["class Model:\n    def fit(self, x):\n        self.k = x\nFACTOR = Model()\nFACTOR.fit(3)", HANDLER]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, tmp_path / "n.ipynb")
    assert main(["export", str(tmp_path / "n.ipynb"), "--json"]) == 1
    assert [found["code"] for found in json.loads(capsys.readouterr().out)["findings"]] == ["RPS132"]
    assert main(["export", str(tmp_path / "n.ipynb"), "--train"]) == 0


@pytest.mark.parametrize("text", ["not a notebook", '{"cells": 3}', ""], ids=["text", "shape", "empty"])
def test_a_file_that_is_no_notebook_is_one_line(tmp_path, capsys, text: str) -> None:
    (tmp_path / "n.ipynb").write_text(text)
    assert main(["export", str(tmp_path / "n.ipynb")]) == 1
    said = capsys.readouterr().err
    assert "not a notebook" in said
    assert len(said.splitlines()) == 1


def test_prove_without_jobs_is_a_finding(notebook: Path, tmp_path, capsys) -> None:
    main(["export", str(notebook), "--out", str(tmp_path / "w")])
    capsys.readouterr()
    assert main(["prove", str(tmp_path / "w"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["code"] == "RPP100"


@pytest.mark.kernel
def test_prove_with_jobs_of_ones_own(notebook: Path, tmp_path, capsys) -> None:
    main(["export", str(notebook), "--out", str(tmp_path / "w")])
    (tmp_path / "jobs.jsonl").write_text('{"input": {"x": 3}, "output": {"y": 6}}\n')
    capsys.readouterr()
    assert main(["prove", str(tmp_path / "w"), "--jobs", str(tmp_path / "jobs.jsonl"), "--json"]) == 0
    assert [job["verdict"] for job in json.loads(capsys.readouterr().out)["jobs"]] == ["same"]


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("given", "code", "told"),
    [('{"x": 3}', 0, '"y": 6'), ('{"z": 3}', 1, "KeyError: 'x'"), ('{"x": 3', 1, "the input is not JSON")],
    ids=["done", "failed", "bad input"],
)
def test_run_runs_the_notebook_and_then_the_job(notebook: Path, capsys, given: str, code: int, told: str) -> None:
    assert main(["run", str(notebook), "--input", given]) == code
    said = capsys.readouterr()
    assert told in said.out + said.err


def test_wrong_usage_is_exit_code_2(capsys) -> None:
    assert main([]) == 2
    with pytest.raises(SystemExit) as exit_:
        main(["export"])
    assert exit_.value.code == 2
