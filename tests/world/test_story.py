"""What the Node tells: Events for people, conditions for controllers; neither decides about a drain."""

import itertools

import pytest

from stepdrain_sandbox.workload import cluster_workload, lone_pod
from stepdrain_sandbox.world import World, rbac_manifests

LONE = "lone"
FAILING = {"EvictUnmanaged": "false"}


def begin(world):
    """Terminate an instance whose node has a pod that the policy forbids evicting; the node."""
    instance, node = next(iter(world.instances.items()))
    world.kube.cluster.create(lone_pod(LONE, node))
    world.pass_time(5)
    world.terminate(instance)
    world.settle()
    world.pass_time(5)
    return node


def recorded(world, reason):
    """Messages of the Events of a reason, oldest first."""
    return [e["message"] for e in world.kube.cluster.list("Event") if e["reason"] == reason]


def conditions(world, node):
    """Status and reason of the two conditions, None where the Node has none."""
    status = world.kube.cluster.get("Node", node).get("status", {})
    shown = {c["type"]: (c["status"], c["reason"]) for c in status.get("conditions") or ()}
    return shown.get("DrainInProgress"), shown.get("Drained")


def patched(world):
    """What the Node's status went through: statuses of DrainInProgress and Drained, repetitions left out."""
    written = [
        tuple(c["status"] for c in event["requestObject"]["status"]["conditions"])
        for event in world.kube.audit_log
        if event["objectRef"].get("subresource") == "status" and event["userAgent"].startswith("stepdrain/")
    ]
    return [statuses for statuses, _ in itertools.groupby(written)]


def without(resource):
    """The manifests of an installation, less all rules for one resource."""
    manifests = rbac_manifests({"NodeConditions": "true"})
    for manifest in manifests:
        manifest["rules"] = [rule for rule in manifest.get("rules", ()) if resource not in rule["resources"]]
    return manifests


def test_a_failed_drain_is_told_on_its_node_with_state_and_reason():
    """`kubectl describe node` is where somebody looks first who sees a cordoned node."""
    with World(workload=cluster_workload, parameters=FAILING) as world:
        begin(world)
        (message,) = recorded(world, "DrainFailed")
        assert "ended as FAILED at EvictBatch: DrainRefused: The policy forbids evicting 1" in message
        assert f"default/{LONE}" in message
        (mail,) = world.aws.messages()
        assert "DrainRefused" in mail["Subject"]


def test_a_drain_that_fails_again_after_its_redrive_is_told_again():
    """An Event of the same name would be the old one, with the old time."""
    with World(workload=cluster_workload, parameters=FAILING) as world:
        begin(world)
        world.redrive(world.executions()[0]["executionArn"])
        world.settle()
        world.pass_time(5)
        assert len(recorded(world, "DrainFailed")) == 2
        assert len(world.aws.messages()) == 2


@pytest.mark.parametrize("resource", ["events", "nodes/status"])
def test_the_message_is_sent_though_the_node_cannot_be_written_to(resource):
    """Whoever is called can repair the role; whoever is not called cannot."""
    parameters = {**FAILING, "NodeConditions": "true"}
    with World(workload=cluster_workload, parameters=parameters, rbac=without(resource)) as world:
        begin(world)
        assert len(world.aws.messages()) == 1
        assert bool(recorded(world, "DrainFailed")) == (resource != "events")


def test_the_message_is_sent_though_the_cluster_cannot_be_reached():
    """A cluster that is gone is a reason to tell somebody, not to be silent."""
    with World(workload=cluster_workload, parameters=FAILING) as world:
        world._client("eks").delete_cluster(name="demo")
        world.terminate(next(iter(world.instances)))
        world.settle()
        world.pass_time(5)
        (mail,) = world.aws.messages()
        assert "(ClusterNotFound)" in mail["Subject"]


def test_conditions_are_not_touched_unless_they_are_asked_for():
    """They need a permission that most installations would rather not give."""
    with World(workload=cluster_workload) as world:
        world.terminate(next(iter(world.instances)))
        world.settle()
        assert patched(world) == []


def test_the_conditions_go_from_in_progress_to_drained():
    """KEP-5683: controllers read them instead of guessing from a taint."""
    with World(workload=cluster_workload, parameters={"NodeConditions": "true"}) as world:
        world.terminate(next(iter(world.instances)))
        world.settle()
        assert patched(world) == [("True", "False"), ("False", "True")]
        assert world.executions()[0]["status"] == "SUCCEEDED"


def test_a_failed_drain_is_not_in_progress_until_it_is_redriven():
    """A condition that lies is worse than none."""
    with World(workload=cluster_workload, parameters={**FAILING, "NodeConditions": "true"}) as world:
        node = begin(world)
        assert conditions(world, node) == (("False", "DrainFailed"), ("False", "DrainFailed"))
        world.kube.cluster.remove("Pod", LONE, "default")
        world.redrive(world.executions()[0]["executionArn"])
        world.settle()
        assert patched(world) == [("True", "False"), ("False", "False"), ("True", "False"), ("False", "True")]


def test_other_conditions_of_the_node_stay():
    """The kubelet's own conditions are in the same list."""
    with World(workload=cluster_workload, parameters={**FAILING, "NodeConditions": "true"}) as world:
        node = begin(world)
        kinds = {c["type"] for c in world.kube.cluster.get("Node", node)["status"]["conditions"]}
        assert {"Ready", "DrainInProgress", "Drained"} <= kinds
