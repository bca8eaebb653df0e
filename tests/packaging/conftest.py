"""What would be deployed, built once for all tests of it."""

from __future__ import annotations

import pytest

from sandbox.built import artifacts
from sandbox.built.artifacts import Built


@pytest.fixture(scope="session")
def built() -> Built:
    """Made by the Makefile targets that `sam build` calls, or taken from an earlier run."""
    if not artifacts.possible():
        pytest.skip("The layer's compiled modules are for Linux, as Lambda is.")
    return artifacts.made()
