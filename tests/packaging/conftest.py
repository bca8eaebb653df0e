"""What would be deployed, built once for all tests of it."""

from __future__ import annotations

import pytest

from stepdrain_sandbox.built import artifacts
from stepdrain_sandbox.built.artifacts import Built


@pytest.fixture(scope="session")
def built() -> Built:
    """Made by the Makefile targets that `sam build` calls, or taken from an earlier run."""
    if not artifacts.possible():
        pytest.skip("The layer's compiled modules are for Linux, as Lambda is.")
    return artifacts.made()
