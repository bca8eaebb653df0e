"""The hooks that the template makes: they hold what is drained, and what is not yet Ready."""

import boto3

from stepdrain_sandbox.aws.account import REGION
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import GROUP, World
from tests.world import trouble

MADE = {
    "CreateLifecycleHooks": "true",
    "CreateLaunchHooks": "true",
    "HookName": "drain/me",
    "LaunchHookName": "admit/me",
    "HeartbeatTimeout": "1200",
}


def test_an_instance_is_admitted_and_drained_behind_the_hooks_that_the_template_makes():
    """By the hooks' own names, with nothing made by hand."""
    with World(workload=cluster_workload, parameters=MADE) as world:
        hooks = boto3.client("autoscaling", region_name=REGION).describe_lifecycle_hooks(
            AutoScalingGroupName=GROUP
        )["LifecycleHooks"]
        assert {(hook["LifecycleHookName"], hook["HeartbeatTimeout"]) for hook in hooks} == {
            ("drain/me", 1200),
            ("admit/me", 1200),
        }
        new = world.scale_out()
        world.settle(machine="AdmitNode")
        assert world.lifecycle_state(new) == "InService"
        instance = trouble.begin(world)
        world.settle()
        trouble.assert_over(world, instance)
