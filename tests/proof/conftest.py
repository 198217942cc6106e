"""What tests of several files share: the hub."""

import pytest

from tests.proof.hub import served


@pytest.fixture(scope="module")
def hub():
    """The address of a hub on this machine."""
    with served() as address:
        yield address
