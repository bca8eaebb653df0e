"""Notices by the dozen: gathered by a queue, asked about together, each started once and none lost."""

import copy
import json
from itertools import product
from pathlib import Path

import pytest
from stepdrain import clock as drain_clock
from stepdrain.adapters import connections
from stepdrain.adapters.aws import Aws

from stepdrain_sandbox.aws.account import AwsFault, client_error
from stepdrain_sandbox.kube.store import rfc3339
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import World
from tests.shards import sampled

EVENTS = Path(__file__).parent.parent / "events"
NODES = 8
CALLS = ["DescribeInstances", "DescribeAutoScalingGroups", "ListExecutions", "StartExecution"]
"""What StartDrain asks for a notice."""


@pytest.fixture
def world():
    """A group of Spot instances."""
    with World(nodes=NODES, workload=lambda nodes: cluster_workload(nodes, replicas=1)) as world:
        world.aws.schedules.stop()
        yield world
        world.aws.aws_faults.clear()
        give_way = {"spec": {"maxUnavailable": NODES}}
        world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", give_way)
        if any(execution["status"] == "RUNNING" for execution in world.executions()):
            world.settle()


def spot(world, instance):
    """The warning that EC2 sends for an instance now."""
    event = copy.deepcopy(json.loads((EVENTS / "spot-interruption.json").read_text()))
    event["detail"]["instance-id"] = instance
    return {**event, "time": rfc3339(world.clock.now())}


def storm(world):
    for instance in world.instances:
        world.aws.delivery.send(spot(world, instance))


def asked(world, function, operation):
    return sum(call[0] == function and call[2] == operation for call in world.aws.calls)


def started(world):
    """For how many instances there is a drain; AssertionError if one has two."""
    instances = [execution["name"].rsplit("-spot-", 1)[0] for execution in world.executions()]
    assert len(instances) == len(set(instances))
    return len(instances)


def test_a_storm_asks_ec2_and_step_functions_once_a_batch(world):
    """A notice each was a request each: ListExecutions grants two a second in most regions."""
    storm(world)
    world.pass_time(3)
    assert started(world) == NODES
    batches = sum("StartDrain" in name for name, _ in world.aws.delivery.answers) / NODES
    assert batches == 1
    invoked = len({id(p) for p in world.aws.delivery.polled.values()}) * 5
    for operation in ("DescribeInstances", "DescribeAutoScalingGroups", "ListExecutions"):
        assert asked(world, "StartDrainFunction", operation) <= invoked
    assert asked(world, "StartDrainFunction", "DescribeExecution") == 0


def batch(world):
    """What StartDrain gets of the queue: a warning for each instance, the first of them a wrong one."""
    polled = next(iter(world.aws.delivery.polled.values()))
    events = [spot(world, instance) for instance in world.instances]
    events[0]["detail"]["instance-action"] = "dance"
    return {"Records": [polled_record(polled, event) for event in events]}


@pytest.mark.parametrize(
    ("each_s", "noted"), [(0.0, [1, 7]), (0.5, [1, 3, 5, 7])], ids=["at once", "in time"]
)
def test_of_the_drains_of_a_batch_the_first_the_last_and_one_a_second_are_noted(
    world, monkeypatch, each_s, noted
):
    """A note for each was a hundred writes of one item in a batch; the first drain waits for the last."""
    kept, keep = [], connections.keep
    monkeypatch.setattr(connections, "keep", lambda key, *more: kept.append((key, *more)) or keep(key, *more))
    start, seconds = Aws.start_execution, [world.clock.now()]

    def started_later(*asked):
        seconds[0] += each_s
        return start(*asked)

    monkeypatch.setattr(Aws, "start_execution", started_later)
    monkeypatch.setattr(drain_clock, "now", lambda: seconds[0])
    world.aws.invoke("stepdrain-StartDrainFunction", batch(world))
    drains = [value["drain"].split("-spot-")[0] for key, value, _ in kept if key == "begun/demo"]
    assert drains == [list(world.instances)[number] for number in noted]


