"""The rehearsal's answers go wrong as the emulator's do: a fault that did nothing would prove nothing."""

import pytest
from stepdrain.errors import KubeForbidden, KubeThrottled, KubeUnauthorized

from stepdrain_sandbox.kube.cluster import Cluster
from stepdrain_sandbox.kube.faults import Fault
from stepdrain_sandbox.kube.rbac import EVERYTHING, User
from stepdrain_sandbox.rehearsal.clock import QuietClock
from stepdrain_sandbox.rehearsal.transport import Transport
from stepdrain_sandbox.workload import lone_pod


@pytest.fixture
def clock():
    """Time in this thread."""
    return QuietClock()


@pytest.fixture
def transport(clock):
    """A cluster with the pod "app" on its node; it is deleted after five seconds."""
    cluster = Cluster(clock, kubelet=False, controllers=False)
    cluster.create({"kind": "Node", "metadata": {"name": "n"}, "spec": {}})
    cluster.create(lone_pod("app", "n"))
    clock.call_at(clock.now() + 5, lambda: cluster.remove("Pod", "app"))
    return Transport(clock, cluster, User("stepdrain", (EVERYTHING,)))


REFUSALS = [("token", KubeUnauthorized), ("rbac", KubeForbidden), ("overload", KubeThrottled)]


@pytest.mark.parametrize(("refuse", "error"), REFUSALS)
def test_refusals_are_the_servers(transport, clock, refuse, error):
    """For as long as they last."""
    kube = transport.kube()
    transport.faults.add(Fault(refuse=refuse), lasts_s=10)
    with pytest.raises(error):
        kube.node("n")
    clock.run(10)
    assert kube.node("n") is not None


@pytest.mark.parametrize(
    ("kind", "gone", "takes_s"),
    [
        ("", True, 5),
        ("buffered", False, 15),
        ("silent", False, 15),
        ("endless", False, 15),
        ("ends", False, 0),
    ],
)
def test_a_watch_may_say_nothing(transport, clock, kind, gone, takes_s):
    """The pod leaves after five seconds, whether the watch tells it or not."""
    kube = transport.kube()
    listing = kube.pods_on("n")
    transport.faults.add(Fault(verb="watch", watch=kind))
    began = clock.now()
    left, _ = kube.follow(listing, 15, lambda seen: not seen.pods)
    assert (left.pods == [], clock.now() - began) == (gone, takes_s)


@pytest.mark.parametrize("kind", ["expired", "cut"])
def test_a_watch_may_break_off(transport, kind):
    """410, or a connection that dies: both say that it was no watch."""
    kube = transport.kube()
    listing = kube.pods_on("n")
    transport.faults.add(Fault(verb="watch", watch=kind))
    assert "watch" in kube.follow(listing, 15, lambda seen: not seen.pods)[1]
