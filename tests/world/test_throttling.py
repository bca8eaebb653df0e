"""An API of AWS throttles for half a minute or for ten, wherever a drain asks it: late, and never lost."""

from itertools import product

import pytest

from stepdrain_sandbox.aws.account import AwsFault, client_error
from stepdrain_sandbox.judgement import broken
from stepdrain_sandbox.workload import cluster_workload
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
"""Of StartDrain, of Sweep, and of the states; Heartbeat has less time (statemachine/pace.py)."""


@pytest.mark.parametrize(("operation", "seconds"), sampled(list(product(CALLS, [30, 600])), 0, 1, every=2))
def test_an_instance_is_drained_when_the_throttling_is_over(operation, seconds):
    """G6: by the function's own patience, the state's retries, Lambda's, or the sweep."""
    with World(workload=cluster_workload) as world:
        fault = AwsFault(operation, client_error(operation, "Throttling", "Rate exceeded"), times=-1)
        world.aws.aws_faults.append(fault)
        world.clock.call_at(world.clock.now() + seconds, lambda: world.aws.aws_faults.remove(fault))
        instance = trouble.begin(world)
        world.pass_time(seconds + 900)
        world.settle()
        assert {one["status"] for one in world.executions()} == {"SUCCEEDED"}
        assert trouble.results(world, instance) == ["CONTINUE"]
        assert broken(world) == []
