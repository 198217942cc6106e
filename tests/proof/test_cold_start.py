"""The parts of a cold start and their sum."""

from __future__ import annotations

import pytest

from rp_notebook.proof.cold_start import ColdStart


def test_a_first_job_counts_for_what_it_takes_longer_than_the_second() -> None:
    assert ColdStart(1.0, 2.0, 3.0).seconds == 6.0
    assert ColdStart(1.0, 2.0, 3.0, 4.0).seconds == 6.0
    assert ColdStart(1.0, 2.0, 3.0, 4.0, 0.5).seconds == pytest.approx(9.5)
    assert ColdStart(1.0, 2.0, 3.0, 0.4, 0.5).seconds == 6.0
