"""FindNode: the node is the one whose providerID names the instance, and nothing else is believed."""

import pytest
from stepdrain.document.step import DOCUMENT
from stepdrain.errors import AwsThrottled, ClusterNotFound, InvalidEvent, NodeNotRegistered
from stepdrain.steps import find_node

from stepdrain_sandbox.world import node_manifest

STRANGER = "i-0123456789abcdef0"


def asked(world, since):
    return [(event["verb"], event["objectRef"].get("name", "")) for event in world.kube.audit_log[since:]]


def found(world, step, **document):
    """The handler's answer, and what it asked the cluster."""
    since = len(world.kube.audit_log)
    answer = find_node.handler(step({"cluster": "demo", "reason": "terminate", **document}), None)
    assert set(answer) == set(DOCUMENT)
    return answer["node"], asked(world, since)


def test_the_private_dns_name_is_tried_first(world, step, instance):
    """One GET; a cluster of 5,000 nodes is not listed."""
    name = world.instances[instance]
    answer, requests = found(world, step, instanceId=instance)
    uid = world.kube.cluster.get("Node", name)["metadata"]["uid"]
    assert answer == {"name": name, "uid": uid, "excluded": False, "cordoned": False}
    assert requests == [("get", name)]


def test_a_node_of_another_name_is_found_by_its_provider_id(world, step):
    """EC2 does not know this instance at all, and its node is called as somebody liked."""
    world.kube.cluster.create(node_manifest("custom", STRANGER))
    answer, requests = found(world, step, instanceId=STRANGER)
    assert answer["name"] == "custom"
    assert requests == [("get", STRANGER), ("list", "")]
    world.kube.cluster.remove("Node", "custom")


def test_a_name_that_belongs_to_another_instance_is_not_believed(world, step):
    """Host names can be chosen freely (aws/aws-node-termination-handler #618)."""
    instance, name = list(world.instances.items())[-1]
    world.kube.cluster.remove("Node", name)
    world.kube.cluster.create(node_manifest(name, STRANGER))
    world.kube.cluster.create(node_manifest("its-real-node", instance))
    answer, requests = found(world, step, instanceId=instance)
    assert answer["name"] == "its-real-node"
    assert requests == [("get", name), ("get", instance), ("list", "")]


def test_an_instance_without_a_node_is_waited_for(world, step):
    """It may be joining just now; the state machine asks for five minutes."""
    with pytest.raises(NodeNotRegistered, match="No node of the cluster has the providerID of i-f"):
        found(world, step, instanceId="i-ffffffffffffffff0")


def test_a_drain_by_name_needs_no_instance(world, step, instance):
    """A run from a laptop names the node."""
    name = world.instances[instance]
    assert found(world, step, nodeName=name)[0]["name"] == name
    with pytest.raises(NodeNotRegistered, match="no node called nope"):
        found(world, step, nodeName="nope")


def test_a_node_of_no_instance_is_drained_by_its_name(world, step):
    """A person started it; its providerID names no EC2 instance."""
    world.kube.cluster.create(node_manifest("hybrid", "mi-0123456789abcdef0"))
    answer, _ = found(world, step, nodeName="hybrid", reason="manual")
    assert answer["name"] == "hybrid"
    world.kube.cluster.remove("Node", "hybrid")


def test_a_node_that_was_deleted_while_it_was_drained_is_marked_as_gone(world, step):
    """Pods may still be bound to it, so the drain goes on; its end must not say that it was seen empty."""
    known = {"number": 0, "heartbeatAt": "2026-01-01T00:00:00Z", "next": "FindNode", "orphans": []}
    counts = dict.fromkeys(("evicted", "leaving", "blocked", "stuck", "forced"), 0)
    record = {**known, **counts, "blockers": []}
    node = {"name": "deleted", "uid": "u", "excluded": True, "cordoned": False}
    answer, _ = found(world, step, instanceId="i-ffffffffffffffff1", node=node, progress=record)
    assert answer == {**node, "gone": True}


def test_an_unknown_cluster_is_named_with_what_to_do(world, step, instance):
    """The parameter is wrong, or the cluster was deleted."""
    with pytest.raises(ClusterNotFound, match=r"no EKS cluster elsewhere in region eu-west-1\. Correct"):
        find_node.handler(step({"cluster": "elsewhere", "instanceId": instance, "reason": "x"}), None)


@pytest.mark.parametrize("instance_id", ["mi-0123456789abcdef0", "i-123", "I-1234567890ABCDEF0", ""])
def test_an_instance_id_of_another_form_is_refused(world, step, instance_id):
    """A manual start is typed by hand."""
    with pytest.raises(InvalidEvent, match=r"at drain\.instanceId"):
        find_node.handler(step({"cluster": "demo", "instanceId": instance_id}), None)


def test_a_throttled_aws_is_asked_again_by_the_state_machine(world, step, instance):
    """EC2 throttles whole accounts, in big scale-ins above all."""
    from stepdrain_sandbox.aws.account import AwsFault, client_error

    error = client_error("DescribeInstances", "RequestLimitExceeded", "later", 503)
    world.aws.aws_faults.append(AwsFault("DescribeInstances", error))
    with pytest.raises(AwsThrottled):
        world.aws.invoke(
            "stepdrain-FindNodeFunction", step({"cluster": "demo", "instanceId": instance, "reason": "x"})
        )
