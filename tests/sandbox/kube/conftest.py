"""What the emulator's tests share."""

import pytest

from stepdrain_sandbox.clock import VirtualClock


@pytest.fixture
def clock():
    """A virtual clock of the test's own."""
    clock = VirtualClock()
    yield clock
    clock.close()