def test_a_notice_hands_name_and_address_on_to_find_node(world):
    """Which need not ask EC2 for what StartDrain has just read."""
    instance, node = next(iter(world.instances.items()))
    world.aws.delivery.send(spot(world, instance))
    world.settle()
    (drain,) = world.executions()
    document = json.loads(drain["input"])
    assert document["privateDnsName"] == node
    assert document["privateIpAddress"].startswith("10.")
    assert asked(world, "FindNodeFunction", "DescribeInstances") == 0


def test_a_notice_that_is_wrong_fails_alone(world):
    """It comes again, and then it is kept; the others of its batch are drained at once."""
    first, second, *_ = world.instances
    wrong = spot(world, first)
    wrong["detail"]["instance-action"] = "dance"
    good = spot(world, second)
    # One poller, so that both are in one batch.
    polled = next(iter(world.aws.delivery.polled.values()))
    polled.waiting.clear()
    world.aws.invoke(
        "stepdrain-StartDrainFunction",
        {"Records": [polled_record(polled, event) for event in (wrong, good)]},
    )
    assert started(world) == 1
    world.aws.delivery.send(wrong)
    world.pass_time(200)
    assert world.dead_letters() == [wrong]
    assert started(world) == 1


def polled_record(polled, event):
    return {"messageId": event["detail"]["instance-id"], "body": json.dumps(event), "eventSource": "aws:sqs"}


@pytest.mark.parametrize("operation", ["ListExecutions", "DescribeExecution"])
def test_a_look_that_is_throttled_covers_nothing(world, operation):
    """A second drain does no harm; a notice that waits for a list does."""
    instance, *_ = world.instances
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})
    world.start(f"{instance}-by-hand", {"instanceId": instance, "policy": {"drainTimeout": 60}})
    error = client_error(operation, "ThrottlingException", "Rate exceeded")
    world.aws.aws_faults.append(AwsFault(operation, error, times=-1))
    began = world.clock.now()
    world.aws.delivery.send(spot(world, instance))
    world.pass_time(2)
    (drain,) = [execution for execution in world.executions() if "-spot-" in execution["name"]]
    assert drain["startDate"].timestamp() - began < 2


@pytest.mark.parametrize(("operation", "seconds"), sampled(list(product(CALLS, [10, 30])), 0, 1, every=2))
def test_a_storm_under_throttling_is_drained_when_it_is_over(world, operation, seconds):
    """For ten seconds StartDrain asks again by itself, for thirty the queue delivers again: never minutes."""
    error = client_error(operation, "Throttling", "Rate exceeded")
    fault = AwsFault(operation, error, times=-1)
    world.aws.aws_faults.append(fault)
    world.clock.call_at(world.clock.now() + seconds, lambda: world.aws.aws_faults.remove(fault))
    storm(world)
    world.pass_time(20 if seconds == 10 else 60)
    assert started(world) == NODES
    assert world.dead_letters() == []


def test_ten_minutes_of_throttling_keep_the_notices(world):
    """Too late for the instances, and not in silence."""
    error = client_error("StartExecution", "Throttling", "Rate exceeded")
    world.aws.aws_faults.append(AwsFault("StartExecution", error, times=-1))
    instance, *_ = world.instances
    notice = spot(world, instance)
    world.aws.delivery.send(notice)
    world.pass_time(600)
    assert world.dead_letters() == [notice]


def test_the_same_notice_thrice_and_late_is_one_drain(world):
    """A queue delivers at least once, and EventBridge too."""
    instance, *_ = world.instances
    notice = spot(world, instance)
    for _ in range(3):
        world.aws.delivery.send({**notice, "id": str(len(world.aws.delivery.answers))})
    world.pass_time(30)
    world.aws.delivery.send(notice)
    world.settle()
    assert started(world) == 1


def test_the_event_of_a_hook_does_not_wait_for_a_batch(world):
    """Rule, StartDrain, execution: an instance that is held has no queue before it."""
    instance, *_ = world.instances
    began = world.clock.now()
    world.terminate(instance)
    world.pass_time(0.5)
    (drain,) = world.executions()
    assert drain["startDate"].timestamp() - began < 0.1
