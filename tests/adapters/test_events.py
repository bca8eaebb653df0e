"""Events over real HTTP: each in its object's namespace, once, and never an error of the step."""

import pytest
from stepdrain.adapters.kube import Access, connect
from stepdrain.reporting import pod_events
from stepdrain.rules import pods

from stepdrain_sandbox.clock import RealClock
from stepdrain_sandbox.kube.rbac import User
from stepdrain_sandbox.kube.server import KubeServer
from stepdrain_sandbox.workload import lone_pod

NOW = 1_767_225_600.0


@pytest.fixture(scope="module")
def server():
    """Nothing in it lives by itself."""
    clock = RealClock()
    users = {"installed": User("stepdrain", ("system:masters",)), "powerless": User("powerless")}
    with KubeServer(clock, users=users, kubelet=False, controllers=False) as server:
        yield server
    clock.close()


def kube(server, user="installed", time_left=lambda: 60.0):
    return connect(lambda _fresh: Access(server.url, server.ca_pem, user), time_left)


def events(server, *names):
    """Events of an eviction on pods of the namespace shop, which exist."""
    for name in names:
        pod = lone_pod(name, "n1")
        pod["metadata"]["namespace"] = "shop"
        if server.cluster.get("Pod", name, "shop") is None:
            server.cluster.load([pod])
    found = [pods.parse(server.cluster.get("Pod", name, "shop")) for name in names]
    return pod_events.evicted(found, "n1", "drain", NOW)


def stored(server):
    return {event["involvedObject"]["name"] for event in server.cluster.list("Event")}


def test_events_on_pods_are_stored_once_where_the_pods_are(server):
    """A repeated attempt is answered 409: they stand there."""
    made = events(server, "a", "b")
    assert kube(server).create_events(made) == []
    assert kube(server).create_events(made) == []
    assert stored(server) >= {"a", "b"}
    assert {event["metadata"]["namespace"] for event in server.cluster.list("Event")} == {"shop"}


def test_what_cannot_be_written_is_a_sentence_for_the_log(server):
    """The drain goes on."""
    (said,) = kube(server, "powerless").create_events(events(server, "c"))
    assert said.startswith("Event Evicted on shop/c: ")
    assert 'cannot create resource "events"' in said


def test_what_the_attempt_has_no_time_for_is_left_out(server):
    """An attempt that is cut off would evict again, and nothing hangs on an Event."""
    left = iter([60.0])
    cluster = kube(server, time_left=lambda: next(left, 0.0))
    assert cluster.create_events(events(server, "d", "e")) == [
        "2 of 2 Events on pods left out: the attempt is at its end."
    ]
    assert not stored(server) & {"d", "e"}
    assert cluster.create_events([]) == []
