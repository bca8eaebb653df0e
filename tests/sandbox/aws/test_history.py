"""The history that tests read without a request is the one that boto3 returns."""

import boto3
import pytest

from stepdrain_sandbox.workload import cluster_workload, lone_pod
from stepdrain_sandbox.world import World


def test_a_history_read_without_a_request_is_what_boto3_returns():
    """To the member, for a drain that failed and went on; a test must not see more than an account shows."""
    with World(workload=cluster_workload, parameters={"EvictUnmanaged": "false"}) as world:
        instance, node = next(iter(world.instances.items()))
        world.kube.cluster.create(lone_pod("lone", node))
        world.terminate(instance)
        world.settle()
        world.kube.cluster.remove("Pod", "lone", "default")
        (failed,) = world.executions()
        world.redrive(failed["executionArn"])
        assert world.aws.running(world.machine) == [True]
        world.settle()
        assert world.aws.running(world.machine) == [False]
        client = boto3.client("stepfunctions", region_name="eu-west-1")
        answered = client.get_execution_history(executionArn=failed["executionArn"])["events"]
        assert world.history(failed["executionArn"]) == answered
        assert {"TaskFailed", "ExecutionRedriven", "ExecutionSucceeded"} <= {
            event["type"] for event in answered
        }


def test_a_history_of_no_execution_is_an_error_and_not_an_empty_list():
    """A test that reads the wrong history must not pass."""
    with World() as world, pytest.raises(Exception, match="Execution Does Not Exist"):
        world.history(f"{world.machine.replace('stateMachine', 'execution')}:absent")
