"""The cases of `facts/slicing.md` section 3 in real shells: what is kept, said, refused, and what answers."""

from __future__ import annotations

import pytest

from tests.export.in_shells import Outcome, Told, outcomes
from tests.export.notebook_files import cases, files

CASES = [*cases("table", marked=True), *cases("more", marked=True)]
FIRST = 0.97  # of those that end true


@pytest.fixture(scope="module")
def found() -> dict[str, Outcome]:
    told = [Told(case.cells, files(case.files or "site"), handler=case.job) for case in CASES]
    return dict(zip((case.name for case in CASES), outcomes(told), strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_notebook_ends_as_its_row_says(found, case):
    outcome = found[case.name]
    assert set(case.codes) <= set(outcome.codes)
    if case.refused:
        assert case.refused in outcome.refused
        return
    module = outcome.repo.get("handler.py", outcome.said)
    kept = {tuple(place) for place in outcome.kept}
    assert outcome.is_true, f"{outcome.expected} became {outcome.answers}\n{module}"
    assert "error_type" not in str(outcome.expected)
    assert case.marked("+") - kept == set(), f"missing\n{module}"
    assert kept - case.marked("+") - case.marked("~") == set(), f"superfluous\n{module}"
    texts = [*outcome.repo.values()]
    assert all(any(text in each for each in texts) for text in case.has.split(","))
    assert not case.secret or not any(case.secret in each for each in texts)
    assert "get_ipython" not in module


def test_nearly_all_are_true_at_the_first_rung(found):
    rungs = [found[case.name].rung for case in CASES if not case.refused]
    assert rungs.count("needed") >= FIRST * len(rungs)
