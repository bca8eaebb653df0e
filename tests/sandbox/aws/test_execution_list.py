"""ListExecutions of the embedded account: order, dates and delay as the API reference has them."""

import boto3
import pytest

from stepdrain_sandbox.world import World


@pytest.fixture(scope="module")
def world():
    """A world with a drain that failed a day ago and was redriven, and two that ended between."""
    with World(nodes=3) as world:
        world.aws.schedules.stop()
        binding = world.kube.cluster.get("ClusterRoleBinding", "stepdrain-read")
        world.kube.cluster.remove("ClusterRoleBinding", "stepdrain-read")
        nodes = list(world.instances.values())
        first = world.start("first", {"nodeName": nodes[0]})
        world.settle()
        world.kube.cluster.load([binding])
        world.pass_time(86_400)
        world.start("second", {"nodeName": nodes[1]})
        world.settle()
        world.redrive(first)
        world.settle()
        world.start("third", {"nodeName": nodes[2]})
        world.pass_time(1)
        yield world


def listed(world, **options):
    client = boto3.client("stepfunctions", region_name="eu-west-1")
    return client.list_executions(stateMachineArn=world.machine, **options)


def test_what_runs_is_sorted_by_its_start_and_the_rest_by_its_end(world):
    """https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html"""
    assert [execution["name"] for execution in listed(world)["executions"]] == ["third", "first", "second"]


def test_a_redriven_one_shows_when_and_how_often(world):
    """redriveCount and redriveDate of ExecutionListItem, beside the start that it keeps."""
    (first,) = [execution for execution in listed(world)["executions"] if execution["name"] == "first"]
    assert first["redriveCount"] == 1
    assert first["startDate"] < first["redriveDate"] <= first["stopDate"]


def test_the_list_has_pages(world):
    """At most maxResults in each, and a token as long as there are more."""
    page = listed(world, maxResults=2)
    assert len(page["executions"]) == 2
    rest = listed(world, maxResults=2, nextToken=page["nextToken"])
    assert [execution["name"] for execution in rest["executions"]] == ["second"]
    assert "nextToken" not in rest


def test_a_list_that_is_behind_shows_what_was(world):
    """It is eventually consistent: what has started since is missing, what has ended since still runs."""
    world.aws.execution_list.lag_s = 5
    try:
        assert [execution["name"] for execution in listed(world)["executions"]] == ["first", "second"]
        world.pass_time(10)
        assert [
            execution["status"] for execution in listed(world, statusFilter="RUNNING")["executions"]
        ] == []
    finally:
        world.aws.execution_list.lag_s = 0


def test_the_last_event_of_a_stopped_execution_has_its_error_and_cause(world):
    """https://docs.aws.amazon.com/step-functions/latest/apireference/API_ExecutionAbortedEventDetails.html"""
    document = {"instanceId": next(iter(world.instances)), "policy": {"settleTime": 60}}
    arn = world.start("stopped-in-settle", document)
    world.pass_time(20)
    client = boto3.client("stepfunctions", region_name="eu-west-1")
    client.stop_execution(executionArn=arn, error="Stopped", cause="the wrong node")
    world.pass_time(5)
    last = world.history(arn)[-1]
    assert last["type"] == "ExecutionAborted"
    assert last["executionAbortedEventDetails"] == {"error": "Stopped", "cause": "the wrong node"}
