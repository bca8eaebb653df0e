"""An API of AWS throttles for half a minute or for ten, wherever a drain asks it: late, and never lost."""

from itertools import product

import pytest

from stepdrain_sandbox.aws.account import AwsFault, client_error
from stepdrain_sandbox.judgement import broken
from stepdrain_sandbox.workload import cluster_workload, lone_pod
from stepdrain_sandbox.world import World
from tests.shards import sampled
from tests.world import trouble

CALLS = [
    "DescribeAutoScalingGroups",
    "DescribeLifecycleHooks",
    "DescribeExecution",
    "StartExecution",
    "DescribeCluster",
    "DescribeInstances",
    "GetResources",
    "CompleteLifecycleAction",
    "ListExecutions",
    "DescribeScalingActivities",
]
"""Of StartDrain, of Sweep, and of the states; Heartbeat has less time (statemachine/retriers.py)."""
OF_NOTIFY = ["GetExecutionHistory", "Publish"]
RETRIED_S = 300
"""Lambda tries an event again after one minute and after two, and then keeps it in the dead-letter queue."""


def throttled(world, operation, seconds):
    """Let an operation be throttled from now on, for so many seconds."""
    fault = AwsFault(operation, client_error(operation, "Throttling", "Rate exceeded"), times=-1)
    world.aws.aws_faults.append(fault)
    world.clock.call_at(world.clock.now() + seconds, lambda: world.aws.aws_faults.remove(fault))


@pytest.mark.parametrize(("operation", "seconds"), sampled(list(product(CALLS, [30, 600])), 0, 1, every=2))
def test_an_instance_is_drained_when_the_throttling_is_over(operation, seconds):
    """G6: by the function's own patience, the state's retries, Lambda's, or the sweep."""
    with World(workload=cluster_workload) as world:
        throttled(world, operation, seconds)
        instance = trouble.begin(world)
        world.pass_time(seconds + 900)
        world.settle()
        assert {execution["status"] for execution in world.executions()} == {"SUCCEEDED"}
        assert trouble.results(world, instance) == ["CONTINUE"]
        assert broken(world) == []


@pytest.mark.parametrize(("operation", "seconds"), list(product(OF_NOTIFY, [10, 30, 600])))
def test_somebody_is_told_of_a_failed_drain_when_the_throttling_is_over(operation, seconds):
    """G5, once, and never in silence: what Notify cannot send for minutes is in the dead-letter queue."""
    with World(workload=cluster_workload, parameters={"EvictUnmanaged": "false"}) as world:
        instance, node = next(iter(world.instances.items()))
        world.kube.cluster.create(lone_pod("lone", node))
        world.terminate(instance)
        throttled(world, operation, seconds)
        world.settle()
        world.pass_time(RETRIED_S)
        mails = [message["Message"] for message in world.aws.messages()]
        if operation == "Publish" and seconds == 600:
            assert (mails, [letter["detail"]["name"] for letter in world.dead_letters()]) == (
                [],
                [name_of(world)],
            )
            world.pass_time(seconds)
            world.aws.delivery.send(world.dead_letters()[0])
            world.pass_time(5)
            mails = [message["Message"] for message in world.aws.messages()]
        assert len(mails) == 1
        assert "DrainRefused" in mails[0]
        # Of a history that cannot be read for long, the message leaves the state out.
        assert ("EvictBatch" in mails[0]) == (operation == "Publish" or seconds == 10)


def name_of(world):
    (drain,) = world.executions()
    return drain["name"]
