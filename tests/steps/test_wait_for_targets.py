"""WaitForTargets, with load balancers that drain: an instance is let go when they have let go of it."""

import json

import boto3
import pytest

from stepdrain_recorded import audit
from stepdrain_sandbox.aws.account import AwsFault, client_error
from stepdrain_sandbox.workload import cluster_workload, lone_pod
from stepdrain_sandbox.world import CLUSTER, GROUP, World

WORLD = {"workload": cluster_workload}


def first(world):
    return next(iter(world.instances.items()))


def at_the_end(world):
    """What held the instance when its action was completed, per completion."""
    seen = []
    complete = world.aws.hooks._complete

    def watched(backend, action, result):
        seen.append(world.balancers.states(action.instance_id))
        complete(backend, action, result)

    world.aws.hooks._complete = watched
    return seen


def drained(world, **settle):
    instance, _ = first(world)
    world.terminate(instance)
    world.settle(**settle)
    return world.executions()[0]


def failures(world, error):
    history = world.history(world.executions()[0]["executionArn"])
    failed = [event["taskFailedEventDetails"] for event in history if event["type"] == "TaskFailed"]
    return [json.loads(details["cause"])["errorMessage"] for details in failed if details["error"] == error]


def test_an_instance_is_let_go_when_its_targets_have_drained():
    """Else its clients get errors: pods are gone in seconds, connections in minutes."""
    with World(**WORLD) as world:
        world.balancers.target_group("web", world.instances, 120)
        seen = at_the_end(world)
        assert drained(world)["status"] == "SUCCEEDED"
        assert seen == [{}]
        assert "web: draining" in failures(world, "TargetsDraining")[-1]


def test_a_pod_that_lands_while_a_target_drains_is_evicted():
    """G4 `CompleteLifecycleAction` is sent exactly when nothing evictable is left on the node."""
    with World(**WORLD) as world:
        instance, node = first(world)
        world.balancers.target_group("web", world.instances, 60)
        world.terminate(instance)
        world.pass_time(30)
        world.kube.cluster.create(lone_pod("debug", node))
        world.settle()
        evicted = [change for change in audit.changes(world.kube.audit_log) if change.kind == "evict"]
        assert evicted[-1].object == "default/debug"
        assert world.witness.left == {instance: []}


def test_a_classic_load_balancer_is_waited_for_too():
    """Found by the cluster's tag, as Kubernetes' cloud provider sets it."""
    with World(**WORLD) as world:
        world.balancers.classic("a1b2c3", world.instances, 60, CLUSTER)
        world.balancers.classic("foreign", world.instances, 9999, "another")
        seen = at_the_end(world)
        assert drained(world)["status"] == "SUCCEEDED"
        assert seen == [{"foreign": "draining"}]
        assert (
            "a1b2c3: Instance deregistration currently in progress" in failures(world, "TargetsDraining")[-1]
        )


def test_the_target_groups_of_the_auto_scaling_group_are_waited_for():
    """They are attached outside of Kubernetes, and no binding names them."""
    with World(**WORLD) as world:
        arn = attached_target_group()
        world.balancers.target_group("edge", world.instances, 60, bound=False, arn=arn)
        seen = at_the_end(world)
        assert drained(world)["status"] == "SUCCEEDED"
        assert seen == [{}]


def attached_target_group():
    """The ARN of a target group that the Auto Scaling group is attached to."""
    vpc = boto3.client("ec2", region_name="eu-west-1").describe_vpcs()["Vpcs"][0]["VpcId"]
    made = boto3.client("elbv2", region_name="eu-west-1").create_target_group(
        Name="edge", Protocol="HTTP", Port=80, VpcId=vpc
    )
    arn = made["TargetGroups"][0]["TargetGroupArn"]
    auto_scaling = boto3.client("autoscaling", region_name="eu-west-1")
    auto_scaling.attach_load_balancer_target_groups(AutoScalingGroupName=GROUP, TargetGroupARNs=[arn])
    return arn


def test_target_groups_of_others_are_not_even_asked_for():
    """The account may have hundreds, and the API counts every call."""
    with World(**WORLD) as world:
        ours = world.balancers.target_group("web", world.instances, 60)
        world.balancers.target_group("foreign", world.instances, 9999, bound=False)
        assert drained(world)["status"] == "SUCCEEDED"
        assert {name for _, name in world.balancers.calls} == {ours}
        polls = sum(calls[1] == "WaitForTargetsFunction" for calls in asked(world))
        assert len(world.balancers.calls) == polls


