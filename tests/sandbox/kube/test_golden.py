"""The emulator answers as kube-apiserver v1.36.2 did: every recorded scenario, field by field."""

import gzip
import importlib.util
import itertools
import json
from pathlib import Path

import pytest

from stepdrain_sandbox.clock import RealClock
from stepdrain_sandbox.kube.rbac import User
from stepdrain_sandbox.kube.server import KubeServer

HERE = Path(__file__).parent
RECORDED = json.loads(gzip.decompress((HERE / "golden" / "kube-apiserver-v1.36.2.json.gz").read_bytes()))
RUNS = itertools.count()


def _replay():
    spec = importlib.util.spec_from_file_location("replay", HERE / "replay.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


replay = _replay()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One emulator for all scenarios, without kubelets and controllers, as when they were recorded."""
    clock = RealClock()
    users = {"drainer-token": User("drainer", ("drainers",))}
    with KubeServer(clock, users=users, kubelet=False, controllers=False) as kube:
        ca = tmp_path_factory.mktemp("golden") / "ca.pem"
        ca.write_text(kube.ca_pem)
        tokens = {"admin": "admin", "wrong": "no-such-token", "drainer": "drainer-token"}
        yield replay.Server(kube.url, tokens, str(ca))
    clock.close()


def test_all_scenarios_are_there():
    """A shortened recording would pass for the wrong reason."""
    assert len(RECORDED["scenarios"]) == 103


@pytest.mark.parametrize("scenario", RECORDED["scenarios"], ids=lambda scenario: scenario["name"])
def test_the_emulator_answers_as_the_real_server_did(server, scenario):
    """A drain that works here must work there; none of the 103 is excepted."""
    run = f"r{next(RUNS)}x"
    assert replay.run_scenario(scenario, server, RECORDED["rules"], run, waits=False) is None
