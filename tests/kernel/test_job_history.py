"""`%runpod jobs` and `%runpod golden` in a real shell."""

from __future__ import annotations

import csv
import json

import pandas
import pytest

from tests.kernel.conftest import Cell
from tests.kernel.test_extension import DOUBLE


@pytest.fixture
def jobs(cell: Cell):
    cell(DOUBLE)
    for x in range(4):
        cell(f'%runpod job {{"id": "job-{x}", "input": {{"x": {x}}}}}')
    cell("%%runpod_handler\ndef fails(job):\n    raise ValueError('boom')")
    cell('%runpod job {"id": "bad-1", "input": {}}')
    return cell


@pytest.mark.parametrize(
    ("flags", "ids"),
    [
        ("", ["job-0", "job-1", "job-2", "job-3", "bad-1"]),
        ("--last 2", ["job-3", "bad-1"]),
        ("-n double --last 1", ["job-3"]),
        ("--status failed", ["bad-1"]),
        ("--text boom", ["bad-1"]),
        ("--sort time --reverse --last 1", ["bad-1"]),
        ("job-2", ["job-2"]),
    ],
)
def test_jobs_are_filtered_and_sorted(jobs: Cell, flags, ids) -> None:
    table = jobs(f"%runpod jobs {flags}").result
    assert [line.id for line in table.lines] == ids
    assert all(id_ in repr(table) and id_ in table._repr_html_() for id_ in ids)


def test_the_table_says_how_all_jobs_ended_and_how_many_it_shows(jobs: Cell) -> None:
    assert "5 jobs: 4 COMPLETED, 1 FAILED; 2 shown" in repr(jobs("%runpod jobs --last 2").result)
    assert "ValueError: boom" in repr(jobs("%runpod jobs").result)
    assert "No such job" in repr(jobs("%runpod jobs -n nobody").result)


def test_a_job_that_is_asked_for_alone_is_shown_whole(jobs: Cell) -> None:
    jobs("%%runpod_handler\ndef prints(job):\n    print('seen by nobody')\n    return job['input']['n'] + 1")
    jobs('%runpod job {"id": "printing", "input": {"n": 41}}')
    shown = jobs("%runpod jobs printing").result
    for told in (repr(shown), shown._repr_html_()):
        assert all(word in told for word in ("seen by nobody", "42", "41"))
    failed = repr(jobs("%runpod jobs bad-1").result)
    assert "in fails" in failed
    assert "raise ValueError('boom')" in failed
    assert "raise ValueError" not in repr(jobs("%runpod jobs").result)


def test_jobs_are_written_as_csv(jobs: Cell, tmp_path) -> None:
    assert "5 jobs" in repr(jobs(f"%runpod jobs --csv {tmp_path}/jobs.csv").result)
    with (tmp_path / "jobs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["job-0", "job-1", "job-2", "job-3", "bad-1"]
    assert rows[-1]["outcome"] == "FAILED"
    assert "boom" in rows[-1]["note"]


def test_jobs_are_written_as_lines_that_a_proof_takes(jobs: Cell, tmp_path) -> None:
    from rp_notebook.export.recorded import load_jobs

    jobs(f"%runpod jobs -n double --jsonl {tmp_path}/jobs.jsonl")
    text = (tmp_path / "jobs.jsonl").read_bytes()
    assert [json.loads(line)["input"] for line in text.splitlines()] == [{"x": x} for x in range(4)]
    assert [job.id for job in load_jobs(text)] == [f"job-{x}" for x in range(4)]


def test_jobs_are_given_as_a_dataframe(jobs: Cell) -> None:
    frame = jobs("frame = %runpod jobs --dataframe\nframe").result
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.outcome) == ["COMPLETED"] * 4 + ["FAILED"]
    assert str(frame.started_at.dtype).startswith("datetime64")


def test_latency_is_drawn_and_told_cold_and_warm(jobs: Cell) -> None:
    latency = jobs("%runpod jobs --plot").result
    assert "double v1  4 jobs  cold" in repr(latency)
    assert "warm min" in repr(latency)
    assert latency.png().startswith(b"\x89PNG")
    assert "data:image/png;base64," in latency._repr_html_()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("%runpod jobs --status gone", "COMPLETED, FAILED, LOST"),
        ("%runpod jobs --csv /nowhere/at/all.csv", "cannot write /nowhere/at/all.csv: No such file"),
        ("%runpod golden nope", "no job has an id that begins with 'nope'"),
        ("%runpod golden job-", "several jobs have an id that begins with 'job-'"),
    ],
)
def test_a_mistake_is_one_line(jobs: Cell, capsys, line, told) -> None:
    capsys.readouterr()
    jobs(line)
    said = capsys.readouterr()
    assert told in said.out + said.err
    assert "Traceback" not in said.out + said.err


def test_golden_jobs_are_kept_listed_and_let_go(jobs: Cell) -> None:
    assert [line.id for line in jobs("%runpod golden").result.lines] == ["bad-1"]
    table = jobs("%runpod golden job-1 job-3 --tolerance 0.01").result
    assert [line.id for line in table.lines] == ["job-1", "job-3", "bad-1"]
    assert "★job-1" in repr(table)
    assert [line.id for line in jobs("%runpod golden --off job-3 bad-1").result.lines] == ["job-1"]
    assert [line.id for line in jobs("%runpod golden --list").result.lines] == ["job-1"]


def test_a_job_that_cannot_run_again_cannot_be_golden(jobs: Cell, capsys) -> None:
    jobs('%runpod job -n double {"id": "secret", "input": {"x": 1, "api_key": "abcdefgh"}}')
    jobs("%runpod golden secret")
    assert "cannot be golden: input.api_key held a secret" in capsys.readouterr().err


def test_golden_jobs_become_the_tests_of_the_export(jobs: Cell, tmp_path) -> None:
    jobs("%runpod golden job-2 --tolerance 0.5")
    jobs(DOUBLE)  # a new version, which has not run
    jobs(f"%runpod export {tmp_path}/worker")
    (line,) = (tmp_path / "worker" / "tests" / "jobs.jsonl").read_text().splitlines()
    assert (json.loads(line)["id"], json.loads(line)["tolerance"]) == ("job-2", 0.5)


def test_the_card_says_where_jobs_are_kept(jobs: Cell, tmp_path) -> None:
    card = repr(jobs("%runpod").result)
    assert f"jobs are kept in {tmp_path}" in card
    assert "job bad-1 of fails: FAILED" in card


def test_jobs_run_from_python_are_kept_too(jobs: Cell) -> None:
    jobs("import rp_notebook\nrp_notebook.run_job(double, {'id': 'plain', 'input': {'x': 1}})")
    jobs("await rp_notebook.arun_job(double, {'id': 'awaited', 'input': {'x': 1}})")
    lines = jobs("%runpod jobs -n double --last 2").result.lines
    assert [(line.id, line.version, line.outcome) for line in lines] == [
        ("plain", 1, "COMPLETED"),
        ("awaited", 1, "COMPLETED"),
    ]


def test_unloading_ends_the_keeping(jobs: Cell, tmp_path) -> None:
    jobs("import rp_notebook\n%unload_ext rp_notebook\nrp_notebook.run_job(double, {'x': 1})")
    jobs("%load_ext rp_notebook")
    assert len(jobs("%runpod jobs").result.lines) == 5
