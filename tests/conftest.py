"""What tests of the whole world share."""

import logging

import pytest

from sandbox.workload import cluster_workload
from sandbox.world import World


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
