"""Sixty groups of one stack: their list is in a parameter, and another stack's group stays its own."""

import json

import boto3

from stepdrain_sandbox.aws.account import REGION
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import HOOK, World

NAMES = ",".join(["workers", *(f"prod-eu-west-1-nodes-of-team-number-{n:04}" for n in range(59))])


def other_group():
    """An instance of a group that is not in the list, behind a hook of the same name."""
    auto_scaling = boto3.client("autoscaling", region_name=REGION)
    auto_scaling.create_auto_scaling_group(
        AutoScalingGroupName="strangers", LaunchTemplate={"LaunchTemplateName": "workers"},
        MinSize=0, MaxSize=1, DesiredCapacity=1, AvailabilityZones=[f"{REGION}a"],
    )  # fmt: skip
    auto_scaling.put_lifecycle_hook(
        AutoScalingGroupName="strangers", LifecycleHookName=HOOK, HeartbeatTimeout=1800,
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
    )  # fmt: skip
    group = auto_scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["strangers"])
    return group["AutoScalingGroups"][0]["Instances"][0]["InstanceId"]


def test_a_group_of_a_long_list_is_drained_and_another_is_not():
    """By its event, by the sweep where the event is lost, and by hand."""
    with World(workload=cluster_workload, parameters={"GroupNames": NAMES}) as world:
        first, second, third = world.instances
        stranger = other_group()
        world.terminate(stranger)
        world.pass_time(1)
        world.terminate(first)
        world.settle()
        # Kept for minutes: a burst asks once.
        assert [f for f, service, _ in world.aws.calls if service == "ssm"] == ["StartDrainFunction"]
        send, world.aws.hooks.send = world.aws.hooks.send, lambda _event: None
        world.terminate(second)
        world.pass_time(420)
        world.settle()
        world.aws.hooks.send = send
        world.start("by-hand", {"instanceId": third})
        world.settle()
        ended = {
            json.loads(execution["input"])["instanceId"]: execution["status"]
            for execution in world.executions()
        }
        assert ended == dict.fromkeys((first, second, third), "SUCCEEDED")
        asked = [function for function, service, _ in world.aws.calls if service == "ssm"]
        assert set(asked) == {"StartDrainFunction", "SweepFunction", "FindNodeFunction"}
