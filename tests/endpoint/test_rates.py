"""The platform's limits on calls."""

import pytest

from rp_notebook.endpoint.rates import Rates
from rp_notebook.errors import RequestRefused


def test_calls_are_limited_in_ten_seconds_and_at_a_time():
    now = [0.0]
    rates = Rates(lambda: now[0])
    leaving = [rates.enter("cancel") for _ in range(20)]
    with pytest.raises(RequestRefused, match="20 calls of /cancel at a time"):
        rates.enter("cancel")
    for leave in leaving:
        leave()
    for _ in range(80):
        rates.enter("cancel")()
    with pytest.raises(RequestRefused, match="100 calls of /cancel in 10 seconds") as refused:
        rates.enter("cancel")
    assert refused.value.status == 429
    now[0] = 10.0
    rates.enter("cancel")()
    for _ in range(1000):
        rates.enter("health")
