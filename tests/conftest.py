"""What tests of the whole world share."""

import logging
import os
import shutil

import pytest
from hypothesis import HealthCheck, settings

from sandbox.workload import cluster_workload
from sandbox.world import World

# `make test` derives its examples from the tests' names: the same each time, on every machine.
# `make test-more` makes new ones, and prints how to repeat one that fails.
SLOW = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("ci", derandomize=True, database=None, max_examples=500, **SLOW)
settings.register_profile("more", max_examples=10_000, print_blob=True, **SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

KUBECTL = shutil.which("kubectl")


def pytest_terminal_summary(terminalreporter):
    """Say aloud what was not tested: a skip in a row of dots is not seen."""
    if KUBECTL is None:
        text = "kubectl is not installed: tests/sandbox/kube/test_kubectl.py was skipped."
        terminalreporter.write_line(text, yellow=True)


@pytest.fixture(autouse=True)
def quiet_functions():
    """The functions' own log is for CloudWatch; pytest would capture megabytes of it."""
    logging.disable(logging.INFO)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def world():
    """Three nodes with the demo's workload, in virtual time."""
    with World(workload=cluster_workload) as world:
        yield world
