"""Instances that arrive, come back from a warm pool, or leave one; and what a drain had set is undone."""

import json

import pytest
from stepdrain.rules.node_marks import CORDONED_BY, EXCLUDE_LABEL, LABELLED_BY

from stepdrain_recorded import audit
from stepdrain_sandbox import guarantees
from stepdrain_sandbox.aws.lifecycle_hooks import LAUNCHING, TERMINATING
from stepdrain_sandbox.kube.kubelet import READY_AFTER
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import World


def node(world, instance):
    return world.kube.cluster.get("Node", world.instances[instance])


def completed(execution):
    return json.loads(execution["output"])["completed"]


def marks(world, instance):
    """Whether the node is excluded, cordoned, and annotated by us."""
    found = node(world, instance)
    annotations = found["metadata"].get("annotations") or {}
    return (
        EXCLUDE_LABEL in found["metadata"]["labels"],
        bool(found["spec"].get("unschedulable")),
        {LABELLED_BY, CORDONED_BY} & annotations.keys(),
    )


def results(world):
    return [what for _, what, _ in world.aws.hooks.log if what != "heartbeat"]


def test_an_instance_goes_into_service_when_its_node_is_ready(world):
    """Not before: Auto Scaling would count it as capacity, and an instance refresh would go on too early."""
    world.add_launch_hook()
    instance = world.scale_out()
    world.pass_time(30)
    assert world.lifecycle_state(instance) == "Pending:Wait"
    world.settle(machine="AdmitNode")
    (execution,) = world.executions("AdmitNode")
    assert completed(execution) == {"result": "CONTINUE", "outcome": "admitted", "reason": "", "findings": []}
    assert execution["name"].startswith(f"{instance}-")
    assert world.lifecycle_state(instance) == "InService"
    # A new node has nothing of ours to undo.
    assert audit.changes(world.kube.audit_log) == []
    assert world.executions() == []


def test_an_instance_that_never_becomes_a_node_is_replaced(world):
    """ABANDON: a machine that does not join is capacity on paper only."""
    world.add_launch_hook()
    world.boots_after_s = None
    instance = world.scale_out()
    began = world.clock.now()
    world.pass_time(800)
    world.boots_after_s = 60.0
    world.settle(machine="AdmitNode", every_s=30)
    first = world.executions("AdmitNode")[0]
    assert completed(first)["result"] == "ABANDON"
    assert f"No node of the cluster has the providerID of {instance}" in completed(first)["reason"]
    assert first["stopDate"].timestamp() - began < 930
    assert world.lifecycle_state(instance) == ""
    # The replacement is held and admitted, too.
    assert results(world) == ["ABANDON", "CONTINUE"]


def test_an_admission_ends_before_its_hook_does():
    """A hook shorter than the policy's time would let the instance into service unheard."""
    with World(workload=cluster_workload, parameters={"AdmitTimeout": "7200"}) as world:
        world.add_launch_hook(HeartbeatTimeout=600)
        world.boots_after_s = None
        world.scale_out()
        world.pass_time(500)
        world.boots_after_s = 10.0
        world.settle(machine="AdmitNode", every_s=30)
        assert results(world) == ["ABANDON", "CONTINUE"]


@pytest.mark.parametrize("wanted", ["true", "false"])
def test_the_pods_of_daemonsets_are_waited_for_only_where_asked(wanted):
    """CNI and CSI pods may need longer than the kubelet."""

    def workload(nodes):
        """Pods of a node that boots alone, in the middle of everything, are late."""
        for manifest in cluster_workload(nodes):
            if manifest["kind"] == "Pod" and len(nodes) == 1:
                manifest["metadata"]["annotations"] = {READY_AFTER: "90"}
            yield manifest

    with World(workload=workload, parameters={"AdmitDaemonSets": wanted}) as world:
        world.add_launch_hook()
        world.scale_out()
        world.settle(machine="AdmitNode")
        (execution,) = world.executions("AdmitNode")
        waited = [e for e in world.history(execution["executionArn"]) if e["type"] == "TaskFailed"]
        causes = str([e["taskFailedEventDetails"]["cause"] for e in waited])
        assert ("DaemonSet pod" in causes) == (wanted == "true")


