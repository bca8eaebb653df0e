"""A bad night for what is no drain of a terminate hook: notices, starts by hand, turns, and arrivals.

As test_faults.py, for the calls of AWS that an ordinary drain does not make (fault_table.AWS_BESIDES).
"""

import copy
import json
from pathlib import Path

import pytest

from stepdrain_sandbox.judgement import broken
from stepdrain_sandbox.kube.store import rfc3339
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import World
from tests.shards import sampled
from tests.world import fault_table, trouble
from tests.world.test_faults import DELIVERED_AFTER_S, letters
from tests.world.trouble import Trouble

EVENTS = Path(__file__).parent.parent / "events"
CELLS = [(*row.split(), fault, end) for row, fault, end in fault_table.cells(fault_table.AWS_BESIDES)]
BY_HAND = "by-hand"


@pytest.mark.parametrize(("kind", "function", "operation", "fault", "end"), sampled(CELLS, 0, 2, 3, every=5))
def test_a_fault_of_aws_ends_as_the_table_says(kind, function, operation, fault, end):
    """G5 A failed drain stops at the state that failed; G6 No event is lost."""
    parameters = {"MaxConcurrentDrains": "1"} if kind == "turns" else {}
    with World(workload=cluster_workload, parameters=parameters) as world:
        world.aws.schedules.stop()  # The sweep would start what the event could not; this is about the event.
        if operation == "DescribeExecution":
            trouble.begin(world, blocked=True)  # Only a drain that runs already is described.
            world.pass_time(1)
        error, times = trouble.aws_error(fault, operation)
        hit = Trouble(world, function).by_aws(operation, error, times)
        machine, instance = KINDS[kind](world)
        if end.startswith("letter:"):
            assert_kept(world, hit, end)
        world.settle(machine=machine)
        if end != "·" and not end.startswith("letter:"):
            assert_stopped(world, machine, instance, function, end)
            hit.repair()
            world.redrive(world.executions(machine)[0]["executionArn"])
            world.settle(machine=machine)
        assert hit.hits > 0
        assert {execution["status"] for execution in world.executions(machine)} == {"SUCCEEDED"}
        assert len(world.executions(machine)) == 1
        assert broken(world) == []


def notice(world):
    """AWS Health announces the end of an instance: no hook holds it."""
    event = copy.deepcopy(json.loads((EVENTS / "health-event.json").read_text()))
    instance = most_pods(world)
    event["detail"]["affectedEntities"] = [{"entityValue": instance}]
    world.aws.delivery.send({**event, "time": rfc3339(world.clock.now())})
    return "DrainNode", instance


def by_hand(world):
    """A person starts the drain of an instance that waits, its event being lost."""
    invoke, world.aws.delivery.invoke = world.aws.delivery.invoke, lambda *_: None
    instance = trouble.begin(world)
    world.pass_time(5)
    world.aws.delivery.invoke = invoke
    world.start(BY_HAND, {"instanceId": instance})
    return "DrainNode", instance


def launch(world):
    """Auto Scaling launches an instance behind a hook."""
    world.add_launch_hook()
    return "AdmitNode", world.scale_out()


def turns(world):
    """A drain under a limit."""
    return "DrainNode", trouble.begin(world)


KINDS = {"notice": notice, BY_HAND: by_hand, "launch": launch, "turns": turns}


def most_pods(world):
    return max(world.instances, key=lambda instance: len(world.pods_on(world.instances[instance])))


def assert_kept(world, hit, end):
    """G6: it lies in the queue, and sent again it starts what it should have."""
    world.pass_time(DELIVERED_AFTER_S)
    (letter,) = letters(world)
    assert letter["responsePayload"]["errorType"] == end.removeprefix("letter:")
    hit.repair()
    world.aws.delivery.send(letter["requestPayload"])
    world.pass_time(1)


def assert_stopped(world, machine, instance, state, error):
    """G5: failed in ``state`` with ``error``, and the instance held."""
    (execution,) = world.executions(machine)
    assert (execution["status"], execution["error"]) == ("FAILED", error), execution.get("cause")
    entered = [e for e in world.history(execution["executionArn"]) if "stateEnteredEventDetails" in e]
    assert entered[-1]["stateEnteredEventDetails"]["name"] == state
    assert world.lifecycle_state(instance) in {"Terminating:Wait", "Pending:Wait"}
    assert broken(world) == []
