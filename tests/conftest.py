"""What tests of the whole world share."""

import logging
import shutil

import pytest

from sandbox.workload import cluster_workload
from sandbox.world import World

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