def test_a_drain_to_the_warm_pool_is_undone_on_return(world):
    """The same Node object comes back: unless it is uncordoned, it never serves again."""
    world.add_launch_hook()
    instance, *_ = world.instances
    world.aws.hooks.hold(instance, TERMINATING, "AutoScalingGroup", "WarmPool")
    world.settle()
    assert world.lifecycle_state(instance) == "Warmed:Stopped"
    assert marks(world, instance) == (True, True, {LABELLED_BY, CORDONED_BY})
    written = audit.changes(world.kube.audit_log)
    assert guarantees.order_broken(written, world.instances[instance]) == []
    world.aws.hooks.hold(instance, LAUNCHING, "WarmPool", "AutoScalingGroup")
    world.settle(machine="AdmitNode")
    assert marks(world, instance) == (False, False, set())
    assert world.lifecycle_state(instance) == "InService"
    undone = audit.changes(world.kube.audit_log)[len(written) :]
    assert [change.kind for change in undone] == ["uncordon"]


def test_a_new_root_volume_is_drained_for_and_undone(world):
    """No launch event follows: the sweep finds the instance in service again, and its node still cordoned."""
    instance, *_ = world.instances
    world.aws.hooks.hold(instance, TERMINATING, "AutoScalingGroup", "AutoScalingGroup")
    assert world.lifecycle_state(instance) == "ReplacingRootVolume:Wait"
    world.settle()
    assert marks(world, instance) == (True, True, {LABELLED_BY, CORDONED_BY})
    assert world.lifecycle_state(instance) == "ReplacingRootVolume:Proceed"
    world.pass_time(60)
    assert world.lifecycle_state(instance) == "RootVolumeReplaced"
    world.pass_time(300)
    assert world.lifecycle_state(instance) == "InService"
    assert marks(world, instance) == (False, False, set())
    world.pass_time(900)
    assert [execution["name"] for execution in world.executions("AdmitNode")] == [
        world.executions()[0]["name"].replace(instance, f"{instance}-return")
    ]
    assert results(world) == ["CONTINUE"]


def test_a_new_root_volume_whose_event_is_lost_is_drained_for_by_the_sweep(world):
    """It waits in a state of its own, and comes back all the same."""
    world.aws.hooks.send = [].append
    instance, *_ = world.instances
    world.aws.hooks.hold(instance, TERMINATING, "AutoScalingGroup", "AutoScalingGroup")
    world.pass_time(301)
    world.settle()
    (execution,) = world.executions()
    assert execution["name"] == f"{instance}-sweep"
    assert json.loads(execution["input"])["lifecycle"]["destination"] == "AutoScalingGroup"
    world.pass_time(600)
    assert marks(world, instance) == (False, False, set())


def test_a_drain_by_hand_of_an_instance_that_waits_for_a_root_volume_completes_its_action(world):
    """FindNode knows the state in which it waits, and that the instance comes back."""
    world.aws.hooks.send = [].append
    instance, *_ = world.instances
    world.aws.hooks.hold(instance, TERMINATING, "AutoScalingGroup", "AutoScalingGroup")
    world.start(f"{instance}-by-hand", {"instanceId": instance})
    world.settle()
    assert results(world) == ["CONTINUE"]
    world.pass_time(600)
    assert marks(world, instance) == (False, False, set())


def test_a_return_from_the_warm_pool_whose_launch_event_is_lost_is_undone(world):
    """Without it the node would be in service and take no pods."""
    instance, *_ = world.instances
    world.aws.hooks.hold(instance, TERMINATING, "AutoScalingGroup", "WarmPool")
    world.settle()
    world.pass_time(600)
    assert marks(world, instance)[:2] == (True, True)
    world.aws.hooks.hold(instance, LAUNCHING, "WarmPool", "AutoScalingGroup")
    world.pass_time(360)
    assert marks(world, instance) == (False, False, set())


