"""One account and one cluster for the sections of a file: each test takes a node of its own."""

import pytest

from stepdrain_sandbox.workload import budget, cluster_workload, replica_set
from stepdrain_sandbox.world import World
from tests.runbook.night import Night

NODES = 26
PARAMETERS = {"DrainTimeout": "900", "MaxConcurrentDrains": "1000"}


def workload(nodes):
    """A pod on each node, with a budget of its own that lets it go."""
    yield from cluster_workload(nodes[:2], replicas=1)
    for number, node in enumerate(nodes):
        labels = {"app": f"web-{number}"}
        web = replica_set("default", f"web-{number}", labels, 1, 5)
        web["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": node}
        yield web
        yield budget("default", f"web-{number}", labels, 1)


@pytest.fixture(scope="module")
def shared():
    """The world, and its instances that no test has touched."""
    with World(nodes=NODES, workload=workload, parameters=PARAMETERS) as world:
        yield world, iter(list(world.instances))


@pytest.fixture
def night(shared, monkeypatch, tmp_path):
    """Somebody on call, about an instance of the test's own."""
    world, _ = shared
    before = world.aws.around
    yield _night(shared, monkeypatch, tmp_path)
    world.aws.around = before
    world.aws.lambda_faults.clear()
    world.aws.aws_faults.clear()
    world.kube.faults.clear()


@pytest.fixture
def other(shared, monkeypatch, tmp_path):
    """The same about another instance."""
    return _night(shared, monkeypatch, tmp_path)


def _night(shared, monkeypatch, folder):
    world, untouched = shared
    made = Night(world, monkeypatch, folder, next(untouched))
    number = list(world.instances).index(made.instance)
    names = [pod["metadata"]["name"] for pod in world.pods_on(made.node)]
    own = next(name for name in names if name.startswith(f"web-{number}-"))
    made.blanks |= {"BUDGET": f"web-{number}", "NAMESPACE": "default", "POD": own}
    return made
