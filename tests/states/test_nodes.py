"""Which node an instance is, found with as few requests as the API allows."""

import pytest
from stepdrain.errors import NodeNotRegistered
from stepdrain.states.nodes import LISTED_EVERY, find_node

from statemachine import pace
from stepdrain_sandbox.clock import VirtualClock
from stepdrain_sandbox.kube.server import KubeServer
from stepdrain_sandbox.world import node_manifest


@pytest.fixture
def cluster():
    """A cluster as the adapter sees it, which notes what it was asked; its nodes come from the store."""
    clock = VirtualClock()
    kube = KubeServer(clock, kubelet=False, controllers=False)
    yield Asked(kube.cluster)
    clock.close()


class Asked:
    """The two questions of find_node, answered by the emulator's store without a network."""

    def __init__(self, store):
        self.store, self.asked = store, []

    def node(self, name):
        self.asked.append(name)
        return self.store.get("Node", name)

    def nodes(self):
        self.asked.append("all")
        return self.store.list("Node")

    def register(self, name, instance_id):
        self.store.create(node_manifest(name, instance_id))


def test_the_private_dns_name_is_asked_for_first(cluster):
    """It is the node's name nearly always."""
    cluster.register("ip-10-0-0-1.ec2.internal", "i-1")
    assert find_node(cluster, "i-1", "ip-10-0-0-1.ec2.internal").name == "ip-10-0-0-1.ec2.internal"
    assert cluster.asked == ["ip-10-0-0-1.ec2.internal"]


def test_a_node_that_is_named_after_its_instance_is_found_without_a_list(cluster):
    """nodeadm's InstanceIdNodeName."""
    cluster.register("i-1", "i-1")
    assert find_node(cluster, "i-1", "ip-10-0-0-1.ec2.internal").name == "i-1"
    assert cluster.asked == ["ip-10-0-0-1.ec2.internal", "i-1"]


def test_a_guess_is_not_believed_without_its_provider_id(cluster):
    """The name may be another machine's by now; the list finds the right one."""
    cluster.register("ip-10-0-0-1.ec2.internal", "i-2")
    cluster.register("custom", "i-1")
    assert find_node(cluster, "i-1", "ip-10-0-0-1.ec2.internal").name == "custom"


def test_an_instance_that_never_joined_does_not_have_the_cluster_listed_each_time(cluster):
    """A list of 5,000 nodes is ten requests and 50 MB, and FindNode asks ten times."""
    for attempt in range(pace.NODE_NOT_REGISTERED.attempts + 1):
        with pytest.raises(NodeNotRegistered):
            find_node(cluster, "i-1", None, attempt)
    assert cluster.asked.count("all") == 4


def test_the_last_attempt_looks_at_all_nodes():
    """A node of an unforeseen name that joined late would be let go with its pods otherwise."""
    assert pace.NODE_NOT_REGISTERED.attempts % LISTED_EVERY == 0
