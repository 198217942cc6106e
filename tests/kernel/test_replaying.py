"""`%runpod replay` in a real shell: what an edit changed, and what it did not."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Cell

SCORE = "%%runpod_handler\ndef score(job):\n    return {'score': job['input']['x'] * 1.0, 'label': 'cat'}"


@pytest.fixture
def scored(cell: Cell):
    cell(SCORE)
    for x in range(1, 4):
        cell(f"%runpod job {{'x': {x}}}")
    return cell


def replayed(cell: Cell, handler: str, line: str = "%runpod replay"):
    cell(handler)
    return cell(line).result


def test_an_edit_without_effect_is_the_same(scored: Cell) -> None:
    report = replayed(scored, SCORE.replace("* 1.0", "/ 1"))
    assert (report.badge, report.headline) == ("SAME", "score v2: 3 of 3 jobs answer as before")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("* 1.0", "* 2.0", "output.score: 1.0 became 2.0"),
        ("'cat'", "'dog'", 'output.label: "cat" became "dog"'),
        (", 'label': 'cat'", "", "output.label is gone"),
        ("'cat'", "{1}", "COMPLETED → LOST"),
        ("'label'", "'error'", "error is new"),
        ("def score(job):\n", "def score(job):\n    raise ValueError('boom')\n", "COMPLETED → FAILED"),
    ],
)
def test_an_edit_with_an_effect_tells_where(scored: Cell, old, new, told) -> None:
    report = replayed(scored, SCORE.replace(old, new))
    assert report.badge == "CHANGED"
    assert told in repr(report)
    assert told.replace('"', "&quot;") in report._repr_html_()


def test_numbers_within_the_tolerance_are_the_same(scored: Cell) -> None:
    assert replayed(scored, SCORE.replace("* 1.0", "* 1.001")).badge == "CHANGED"
    assert replayed(scored, SCORE, "%runpod replay --tolerance 0.01").badge == "SAME"


def test_golden_jobs_are_replayed_alone_and_with_their_tolerance(scored: Cell) -> None:
    scored("%runpod golden --tolerance 0.1")
    report = replayed(scored, SCORE.replace("* 1.0", "* 1.05"))
    assert (report.badge, report.headline) == ("SAME", "score v2: 1 of 1 jobs answer as before")
    assert "3 of 3" in scored("%runpod replay --last 9 --tolerance 0.1").result.headline


def test_the_same_input_is_replayed_once(scored: Cell) -> None:
    for _ in range(3):
        scored("%runpod job {'x': 1}")
    assert "3 of 3" in replayed(scored, SCORE).headline


def test_what_differs_each_time_is_no_change(cell: Cell) -> None:
    random = "%%runpod_handler\nimport random\ndef draws(job):\n    return {'n': random.random(), 'fixed': 1}"
    cell(random)
    cell("%runpod job {}")
    report = replayed(cell, random)
    assert report.badge == "SAME"
    assert [finding.code for finding in report.findings] == ["RPJ170"]
    assert "output.n" in report.findings[0].message
    assert "output.fixed: 1 became 2" in repr(replayed(cell, random.replace("'fixed': 1", "'fixed': 2")))


def test_a_stream_is_compared_item_by_item(cell: Cell) -> None:
    stream = "%%runpod_handler\ndef stream(job):\n    yield 'a'\n    yield 'b'"
    cell(stream)
    cell("%runpod job {}")
    assert 'stream[1]: "b" became "c"' in repr(replayed(cell, stream.replace("'b'", "'c'")))


def test_nothing_to_replay_says_what_to_type(cell: Cell, capsys) -> None:
    cell(SCORE)
    cell("%runpod replay")
    assert "no job of score has ended yet: %runpod job {...}" in capsys.readouterr().err


def test_a_masked_job_is_named_and_left_out(scored: Cell) -> None:
    scored("%runpod job {'x': 7, 'password': 'hunter2hunter2'}")
    report = replayed(scored, SCORE)
    assert "3 of 3" in report.headline
    assert "not replayed: input.password held a secret" in repr(report)
