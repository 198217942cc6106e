"""Notebooks run in real shells: each export answers as the notebook does, nearly all of them at the first rung."""

from __future__ import annotations

import pytest

from tests.export.in_shells import Outcome, Told, outcomes
from tests.export.notebook_files import cases, files

CASES = [*cases("changing"), *cases("night"), *cases("torch")]


@pytest.fixture(scope="module")
def found() -> dict[str, Outcome]:
    told = [Told(case.cells, files(case.files), climbs=case.rung != "needed") for case in CASES]
    return dict(zip((case.name for case in CASES), outcomes(told, "torch"), strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_was_changed_is_exported(found, case):
    outcome = found[case.name]
    assert "error_type" not in str(outcome.expected)
    assert outcome.answers == outcome.expected, outcome.repo.get("handler.py", outcome.said)
    assert outcome.rung == case.rung
