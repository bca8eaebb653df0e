"""Which node an instance is, found with as few requests as the API allows."""

import pytest
from stepdrain.errors import NodeNotRegistered, NothingToDo
from stepdrain.rules.node_marks import CORDONED_BY, EXCLUDE_LABEL, LABELLED_BY
from stepdrain.rules.nodes import Instance, name_of
from stepdrain.states import find_node as state
from stepdrain.states.find_node import LAST_ATTEMPT, LISTED_EVERY

from statemachine import retriers
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


def find_node(cluster, instance_id, guess, attempt=0, **more):
    """The Node that is drained."""
    return state.reference(state.find_node(cluster, Instance(instance_id, guess or "", **more), attempt)[0])


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
    for attempt in range(retriers.NODE_NOT_REGISTERED.attempts + 1):
        with pytest.raises(NodeNotRegistered):
            find_node(cluster, "i-1", None, attempt)
    assert cluster.asked.count("all") == 5


def test_the_last_attempt_looks_at_all_nodes():
    """A node of an unforeseen name that joined late would be let go with its pods otherwise."""
    assert retriers.NODE_NOT_REGISTERED.attempts % LISTED_EVERY == 0
    assert retriers.NODE_NOT_REGISTERED.attempts == LAST_ATTEMPT


NAME, ADDRESS = "ip-10-0-0-1.ec2.internal", "10.0.0.1"
KNOWN = Instance("i-1", NAME, frozenset({ADDRESS}))


def change(cluster, name, *, ready=None, address=None, provider=True):
    """What the kubelet says of the Node, and whether the cloud controller has written its providerID."""
    status = {"addresses": [{"type": "InternalIP", "address": address}]} if address else {}
    if ready is not None:
        status["conditions"] = [{"type": "Ready", "status": ready}]
    cluster.store.change("Node", name, "", {"status": status})
    if not provider:
        cluster.store.change("Node", name, "", {"spec": {"providerID": None}})


def names(found):
    return [name_of(node) for node in found]


@pytest.mark.parametrize("silent", ["Unknown", "False"])
def test_a_silent_node_of_the_expected_name_is_not_taken_for_the_only_one(cluster, silent):
    """The kubelet took another name; the cloud controller keeps the old Node while the instance lives."""
    cluster.register(NAME, "i-1")
    cluster.register("worker-0", "i-1")
    change(cluster, NAME, ready=silent)
    change(cluster, "worker-0", ready="True")
    found = state.find_node(cluster, KNOWN)
    assert names(found) == ["worker-0", NAME]
    assert [state.reference(node).silent for node in found] == [False, True]


def test_a_ready_node_of_the_expected_name_needs_no_list(cluster):
    """An instance has one kubelet: the Nodes it has left behind are silent within a minute.

    A drain that has taken one within that minute comes back (tests/states/test_protection.py).
    """
    cluster.register(NAME, "i-1")
    change(cluster, NAME, ready="True")
    assert names(state.find_node(cluster, KNOWN)) == [NAME]
    assert cluster.asked == [NAME]


def test_a_node_without_provider_id_is_found_by_the_second_proof(cluster):
    """Without the cloud controller no Node has one, and its pods must not be left behind."""
    cluster.register(NAME, "x")
    change(cluster, NAME, ready="True", address=ADDRESS, provider=False)
    assert names(state.find_node(cluster, KNOWN)) == [NAME]
    with pytest.raises(NodeNotRegistered, match="without a providerID has its name and address"):
        state.find_node(cluster, Instance("i-2", "ip-10-0-0-2.ec2.internal", frozenset({"10.0.0.2"})))


def test_the_first_proof_counts_before_the_second(cluster):
    """The Node of the expected name may be of before the kubelet's providerID was set."""
    cluster.register(NAME, "x")
    change(cluster, NAME, ready="True", address=ADDRESS, provider=False)
    cluster.register("custom", "i-1")
    assert names(state.find_node(cluster, KNOWN)) == ["custom"]


def test_a_name_and_an_address_that_are_another_instances_prove_nothing(cluster):
    """Addresses are used again: the stale Node of an earlier instance carries that one's providerID."""
    cluster.register(NAME, "i-9")
    change(cluster, NAME, ready="True", address=ADDRESS)
    with pytest.raises(NodeNotRegistered):
        state.find_node(cluster, KNOWN)


@pytest.mark.parametrize("ours", [True, False])
def test_what_others_had_set_is_told_from_what_a_drain_had(ours):
    """Only its own marks are taken back later."""
    by = {LABELLED_BY: "d", CORDONED_BY: "d"} if ours else {}
    metadata = {"name": "n", "uid": "u", "labels": {EXCLUDE_LABEL: "true"}, "annotations": by}
    found = state.reference({"metadata": metadata, "spec": {"unschedulable": True}})
    assert (found.excluded, found.cordoned) == (not ours, not ours)
    bare = state.reference({"metadata": {"name": "n", "uid": "u"}, "spec": None})
    assert (bare.excluded, bare.cordoned) == (False, False)


@pytest.mark.parametrize("ready", ["Unknown", None])
def test_an_instance_of_a_warm_pool_without_a_running_node_has_nothing_to_drain(cluster, ready):
    """Most are stopped there; nobody waits ten attempts for them to join."""
    with pytest.raises(NothingToDo, match="i-1 leaves a warm pool"):
        state.find_node(cluster, KNOWN, warm=True)
    cluster.register(NAME, "i-1")
    change(cluster, NAME, ready=ready)
    with pytest.raises(NothingToDo):
        state.find_node(cluster, KNOWN, warm=True)


def test_a_running_node_of_a_warm_pool_is_drained(cluster):
    """All nodes are listed at once, whichever attempt it is: there is no other."""
    cluster.register("worker-0", "i-1")
    change(cluster, "worker-0", ready="True")
    assert names(state.find_node(cluster, KNOWN, 1, warm=True)) == ["worker-0"]
    with pytest.raises(NodeNotRegistered):
        state.find_node(cluster, KNOWN, 1)


def test_a_silent_node_is_drained_where_it_is_the_only_one(cluster):
    """Outside a warm pool its pods may still run, or count."""
    cluster.register(NAME, "i-1")
    change(cluster, NAME, ready="Unknown")
    assert names(state.find_node(cluster, KNOWN, 1)) == [NAME]


@pytest.mark.parametrize(
    ("instance", "sentence"),
    [
        (Instance("i-1"), "No node of the cluster has the providerID of i-1."),
        (Instance("i-1", NAME), "No node of the cluster has the providerID of i-1."),
        (
            Instance("i-1", NAME, frozenset({"10.0.0.2", ADDRESS})),
            f"name and address ({NAME}, 10.0.0.1, 10.0.0.2).",
        ),
        (Instance("i-1", "", frozenset({ADDRESS})), "name and address (i-1, 10.0.0.1)."),
    ],
)
def test_what_was_looked_for_is_said(instance, sentence):
    """The second proof only where EC2 has said what it takes."""
    assert state.missing(instance).endswith(sentence)


def test_a_node_of_a_given_name_is_found_or_named(cluster):
    """A drain by hand names its node."""
    cluster.register(NAME, "i-1")
    found = state.named_node(cluster, NAME)
    assert (found.name, found.uid) == (NAME, cluster.store.get("Node", NAME)["metadata"]["uid"])
    with pytest.raises(NodeNotRegistered, match="no node called other"):
        state.named_node(cluster, "other")
