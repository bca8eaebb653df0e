"""Pods that tolerate the cordon: evicted once, and left where their controller has put them back."""

import json

import pytest

from stepdrain_recorded import audit
from stepdrain_sandbox.witness import key
from stepdrain_sandbox.workload import cluster_workload, replica_set
from stepdrain_sandbox.world import World


def tolerant(nodes):
    """The usual workload, and a pod that is put on the first node whatever its taints are."""
    controller = replica_set("default", "agent", {"app": "agent"}, 1, 30)
    controller["spec"]["template"]["spec"] |= {
        "tolerations": [{"operator": "Exists"}],
        "nodeSelector": {"kubernetes.io/hostname": nodes[0]},
    }
    return [*cluster_workload(nodes), controller]


def test_a_pod_that_comes_back_past_the_cordon_is_evicted_once_and_named():
    """G5 A drain ends: evicted as often as it came, such a pod held one for ever, without a pause.

    G8 An execution of 48 h stays below 25,000 history events: such a drain wrote 12 a lap.
    """
    # As on AWS, seconds lie between the start and the first eviction; timestamps have no more.
    with World(workload=tolerant, parameters={"SettleTime": "2"}) as world:
        instance = next(iter(world.instances))
        world.terminate(instance)
        world.settle()
        (execution,) = world.executions()
        written = audit.changes(world.kube.audit_log)
        evicted = [change.object for change in written if change.kind == "evict" and "agent" in change.object]
        said = json.loads(execution["output"])["completed"]["reason"]
        story = [
            event["message"] for event in world.kube.cluster.list("Event") if event["reason"] == "Drained"
        ]
    assert (execution["status"], len(evicted)) == ("SUCCEEDED", 1)
    assert said.startswith("Pods came back and go with the instance: default/agent-")
    assert "tolerates the cordon, and ReplicaSet agent has put it back" in said
    assert "others came back: default/agent-" in story[0]
    assert world.witness.left == {instance: []}


@pytest.mark.parametrize("skew_s", [-300, 300])
def test_what_came_after_the_cordon_is_told_by_the_api_servers_clock(skew_s):
    """The function's clock is not the cluster's.

    Behind it, a pod that was there before would count as one that came back, and go with the machine. Ahead
    of it, one that came back would count as old, and be evicted lap after lap.
    """
    with World(workload=tolerant, parameters={"SettleTime": "2"}) as world:
        instance, node = next(iter(world.instances.items()))
        before = {key(pod) for pod in world.pods_on(node) if "agent" in key(pod)}
        world.aws.skew_s = float(skew_s)
        world.terminate(instance)
        world.settle()
        (execution,) = world.executions()
        written = audit.changes(world.kube.audit_log)
        evicted = {change.object for change in written if change.kind == "evict" and "agent" in change.object}
        returned = json.loads(execution["output"])["progress"]["returned"]
    assert execution["status"] == "SUCCEEDED"
    assert evicted == before
    assert len(returned) == 1
    assert not any(pod in returned[0] for pod in before)
    assert world.witness.left == {instance: []}


@pytest.mark.parametrize("skew_s", [-300, 300])
def test_the_cordon_is_looked_at_again_whatever_the_functions_clock_says(skew_s):
    """Else it would not be asked for until the clocks have met."""
    with World(workload=cluster_workload) as world:
        instance, node = next(iter(world.instances.items()))
        world.aws.skew_s = float(skew_s)
        world.terminate(instance)
        world.pass_time(1)
        world.kube.cluster.change("Node", node, "", {"spec": {"unschedulable": None}})
        world.settle()
        assert "CordonLost" in [event["reason"] for event in world.kube.cluster.list("Event")]
        assert world.executions()[0]["status"] == "SUCCEEDED"


def test_a_lifted_cordon_is_set_again_and_the_drain_does_not_race():
    """G8: each evicted pod has a successor on the node at once, until the node is cordoned again."""
    with World(workload=cluster_workload, parameters={"SettleTime": "2"}) as world:
        instance, node = next(iter(world.instances.items()))
        others = [name for name in world.instances.values() if name != node]
        world.terminate(instance)
        world.pass_time(1)
        world.kube.cluster.change("Node", node, "", {"spec": {"unschedulable": None}})
        for name in others:
            world.kube.cluster.change("Node", name, "", {"spec": {"unschedulable": True}})
        world.pass_time(120)
        for name in others:
            world.kube.cluster.change("Node", name, "", {"spec": {"unschedulable": None}})
        world.settle()
        (execution,) = world.executions()
        assert execution["status"] == "SUCCEEDED"
        assert len(world.history(execution["executionArn"])) < 1000
        assert world.witness.left == {instance: []}
        assert "CordonLost" in [event["reason"] for event in world.kube.cluster.list("Event")]
