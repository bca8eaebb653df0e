"""Storms: no pod is evicted while nodes that go next are not cordoned, and so none is evicted twice."""

import json

import pytest

from stepdrain_recorded import audit
from stepdrain_sandbox.aws.account import AwsFault, client_error
from stepdrain_sandbox.aws.load import Load
from stepdrain_sandbox.aws.quotas import Quotas
from stepdrain_sandbox.judgement import broken
from stepdrain_sandbox.workload import replica_set
from stepdrain_sandbox.world import World

NODES, GOING = 6, 4


def workload(nodes):
    """Two pods a node that may start anywhere."""
    yield replica_set("default", "web", {"app": "web"}, 2 * len(nodes), 5)


@pytest.fixture
def world():
    """Four of six nodes can go; Sweep does not interfere."""
    with World(nodes=NODES, workload=workload) as world:
        world.aws.schedules.stop()
        yield world


def going(world):
    return list(world.instances)[:GOING]


def by_kind(world, kind):
    return [change for change in audit.changes(world.kube.audit_log) if change.kind == kind]


def waited(world):
    """How often EvictBatch has waited for other cordons, by instance."""
    failures = {}
    for execution in world.executions():
        errors = [
            event["taskFailedEventDetails"]["error"]
            for event in world.history(execution["executionArn"])
            if event["type"] == "TaskFailed"
        ]
        assert set(errors) <= {"CordonsPending"}
        failures[json.loads(execution["input"])["instanceId"]] = len(errors)
    return failures


def drained(world):
    world.settle()
    assert {execution["status"] for execution in world.executions()} == {"SUCCEEDED"}
    assert broken(world) == []


def test_pods_are_evicted_when_all_that_go_are_cordoned(world):
    """Where everything takes its time, the first would move its pods to those that go seconds later."""
    on_them = sum(len(world.pods_on(world.instances[instance])) for instance in going(world))
    world.aws.put_under(Load(world.clock, Quotas(world.clock)))
    for instance in going(world):
        world.terminate(instance)
        world.pass_time(2)
    drained(world)
    cordons, evictions = by_kind(world, "cordon"), by_kind(world, "evict")
    assert len(cordons) == GOING
    assert max(change.at for change in cordons) < min(change.at for change in evictions)
    assert len(evictions) == on_them
    assert waited(world)[going(world)[0]] > 0


def test_a_drain_alone_evicts_at_once(world):
    """It reads the note once, and waits for nothing."""
    world.terminate(going(world)[0])
    drained(world)
    assert waited(world) == {going(world)[0]: 0}
    reads = [function for function, _, operation in world.aws.calls if operation == "GetItem"]
    assert reads.count("EvictBatchFunction") <= 2


@pytest.mark.parametrize("operation", ["GetItem", "PutItem"])
def test_without_a_cache_each_drain_evicts_at_once(world, operation):
    """As before there was a note; and no start waits for the cache."""
    fault = client_error(operation, "ThrottlingException", "no")
    world.aws.aws_faults.append(AwsFault(operation, fault, times=-1))
    for instance in going(world)[:2]:
        world.terminate(instance)
    world.pass_time(2)
    assert len(world.aws.delivery.answers) == 2
    drained(world)
    assert set(waited(world).values()) == {0}
