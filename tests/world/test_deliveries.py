"""Events as EventBridge may deliver them: in any order, more than once, a day late, of another region."""

import copy
import json
from collections import Counter
from itertools import permutations
from pathlib import Path

import pytest

from stepdrain_recorded import audit
from stepdrain_sandbox.aws.account import LambdaFault
from stepdrain_sandbox.aws.load import TOO_MANY
from stepdrain_sandbox.kube.store import rfc3339
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import World
from tests.shards import sampled

EVENTS = Path(__file__).parent.parent / "events"
KINDS = ["lifecycle", "spot-interruption", "health-event"]
DAY_S = 86_400


@pytest.fixture
def world():
    """An instance whose events are kept back."""
    with World(workload=cluster_workload) as world:
        world.aws.schedules.stop()
        yield world


def events_of(world, instance):
    """An instance that is terminated, with the three kinds of events that say so, by kind."""
    held = []
    send, world.aws.hooks.send = world.aws.hooks.send, held.append
    world.terminate(instance)
    world.aws.hooks.send = send
    spot, health = (json.loads((EVENTS / f"{kind}.json").read_text()) for kind in KINDS[1:])
    spot["detail"]["instance-id"] = instance
    health["detail"]["affectedEntities"] = [{"entityValue": instance}]
    now = rfc3339(world.clock.now())
    return dict(
        zip(
            KINDS,
            [held[0], *({**copy.deepcopy(event), "time": now} for event in (spot, health))],
            strict=True,
        )
    )


@pytest.mark.parametrize("order", sampled([(order,) for order in permutations(KINDS)], 0, every=3))
def test_events_of_one_end_in_any_order_and_thrice_have_one_drains_effects(world, order):
    """G7: each kind starts one drain at most; one node is drained, and its action is completed once."""
    instance, node = next(iter(world.instances.items()))
    events = events_of(world, instance)
    for kind in [*order, *order, *reversed(order)]:
        world.aws.delivery.send(events[kind])
        world.pass_time(1)
    world.settle()
    world.pass_time(400)
    drains = world.executions()
    assert {drain["status"] for drain in drains} == {"SUCCEEDED"}
    reasons = Counter(json.loads(drain["input"])["reason"] for drain in drains)
    assert set(reasons.values()) == {1}
    assert [what for _, what, _ in world.aws.hooks.log] == ["CONTINUE"]
    written = [change for change in audit.changes(world.kube.audit_log) if change.status < 300]
    assert {change.object for change in written if change.kind == "evict"} <= world.witness.homes[node]
    assert {change.object for change in written if change.kind in ("label", "cordon")} == {node}
    assert world.dead_letters() == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_that_comes_a_day_late_does_no_harm(world, kind):
    """Its instance is gone: there is nothing left to drain, and nobody is called for it."""
    instance, _ = next(iter(world.instances.items()))
    events = events_of(world, instance)
    world.aws.delivery.send(events["lifecycle"])
    world.settle()
    assert world.lifecycle_state(instance) == ""
    before = len(audit.changes(world.kube.audit_log))
    world.pass_time(DAY_S)
    for _ in range(3):
        world.aws.delivery.send(events[kind])
        world.pass_time(400)
    assert len(world.executions()) == 1
    assert len(audit.changes(world.kube.audit_log)) == before
    assert (world.dead_letters(), world.aws.messages()) == ([], [])


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_of_another_region_starts_nothing(world, kind):
    """A bus can get events of other regions and accounts."""
    events = events_of(world, next(iter(world.instances)))
    world.aws.delivery.send({**events[kind], "region": "us-east-1"})
    world.pass_time(400)
    assert (world.executions(), world.dead_letters()) == ([], [])


def test_an_event_that_is_throttled_for_too_long_is_kept(world):
    """G6: no sweep comes here, and Lambda gives the event up at the age that the template says."""
    fault = LambdaFault("StartDrainFunction", TOO_MANY, times=10**6)
    world.aws.lambda_faults.append(fault)
    instance = next(iter(world.instances))
    world.terminate(instance)
    world.pass_time(895)
    assert world.dead_letters() == []
    world.pass_time(305)
    fault.times = 0
    world.pass_time(1800)
    (letter,) = world.dead_letters()
    assert letter["detail"]["EC2InstanceId"] == instance
    assert world.executions() == []


def test_an_instance_whose_event_is_throttled_for_too_long_is_swept():
    """G6 again, with the sweep: it needs no StartDrain."""
    with World(workload=cluster_workload) as world:
        world.aws.lambda_faults.append(LambdaFault("StartDrainFunction", TOO_MANY, times=10**6))
        instance = next(iter(world.instances))
        world.terminate(instance)
        world.settle()
        world.pass_time(1200)
        (drain,) = world.executions()
        assert (drain["name"], drain["status"]) == (f"{instance}-sweep", "SUCCEEDED")
        assert [letter["detail"]["EC2InstanceId"] for letter in world.dead_letters()] == [instance]
