"""What a storm of new containers asks for is in the stack's cache; a cache that fails is an empty one."""

import boto3
import pytest
from stepdrain.adapters import connections, instances
from stepdrain.steps import start_drain

from stepdrain_sandbox.aws.account import REGION, AwsFault, client_error
from stepdrain_sandbox.aws.load import Load
from stepdrain_sandbox.aws.quotas import Quotas
from stepdrain_sandbox.judgement import broken
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import CLUSTER, GROUP, World

NODES = 4


@pytest.fixture
def world():
    """A small cluster."""
    with World(nodes=NODES, workload=cluster_workload) as world:
        yield world


def asked(world, operation):
    """Functions that called an operation, in order."""
    return [function for function, _, called in world.aws.calls if called == operation]


def table(world):
    dynamodb = boto3.resource("dynamodb", region_name=REGION)
    return dynamodb.Table(
        next(name for name in dynamodb.meta.client.list_tables()["TableNames"] if "Cache" in name)
    )


def drained(world, instance):
    world.terminate(instance)
    world.settle()
    assert {execution["status"] for execution in world.executions()} == {"SUCCEEDED"}
    assert broken(world) == []


def test_a_drain_asks_eks_once_however_many_containers_it_finds_new(world):
    """A thousand drains are eight thousand new containers, and EKS grants some hundred calls at once."""
    drained(world, next(iter(world.instances)))
    assert asked(world, "DescribeCluster") == ["StartDrainFunction"]


def test_containers_that_come_together_are_answered_by_the_first(world):
    """All find the cache empty; who is throttled looks again before asking again."""
    quotas = Quotas(world.clock)
    quotas.concurrent = 1000
    world.aws.put_under(Load(world.clock, quotas))
    bucket = quotas._buckets["DescribeAutoScalingGroups"]
    bucket._tokens, bucket._burst, bucket._refill = 1, 1, 0.001
    for instance in list(world.instances)[:3]:
        world.terminate(instance)
    world.pass_time(10)
    assert len(world.executions()) == 3
    assert asked(world, "DescribeAutoScalingGroups").count("StartDrainFunction") == 3
    bucket._tokens = bucket._burst = bucket._refill = 100
    world.settle()


@pytest.mark.parametrize("operation", ["GetItem", "PutItem"])
@pytest.mark.parametrize(
    "code", ["ThrottlingException", "ResourceNotFoundException", "AccessDeniedException"]
)
def test_a_cache_that_fails_is_an_empty_cache(world, operation, code):
    """It saves requests; no drain depends on it."""
    world.aws.aws_faults.append(AwsFault(operation, client_error(operation, code, "no"), times=-1))
    drained(world, next(iter(world.instances)))
    states = {"FindNodeFunction", "LabelFunction", "CordonFunction", "EvictBatchFunction"}
    assert states <= set(asked(world, "DescribeCluster"))


def test_without_the_cache_a_late_event_and_a_sweep_both_start(world):
    """A claim that nobody can make stops nobody: an instance drained twice is better than one not drained."""
    events = []
    world.aws.hooks.send = events.append
    world.aws.aws_faults.append(AwsFault("PutItem", client_error("PutItem", "ThrottlingException", "no"), -1))
    swept, late, *_ = world.instances
    world.terminate(swept)
    world.pass_time(200)
    world.terminate(late)
    world.pass_time(50)
    world.aws.delivery.send(events[1])
    world.pass_time(60)
    drains = {execution["name"] for execution in world.executions()}
    assert f"{swept}-sweep" in drains
    assert {name[:19] for name in drains} == {swept, late}


def test_an_endpoint_that_eks_does_not_give_now_is_asked_for_by_the_states(world):
    """StartDrain does not wait for it: the drain begins at once."""
    fault = AwsFault("DescribeCluster", client_error("DescribeCluster", "ThrottlingException", "no"), times=1)
    world.aws.aws_faults.append(fault)
    drained(world, next(iter(world.instances)))
    assert asked(world, "DescribeCluster")[:2] == ["StartDrainFunction", "FindNodeFunction"]


def test_what_has_expired_is_not_used_although_dynamodb_has_it_still(world):
    """It deletes expired items within days
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html)."""
    first, second, *_ = world.instances
    drained(world, first)
    world.pass_time(connections.ENDPOINT_KEPT_S + 60)
    assert table(world).get_item(Key={"cacheKey": f"cluster/{CLUSTER}"})["Item"]
    drained(world, second)
    assert asked(world, "DescribeCluster").count("StartDrainFunction") == 2


def test_a_changed_tag_counts_ten_seconds_later(world):
    """So long the group's tags are in the cache, and no longer."""
    world.terminate(next(iter(world.instances)))
    world.pass_time(start_drain.GROUP_KEPT_S)
    world.terminate(list(world.instances)[1])
    world.settle()
    assert asked(world, "DescribeAutoScalingGroups").count("StartDrainFunction") == 2


def test_no_token_is_in_the_cache(world):
    """G9: the endpoint and the CA are public, and nothing else is shared."""
    drained(world, next(iter(world.instances)))
    items = {item["cacheKey"]: item["content"] for item in table(world).scan()["Items"]}
    assert {key.split("/")[0] for key in items} == {"begun", "drain", "cluster", "group", "hook"}
    assert not any("k8s-aws-v1" in content for content in items.values())


def test_the_sweep_reads_the_addresses_of_a_large_group_in_advance(world, monkeypatch):
    """A scale-in of hundreds would find EC2's quota of 20 requests a second used up."""
    monkeypatch.setattr(instances, "FEWEST", NODES)
    world.pass_time(330)
    before = len(asked(world, "DescribeInstances"))
    drained(world, next(iter(world.instances)))
    assert asked(world, "DescribeInstances")[before:] == []
    world.pass_time(700)
    assert asked(world, "DescribeInstances")[before:] == []


def test_targets_are_looked_at_where_auto_scaling_throttles(world, monkeypatch):
    """Each look that is throttled lists the node's pods again, for hundreds of drains at once."""
    monkeypatch.setattr(instances, "FEWEST", NODES)
    world.pass_time(330)
    error = client_error("DescribeAutoScalingGroups", "Throttling", "Rate exceeded")
    world.terminate(next(iter(world.instances)))
    world.pass_time(1)
    world.aws.schedules.stop()
    world.aws.aws_faults.append(AwsFault("DescribeAutoScalingGroups", error, times=-1))
    world.settle()
    assert {execution["status"] for execution in world.executions()} == {"SUCCEEDED"}
    assert asked(world, "DescribeAutoScalingGroups").count("WaitForTargetsFunction") == 1


def test_an_instance_that_the_sweep_has_not_seen_is_asked_for(world, monkeypatch):
    """A cache that lags must not hide a node."""
    monkeypatch.setattr(instances, "FEWEST", NODES)
    world.pass_time(330)
    new = world.scale_out()
    world.pass_time(90)
    drained(world, new)
    assert asked(world, "DescribeInstances")[-1] == "FindNodeFunction"


def test_a_small_group_is_not_kept(world):
    """For it EC2's quota does, and a sweep shall cost nothing."""
    world.pass_time(330)
    assert not [
        item for item in table(world).scan()["Items"] if item["cacheKey"].startswith(f"instances/{GROUP}")
    ]


def test_a_fresh_event_asks_for_no_execution_of_the_sweep(world):
    """No sweep can have seen its wait; a late one is looked for (tests/world/test_sweep.py)."""
    drained(world, next(iter(world.instances)))
    assert "StartDrainFunction" not in asked(world, "DescribeExecution")