def asked(world):
    """(operation, function) of each GetResources: one for each look."""
    return [
        (operation, function) for function, _, operation in world.aws.calls if operation == "GetResources"
    ]


def test_the_policy_off_asks_nothing_and_costs_nothing():
    """Neither a state nor a call."""
    with World(**WORLD, parameters={"WaitForTargets": "off"}) as world:
        world.balancers.target_group("web", world.instances, 300)
        seen = at_the_end(world)
        assert drained(world)["status"] == "SUCCEEDED"
        assert (seen, world.balancers.calls) == ([{"web": "draining"}], [])
        history = world.history(world.executions()[0]["executionArn"])
        entered = [
            e["stateEnteredEventDetails"]["name"] for e in history if e["type"].endswith("StateEntered")
        ]
        assert "WaitForTargets" not in entered


def test_a_group_may_bound_the_wait_by_a_tag():
    """A delay of an hour on somebody's target group must not hold every instance for an hour."""
    with World(**WORLD, tags={"stepdrain:wait-for-targets": "90"}) as world:
        world.balancers.target_group("web", world.instances, 3600)
        seen = at_the_end(world)
        began = world.clock.now()
        assert drained(world)["status"] == "SUCCEEDED"
        assert seen == [{"web": "draining"}]
        assert 90 <= world.clock.now() - began < 180


def test_a_throttled_look_is_repeated_and_never_taken_for_an_end():
    """400 target groups and a hundred drains at once: the API does say no."""
    with World(**WORLD) as world:
        world.balancers.target_group("web", world.instances, 60)
        throttling = client_error("GetResources", "ThrottlingException", "Rate exceeded")
        world.aws.aws_faults.append(AwsFault("GetResources", throttling, times=3))
        seen = at_the_end(world)
        assert drained(world)["status"] == "SUCCEEDED"
        assert seen == [{}]
        assert "Throttling" in failures(world, "TargetsDraining")[0]


def test_a_target_that_nobody_deregisters_is_waited_for_a_minute_only():
    """Without a controller that reads the label it would stay for ever."""
    with World(**WORLD) as world:
        world.balancers.target_group("web", world.instances, 60)
        world.balancers._deregister = lambda _: None
        began = world.clock.now()
        assert drained(world)["status"] == "SUCCEEDED"
        assert 60 <= world.clock.now() - began < 150


def test_targets_that_outlast_the_deadline_stop_the_drain_by_name():
    """G4: the instance is held, and the message says by what."""
    with World(**WORLD, parameters={"DrainTimeout": "120"}) as world:
        world.balancers.target_group("web", world.instances, 3000)
        execution = drained(world)
        assert (execution["status"], execution["error"]) == ("FAILED", "DrainTimedOut")
        assert "web: draining" in execution["cause"]


def test_an_hour_of_draining_keeps_the_instance_by_heartbeats():
    """The longest deregistration delay there is; no heartbeat comes late, and the history stays short."""
    with World(**WORLD, parameters={"DrainTimeout": "7200"}) as world:
        world.balancers.target_group("web", world.instances, 3500)
        seen = at_the_end(world)
        assert drained(world, within_s=7200, every_s=30)["status"] == "SUCCEEDED"
        assert seen == [{}]
        assert failures(world, "TargetsDraining")
        # 3 for each look; its pauses are at most 30 s, and random.
        assert len(world.history(world.executions()[0]["executionArn"])) < 1000


@pytest.mark.parametrize("document", [{}, {"policy": {"waitForTargets": "300"}}])
def test_a_drain_without_a_lifecycle_action_waits_for_targets_too(document):
    """Whoever starts it by hand has clients as well."""
    with World(**WORLD) as world:
        instance, _ = first(world)
        world.balancers.target_group("web", world.instances, 60)
        began = world.clock.now()
        world.start("by-hand", {"instanceId": instance, "cluster": CLUSTER, **document})
        world.settle()
        assert world.executions()[0]["status"] == "SUCCEEDED"
        assert world.clock.now() - began >= 60
