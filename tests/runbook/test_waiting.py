"""What a drain waits for, and how it can end otherwise: each section played from the cause to the end."""

import shutil

import boto3
import pytest

from stepdrain_sandbox.aws.account import client_error
from stepdrain_sandbox.aws.lifecycle_hooks import TERMINATING
from stepdrain_sandbox.aws.load import Load
from stepdrain_sandbox.aws.quotas import Quotas
from stepdrain_sandbox.workload import csi_driver, lone_pod, mounting, volume
from tests.runbook.sections import plays
from tests.world.trouble import FOR_EVER, Trouble, kubernetes_fault

NEVER_S = 100_000
pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


def tag(key, value):
    given = {"ResourceId": "workers", "ResourceType": "auto-scaling-group", "PropagateAtLaunch": False}
    client = boto3.client("autoscaling", region_name="eu-west-1")
    client.create_or_update_tags(Tags=[{**given, "Key": f"stepdrain:{key}", "Value": value}])


@plays("EvictionBlocked", "EvictionStillBlocked", quick=True)
def test_a_budget_is_given_room(night):
    """The pods leave at the next attempt; nobody has to start anything."""
    night.hold()
    night.world.terminate(night.instance)
    night.world.pass_time(20)
    night.waits_for(f"disruption budget {night.blanks['BUDGET']} needs 1 healthy pod and has 1")
    night.play("EvictionBlocked")
    night.drained()


@plays("CordonsPending")
def test_other_nodes_are_cordoned_first(night, other):
    """Two instances go within a second: nobody has to do anything."""
    pause = Load(night.world.clock, Quotas(night.world.clock))
    night.world.aws.put_under(pause)
    night.world.terminate(night.instance)
    night.world.pass_time(4)
    other.world.terminate(other.instance)
    night.world.pass_time(4)
    night.waits_for(f"Drain {other.instance}")
    night.play("CordonsPending")
    night.drained()


@plays("NotYourTurn", "StillNotYourTurn")
def test_a_turn_comes_by_itself(night, other):
    """Two drains of a group that may evict one after the other."""
    tag("max-concurrent-drains", "1")
    other.hold()
    other.world.terminate(other.instance)
    night.world.pass_time(5)
    night.world.terminate(night.instance)
    night.world.pass_time(20)
    night.waits_for("At most 1 drain of the group may evict at once")
    night.world.clock.call_at(night.world.clock.now() + 60, lambda: other.hold(1))
    night.play("NotYourTurn")
    night.drained()
    tag("max-concurrent-drains", "0")


@plays("PodsRemaining", "PodsStillRemaining")
def test_a_pod_that_takes_its_time(night):
    """The message says until when; a finalizer or a dead kubelet would show in what is typed."""
    slow = lone_pod("slow", night.node)
    slow["spec"]["terminationGracePeriodSeconds"] = 300
    night.world.kube.cluster.create(slow)
    night.world.pass_time(5)
    night.world.terminate(night.instance)
    night.world.pass_time(60)
    night.waits_for("default/slow")
    night.play("PodsRemaining", blanks={"POD": "slow"})
    night.drained()


def attached(night, name, detaches_after_s):
    """A volume in use by a pod of the node."""
    pod = mounting(lone_pod(f"db-{name}", night.node), name)
    night.world.kube.cluster.load([*volume(name, detaches_after_s), pod])
    night.world.pass_time(5)


def driver(night):
    """The CSI driver's pod on the node, of one DaemonSet for all."""
    for made in csi_driver([night.node]):
        if made["kind"] == "Pod":
            made["metadata"]["name"] += night.instance[-6:]
        elif night.world.kube.cluster.get("DaemonSet", "ebs-csi-node", "kube-system"):
            continue
        night.world.kube.cluster.load([made])


@plays("VolumesAttached", "VolumesStillAttached")
def test_a_volume_that_nobody_detaches_until_the_driver_runs(night):
    """Its pod on the node has to do it."""
    attached(night, "late", 5)
    night.world.terminate(night.instance)
    night.world.pass_time(60)
    night.waits_for("pv-late")
    night.play("VolumesAttached")
    driver(night)
    night.drained()


@plays("Volumes that stay attached")
def test_volumes_are_given_up_by_another_policy(night):
    """The deadline is over, and nobody can repair the driver now."""
    driver(night)
    attached(night, "stuck", NEVER_S)
    night.world.terminate(night.instance)
    night.fails_with("DrainTimedOut")
    night.waits_for("pv-stuck")
    night.play("Volumes that stay attached")
    night.drained()


def target_group(night, delay_s):
    return night.world.balancers.target_group(f"slow-{delay_s}", [night.instance], delay_s)


