"""Who calls the endpoint of its own kernel is searched for, but not all the time."""

from __future__ import annotations

import time

from rp_notebook.endpoint.own_calls import Sparing


def test_a_search_that_takes_long_rests_for_longer_and_one_that_takes_nothing_does_not():
    sparing, slow, quick = Sparing(), [], []
    end = time.monotonic() + 0.25
    while time.monotonic() < end:
        sparing(lambda: slow.append(time.sleep(0.01)))
    assert 1 <= len(slow) <= 2
    sparing = Sparing()
    end = time.monotonic() + 0.01
    while time.monotonic() < end:
        sparing(lambda: quick.append(None))
    assert len(quick) > 10
