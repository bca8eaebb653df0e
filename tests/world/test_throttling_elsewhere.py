"""Throttling where an ordinary drain does not ask: in Sweep, heartbeats, turns, targets, maintenance."""

from itertools import product

import pytest

from stepdrain_sandbox.judgement import broken
from stepdrain_sandbox.workload import blocked_database, cluster_workload
from stepdrain_sandbox.world import CLUSTER, World
from tests.shards import sampled
from tests.world import test_throttling
from tests.world.test_throttling import throttled

LASTS_S = [30, 600]
OF_SWEEP = [
    "DescribeAutoScalingGroups",
    "DescribeScalingActivities",
    "DescribeLifecycleHooks",
    "ListExecutions",
    "StartExecution",
]
OF_TURNS = ["Query", "GetItem", "PutItem", "DeleteItem"]
OF_TARGETS = ["DescribeTargetHealth", "DescribeInstanceHealth", "GetResources"]
OF_MAINTENANCE = ["DescribeInstanceStatus", "StopExecution", "ListExecutions", "DescribeExecution"]
OTHERS = ["RecordLifecycleActionHeartbeat", "DescribeAutoScalingInstances"]
SWEEP_S = 300
OF_LAMBDA = {"logs", "sqs", "kms"}
"""Services that Lambda asks for the function, or SNS and CloudWatch Logs: it tries again by itself."""


def cells(operations):
    """All with each duration; a sample of them outside of `make test-long`."""
    return sampled(list(product(operations, LASTS_S)), 0, 1, every=4)


def _blocked(nodes):
    return [*cluster_workload(nodes), *blocked_database(nodes[0], 1, 5)]


def succeeded(world, count):
    """All of so many drains have succeeded, and kept every guarantee."""
    assert [execution["status"] for execution in world.executions()] == ["SUCCEEDED"] * count
    assert broken(world) == []


def test_each_call_that_a_role_allows_is_throttled_in_a_test():
    """A new one would have nobody who says what becomes of its drain."""
    with World(nodes=1, parameters={"DrainOnMaintenance": "true", "MaxConcurrentDrains": "2"}) as world:
        granted = set().union(*world.aws.deployment.granted.values())
    operations = {action.split(":")[1] for action in granted if action.split(":")[0] not in OF_LAMBDA}
    known = [test_throttling.CALLS, test_throttling.OF_NOTIFY]
    known += [OF_SWEEP, OF_TURNS, OF_TARGETS, OF_MAINTENANCE, OTHERS]
    assert operations == set().union(*known)


@pytest.mark.parametrize(("operation", "seconds"), cells(OF_SWEEP))
def test_an_instance_whose_event_was_lost_is_drained_when_the_throttling_is_over(operation, seconds):
    """G6: by the sweep's own patience, Lambda's second and third attempt, or the next sweep."""
    with World(workload=cluster_workload) as world:
        events = []
        world.aws.hooks.send = events.append
        world.pass_time(SWEEP_S - 100)
        world.terminate(next(iter(world.instances)))
        world.pass_time(95)
        throttled(world, operation, seconds)
        world.pass_time(seconds + 2 * SWEEP_S)
        world.settle()
        succeeded(world, 1)


@pytest.mark.parametrize("seconds", LASTS_S)
def test_a_heartbeat_that_is_throttled_is_sent_when_the_throttling_is_over(seconds):
    """A budget holds the drain over its first heartbeat, and Auto Scaling waits for twice as long."""
    with World(workload=cluster_workload) as world:
        world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})
        world.terminate(max(world.instances, key=lambda one: len(world.pods_on(world.instances[one]))))
        world.pass_time(800)
        throttled(world, "RecordLifecycleActionHeartbeat", seconds)
        world.pass_time(1400)
        assert "RecordLifecycleActionHeartbeat" in {call[2] for call in world.aws.calls}
        world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 1}})
        world.settle()
        succeeded(world, 1)


@pytest.mark.parametrize(("operation", "seconds"), cells(OF_TURNS))
def test_drains_take_turns_when_the_throttling_is_over(operation, seconds):
    """The leases and the cache are in tables of DynamoDB."""
    with World(workload=cluster_workload, parameters={"MaxConcurrentDrains": "1"}) as world:
        throttled(world, operation, seconds)
        for instance in list(world.instances)[:2]:
            world.terminate(instance)
        world.pass_time(seconds)
        world.settle()
        succeeded(world, 2)


@pytest.mark.parametrize(("operation", "seconds"), cells(OF_TARGETS))
def test_targets_are_waited_for_when_the_throttling_is_over(operation, seconds):
    """Nobody says that they have drained meanwhile."""
    with World(workload=cluster_workload) as world:
        world.balancers.target_group("web", world.instances, 20)
        world.balancers.classic("a1b2c3", world.instances, 20, CLUSTER)
        throttled(world, operation, seconds)
        world.terminate(next(iter(world.instances)))
        world.pass_time(seconds / 2)
        assert {execution["status"] for execution in world.executions()} == {"RUNNING"}
        world.pass_time(seconds)
        world.settle()
        succeeded(world, 1)


@pytest.mark.parametrize("seconds", LASTS_S)
def test_a_drain_by_hand_goes_on_when_the_throttling_is_over(seconds):
    """FindNode asks whether a hook holds the instance."""
    with World(workload=cluster_workload) as world:
        instance = next(iter(world.instances))
        throttled(world, "DescribeAutoScalingInstances", seconds)
        world.start("by-hand", {"instanceId": instance})
        world.pass_time(seconds)
        world.settle()
        assert "DescribeAutoScalingInstances" in {call[2] for call in world.aws.calls}
        succeeded(world, 1)


@pytest.mark.parametrize(("operation", "seconds"), cells(OF_MAINTENANCE))
def test_maintenance_that_is_called_off_is_undone_when_the_throttling_is_over(operation, seconds):
    """The drain begins, and ends, with a later sweep; nothing evicts meanwhile."""
    with World(workload=_blocked, parameters={"DrainOnMaintenance": "true"}) as world:
        instance, node = next(iter(world.instances.items()))
        event = world.aws.scheduled_events.schedule(instance, "instance-reboot", world.clock.now() + 1900)
        throttled(world, operation, seconds)
        world.pass_time(seconds + 2 * SWEEP_S)
        assert [execution["status"] for execution in world.executions()] == ["RUNNING"]
        world.aws.scheduled_events.end(event, "Canceled")
        throttled(world, operation, seconds)
        world.pass_time(seconds + 2 * SWEEP_S)
        assert [execution["status"] for execution in world.executions()] == ["ABORTED"]
        assert not world.kube.cluster.get("Node", node)["spec"].get("unschedulable")
