"""A quiet watch lets virtual time pass, and not a second more than until something happens."""

import pytest
from stepdrain.adapters.kube import Access, connect

from stepdrain_sandbox.kube.server import KubeServer
from stepdrain_sandbox.workload import lone_pod


@pytest.fixture
def kube(clock):
    """A cluster with one node and one pod on it, which takes 7 seconds to leave."""
    with KubeServer(clock) as server:
        server.cluster.create({"kind": "Node", "metadata": {"name": "n"}, "spec": {}})
        pod = lone_pod("slow", "n")
        pod["spec"]["terminationGracePeriodSeconds"] = 7
        server.cluster.create(pod)
        clock.enter()
        clock.sleep(5)
        yield server
        clock.leave()


@pytest.fixture
def client(kube):
    """The adapter itself, as its administrator."""
    return connect(lambda _fresh: Access(kube.url, kube.ca_pem, "admin"))


def test_a_watch_ends_with_the_pod_it_waits_for(clock, kube, client):
    """The drain goes on at the very second the last pod is gone, not at the watch's end."""
    listing = client.pods_on("n")
    client.evict(listing.pods, -1)
    began = clock.now()
    leaving = client.pods_on("n")
    assert client.follow(leaving, 15, lambda seen: not seen.pods)[0].pods == []
    assert clock.now() - began == 7


def test_a_watch_in_vain_ends_after_its_seconds(clock, kube, client):
    """Nothing happens to a pod that nobody evicts."""
    listing = client.pods_on("n")
    began = clock.now()
    assert client.follow(listing, 15, lambda seen: not seen.pods)[0] == listing
    assert clock.now() - began == 15


def test_time_stands_still_while_the_client_works(clock, kube, client):
    """After a watch the client is busy again: nothing may happen behind its back."""
    listing = client.pods_on("n")
    client.follow(listing, 3, lambda seen: not seen.pods)
    before = clock.now()
    for _ in range(5):
        client.pods_on("n")
    assert clock.now() == before