@plays("TargetsDraining", "TargetsStillDraining")
def test_a_target_drains_for_its_delay(night):
    """Nothing is to be done but to wait."""
    arn = target_group(night, 120)
    night.world.terminate(night.instance)
    night.world.pass_time(30)
    night.waits_for("slow-120: draining")
    night.play("TargetsDraining", blanks={"TARGET_GROUP_ARN": arn})
    night.drained()


@plays("Targets that drain for long")
def test_targets_are_given_up_by_another_policy(night):
    """Its delay is longer than the drain may take."""
    arn = target_group(night, NEVER_S)
    night.world.terminate(night.instance)
    night.fails_with("DrainTimedOut")
    night.play("Targets that drain for long", blanks={"TARGET_GROUP_ARN": arn})
    night.drained()
    tag("wait-for-targets", "auto")
    tag("wait-for-volumes", "true")


@plays("NodeNotRegistered", quick=True)
def test_an_instance_without_a_node_is_let_go(night):
    """After five minutes, and the result says so."""
    night.world.kube.cluster.remove("Node", night.node)
    night.world.terminate(night.instance)
    night.world.pass_time(60)
    night.waits_for("providerID")
    night.play("NodeNotRegistered")
    night.drained("never joined")


@plays("DrainReleased")
def test_a_drain_that_lets_go_names_what_was_left(night):
    """`OnTimeout` is continue."""
    night.hold()
    tag("on-timeout", "continue")
    night.world.terminate(night.instance)
    night.drained("released")
    tag("on-timeout", "fail")
    assert night.blanks["POD"] in night.type("status", night.instance)[1]
    night.play("DrainReleased")


def complete_by_hand(night):
    client = boto3.client("autoscaling", region_name="eu-west-1")
    client.complete_lifecycle_action(
        AutoScalingGroupName="workers", LifecycleHookName="stepdrain",
        LifecycleActionResult="CONTINUE", InstanceId=night.instance,
    )  # fmt: skip


@plays("Instance gone", "Node gone", quick=True)
def test_an_instance_that_somebody_let_go(night):
    """Its Node vanishes, and then its drain has nothing left to do."""
    night.hold()
    night.world.terminate(night.instance)
    night.world.pass_time(60)
    complete_by_hand(night)
    ended = night.until_it_ends()
    shown = night.type("status", night.instance)[1]
    assert ended["status"] == "SUCCEEDED", shown
    assert "instance gone" in shown
    night.play("Instance gone")
    night.play("Node gone")


@plays("Already completed")
def test_an_action_that_somebody_else_completed(night):
    """The node is empty, and the instance there still."""
    inactive = client_error("CompleteLifecycleAction", "ValidationError", "No active Lifecycle Action found")
    Trouble(night.world, "CompleteAction").by_aws("CompleteLifecycleAction", inactive, FOR_EVER)
    night.world.terminate(night.instance)
    night.drained("already completed")
    night.play("Already completed")


@plays("Dead letters")
def test_an_event_that_was_not_handled(night):
    """It lies in the queue; the sweep finds the instance, once StartDrain's right is there again."""
    denied = client_error("DescribeLifecycleHooks", "AccessDenied", "not authorized", 403)
    wrong = Trouble(night.world, "StartDrain").by_aws("DescribeLifecycleHooks", denied, FOR_EVER)
    night.world.terminate(night.instance)
    night.world.pass_time(250)
    assert [letter["detail"]["EC2InstanceId"] for letter in night.world.dead_letters()] == [night.instance]
    wrong.repair()
    url = night.world.aws.deployment.queues["DeadLetters"]
    night.play("Dead letters", blanks={"DEAD_LETTERS_URL": url})
    night.drained()


@plays("NothingToDo")
def test_an_instance_that_leaves_a_warm_pool_asleep(night):
    """Its action is completed at once."""
    night.world.kube.cluster.remove("Node", night.node)
    night.world.aws.hooks.hold(night.instance, TERMINATING, "WarmPool", "EC2")
    night.drained("nothing to do")
    night.play("NothingToDo")


@plays("HeartbeatDue")
def test_a_node_that_is_found_late(night):
    """The hook hears of the drain before the node is marked: nobody has to do anything."""
    hook = {"AutoScalingGroupName": "workers", "LifecycleHookName": "stepdrain", "HeartbeatTimeout": 600}
    client = boto3.client("autoscaling", region_name="eu-west-1")
    client.put_lifecycle_hook(**hook)
    wrong = Trouble(night.world, "FindNode").by_fault(kubernetes_fault("403"), "get|list", "/nodes")
    night.world.clock.call_at(night.world.clock.now() + 270, wrong.repair)
    night.world.terminate(night.instance)
    night.drained()
    client.put_lifecycle_hook(**{**hook, "HeartbeatTimeout": 1800})
    history = night.world.history(night.execution()["executionArn"])
    assert "HeartbeatDue" in {event.get("taskFailedEventDetails", {}).get("error") for event in history}
    night.play("HeartbeatDue")