def test_a_drained_instance_that_nobody_replaced_stays_drained(world):
    """A rebalance recommendation, or a person: the node is to be empty, though its instance is in service."""
    instance, *_ = world.instances
    world.start(f"{instance}-by-hand", {"instanceId": instance})
    world.settle()
    world.pass_time(900)
    assert marks(world, instance)[:2] == (True, True)
    assert world.executions("AdmitNode") == []


def test_what_somebody_else_had_set_stays(world):
    """A node that a person cordoned for a reason must not take pods because it was in a warm pool."""
    world.add_launch_hook()
    instance, *_ = world.instances
    change = {"metadata": {"labels": {EXCLUDE_LABEL: "true"}}, "spec": {"unschedulable": True}}
    world.kube.cluster.change("Node", world.instances[instance], "", change)
    world.aws.hooks.hold(instance, TERMINATING, "AutoScalingGroup", "WarmPool")
    world.settle()
    world.aws.hooks.hold(instance, LAUNCHING, "WarmPool", "AutoScalingGroup")
    world.settle(machine="AdmitNode")
    assert marks(world, instance) == (True, True, set())


def test_a_second_drain_still_knows_what_the_first_had_set(world):
    """A drain by hand, then one by the hook: both are ours, and both are undone."""
    world.add_launch_hook()
    instance, *_ = world.instances
    world.start("by-hand", {"instanceId": instance})
    world.settle()
    world.aws.hooks.hold(instance, TERMINATING, "AutoScalingGroup", "WarmPool")
    world.settle()
    world.aws.hooks.hold(instance, LAUNCHING, "WarmPool", "AutoScalingGroup")
    world.settle(machine="AdmitNode")
    assert marks(world, instance) == (False, False, set())


def test_an_instance_that_leaves_the_warm_pool_asleep_is_let_go_at_once(world):
    """Nothing to drain, and nothing to wait five minutes for."""
    instance, *_ = world.instances
    world.kube.cluster.remove("Node", world.instances[instance])
    began = world.clock.now()
    world.aws.hooks.hold(instance, TERMINATING, "WarmPool", "EC2")
    world.settle()
    (execution,) = world.executions()
    assert completed(execution)["outcome"] == "nothing to do"
    assert results(world) == ["CONTINUE"]
    assert world.clock.now() - began < 15


def test_a_warm_instance_whose_node_runs_is_drained(world):
    """A running warm pool's nodes can have taken pods."""
    instance, _ = max(world.instances.items(), key=lambda item: len(world.pods_on(item[1])))
    world.aws.hooks.hold(instance, TERMINATING, "WarmPool", "EC2")
    world.settle()
    assert completed(world.executions()[0])["outcome"] == "drained"
    assert "evict" in [change.kind for change in audit.changes(world.kube.audit_log)]


def test_an_instance_that_enters_the_warm_pool_is_not_waited_for(world):
    """It is stopped soon; many never join the cluster before."""
    world.add_launch_hook()
    instance, *_ = world.instances
    world.kube.cluster.remove("Node", world.instances[instance])
    world.aws.hooks.hold(instance, LAUNCHING, "EC2", "WarmPool")
    world.settle(machine="AdmitNode")
    assert completed(world.executions("AdmitNode")[0])["outcome"] == "nothing to do"
    assert world.lifecycle_state(instance) == "Warmed:Stopped"


def test_another_tools_launch_hook_is_ignored(world):
    """Nobody else's hook is ever completed."""
    world.add_launch_hook(LifecycleHookName="another")
    instance = world.scale_out()
    world.pass_time(120)
    assert world.lifecycle_state(instance) == "Pending:Wait"
    assert world.executions("AdmitNode") == []
