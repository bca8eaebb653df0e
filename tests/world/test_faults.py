"""A bad night, case by case: each fault in each place ends as fault_table.py says, with all guarantees kept.

G5 A failed drain stops at the state that failed, with an error that names the pod, the budget
and the reason. Whatever fails here is repaired and redriven, and the instance is let go in the end.
"""

import itertools
import json
from pathlib import Path

import boto3
import pytest
from stepdrain.adapters.kube import calls
from stepdrain.document.progress import HOLD_INSTANCE

from stepdrain_sandbox.aws.account import AwsFault, LambdaFault
from stepdrain_sandbox.judgement import broken
from stepdrain_sandbox.workload import cluster_workload, lone_pod
from stepdrain_sandbox.world import World
from tests.shards import sampled
from tests.world import fault_table, trouble
from tests.world.trouble import Trouble

ROOT = Path(__file__).resolve().parents[2]
STATES = json.loads((ROOT / "statemachine" / "drain_node.asl.json").read_text())["States"]
TASKS = [name for name, state in STATES.items() if state["Type"] == "Task" and name != HOLD_INSTANCE]
"""Each with a function of its own; HoldInstance calls Heartbeat's."""
KUBERNETES = [cell for cell in fault_table.cells(fault_table.KUBERNETES) if cell[2] != "–"]
NODE = [cell for cell in fault_table.cells(fault_table.NODE) if cell[2] != "–"]
AWS = [(*row.split(), fault, end) for row, fault, end in fault_table.cells(fault_table.AWS)]
BEFORE, AFTER = "before its work", "after its work"
DEATHS = list(itertools.product(fault_table.LAMBDA, ["StartDrain", *TASKS], [BEFORE, AFTER]))
SILENCES = list(itertools.product(TASKS, [BEFORE, AFTER]))
NEVER_S = 10 * 86_400
DELIVERED_AFTER_S = 300
"""Lambda tries an event again after one and two minutes, and then gives it to the dead-letter queue."""


def kubernetes_trouble(world, fault, place, monkeypatch):
    state, verb, path = fault_table.PLACES[place]
    match fault:
        case "TLS failure":
            return Trouble(world, state).by_tls()
        case "gone for ten minutes":
            return Trouble(world, state).by_outage()
        case "slow answer":
            # Shorter than 8 s, so that the test need not wait; nothing but the numbers changes.
            monkeypatch.setattr(calls, "TIMEOUT_S", trouble.PATIENCE_S)
            monkeypatch.setattr(calls, "WRITE_TIMEOUT_S", trouble.PATIENCE_S)
            monkeypatch.setattr(calls, "SHORTEST_S", 0)
    return Trouble(world, state).by_fault(trouble.kubernetes_fault(fault), verb, path)


@pytest.mark.parametrize(("fault", "place", "end"), sampled(KUBERNETES, 0, 1, every=8))
def test_a_fault_of_the_cluster_ends_as_the_table_says(world, monkeypatch, fault, place, end):
    """G5 A failed drain stops at the state that failed; all others go on by themselves."""
    hit = kubernetes_trouble(world, fault, place, monkeypatch)
    instance = trouble.begin(world)
    world.settle()
    assert hit.hits > 0
    if end != "·":
        trouble.assert_stopped(world, instance, fault_table.PLACES[place][0], end)
        hit.repair()
        world.redrive(world.executions()[0]["executionArn"])
        world.settle()
    trouble.assert_over(world, instance)


@pytest.mark.parametrize(("happens", "state", "end"), sampled(NODE, 0, 1, every=3))
def test_whatever_happens_to_the_node_the_drain_ends_as_the_table_says(world, happens, state, end):
    """G1 Label, then cordon, then evict, and both are seen to hold in every round."""
    instance = max(world.instances, key=lambda instance: len(world.pods_on(world.instances[instance])))
    hit = Trouble(world, state).by_node(trouble.of_the_node(happens, instance, world.instances[instance]))
    assert trouble.begin(world, blocked=True) == instance
    world.settle()
    assert hit.hits == 1
    assert end == "·"
    trouble.assert_over(world, instance)


@pytest.mark.parametrize(("function", "operation", "fault", "end"), sampled(AWS, 0, 1, 2, every=5))
def test_a_fault_of_aws_ends_as_the_table_says(function, operation, fault, end):
    """G5 A failed drain stops at the state that failed; G6 No lifecycle event is lost."""
    parameters = {"EvictUnmanaged": "false"} if function == "Notify" else {}
    with World(workload=cluster_workload, parameters=parameters) as world:
        world.aws.schedules.stop()  # The sweep would start what the event could not; this is about the event.
        error, times = trouble.aws_error(fault, operation)
        hit = Trouble(world, function).by_aws(operation, error, times)
        if function == "Notify":
            assert_told(world, end)
        elif end.startswith("letter:"):
            assert_kept(world, hit, end)
        else:
            assert_drained(world, hit, function, fault, end)
        assert hit.hits > 0


def assert_drained(world, hit, function, fault, end):
    instance = trouble.begin(world, blocked=function == "Heartbeat")
    world.settle()
    if end != "·":
        trouble.assert_stopped(world, instance, function, end)
        hit.repair()
        world.redrive(world.executions()[0]["executionArn"])
        world.settle()
    if (function, fault) == ("CompleteAction", "no active action"):
        # Auto Scaling says that somebody was faster: that is success, and here it was not even true.
        output = json.loads(world.executions()[0]["output"])
        assert output["completed"]["result"] == "ALREADY_COMPLETED"
        assert broken(world) == []
        return
    trouble.assert_over(world, instance)


def assert_kept(world, hit, end):
    """G6 No lifecycle event is lost: it lies in the queue, and sent again it starts the drain."""
    instance = trouble.begin(world)
    world.pass_time(DELIVERED_AFTER_S)
    assert world.executions() == []
    (letter,) = letters(world)
    assert letter["responsePayload"]["errorType"] == end.removeprefix("letter:")
    assert broken(world) == []
    hit.repair()
    world.aws.delivery.send(letter["requestPayload"])
    world.settle()
    trouble.assert_over(world, instance)


def assert_told(world, end):
    """A drain that failed: somebody is notified, or the event about it is kept."""
    instance = max(world.instances, key=lambda instance: len(world.pods_on(world.instances[instance])))
    world.kube.cluster.create(lone_pod("lone", world.instances[instance]))
    world.terminate(instance)
    world.settle()
    world.pass_time(DELIVERED_AFTER_S)
    trouble.assert_stopped(world, instance, "EvictBatch", "DrainRefused")
    if end == "·":
        (message,) = world.aws.messages()
        assert "DrainRefused" in message["Message"]
    else:
        (letter,) = letters(world)
        assert letter["responsePayload"]["errorType"] == end.removeprefix("letter:")


def letters(world):
    sqs = boto3.client("sqs", region_name="eu-west-1")
    found = sqs.receive_message(QueueUrl=world.aws.deployment.queues["DeadLetters"], VisibilityTimeout=0)
    return [json.loads(message["Body"]) for message in found.get("Messages", ())]


@pytest.mark.parametrize(("fault", "state", "when"), sampled(DEATHS, 0, 1, 2, every=7))
def test_a_function_that_dies_is_called_again(world, state, fault, when):
    """G7 Every step is idempotent by itself, too: a crash after the work repeats the work."""
    died = LambdaFault(f"{state}Function", fault_table.LAMBDA[fault], times=2, after=when == AFTER)
    world.aws.lambda_faults.append(died)
    instance = trouble.begin(world, blocked=state == "Heartbeat")
    world.settle()
    if state == "StartDrain":
        world.pass_time(DELIVERED_AFTER_S)
    assert died.times == 0
    (execution,) = world.executions()
    assert execution["status"] == "SUCCEEDED"
    assert broken(world) == []
    assert trouble.results(world, instance) == ["CONTINUE"]


@pytest.mark.parametrize(("state", "when"), sampled(SILENCES, 0, 1, every=2))
def test_a_function_that_never_answers_is_called_again(world, state, when):
    """TimeoutSeconds of each Task: no state waits for ever for an answer that was lost (G8)."""
    died = LambdaFault(f"{state}Function", "Sandbox.Timedout", after=when == AFTER, hangs_s=NEVER_S)
    world.aws.lambda_faults.append(died)
    instance = trouble.begin(world, blocked=state == "Heartbeat")
    world.settle()
    assert died.times == 0
    (execution,) = world.executions()
    assert execution["status"] == "SUCCEEDED"
    timed_out = [
        event for event in world.history(execution["executionArn"]) if event["type"] == "TaskTimedOut"
    ]
    assert len(timed_out) == 1
    assert broken(world) == []
    assert trouble.results(world, instance) == ["CONTINUE"]


def test_a_fault_of_one_function_hits_no_other(world):
    """FindNode begins while StartDrain has work left: it must not meet what the table says of StartDrain."""
    error, times = trouble.aws_error("no active action", "DescribeCluster")
    world.aws.aws_faults.append(AwsFault("DescribeCluster", error, times, "StartDrainFunction"))
    instance = trouble.begin(world)
    world.settle()
    asked = {function for function, _, operation in world.aws.calls if operation == "DescribeCluster"}
    assert {"StartDrainFunction", "FindNodeFunction"} <= asked
    trouble.assert_over(world, instance)


def test_the_tables_have_a_place_for_each_state():
    """A new state is a new column, or the claim that it does not talk to Kubernetes."""
    placed = {state for state, _, _ in fault_table.PLACES.values()}
    assert placed | fault_table.WITHOUT_KUBERNETES == set(TASKS)
    assert {place for _, place, _ in fault_table.cells(fault_table.KUBERNETES)} == set(fault_table.PLACES)


def test_the_tables_have_a_row_for_each_call_of_aws(world):
    """What the functions call in a drain that waits for a budget, and in one that fails, is in the table."""
    instance = trouble.begin(world, blocked=True)
    world.settle()
    world.aws.lambda_faults.append(LambdaFault("FindNodeFunction", "MemoryError"))
    world.terminate(next(other for other in world.instances if other != instance))
    world.settle()
    called = {operation for function, _, operation in world.aws.calls if function != "SweepFunction"}
    assert called == {operation for _, operation, _, _ in AWS}


def test_the_states_said_to_be_without_kubernetes_are(world):
    """Else the table would miss their column."""
    seen = {}

    def around(function):
        before = len(world.kube.audit_log)
        return _after(lambda: seen.setdefault(function, []).extend(world.kube.audit_log[before:]))

    world.aws.around = around
    trouble.begin(world, blocked=True)
    world.settle()
    silent = {function.removesuffix("Function") for function, asked in seen.items() if not asked}
    assert silent & set(TASKS) == fault_table.WITHOUT_KUBERNETES


class _after:
    def __init__(self, action):
        self.action = action

    def __enter__(self):
        pass

    def __exit__(self, *_):
        self.action()


def test_functions_that_were_idle_for_weeks_drain_all_the_same(world):
    """In a VPC they are Inactive then: each one's first invocation fails, and others until it is back."""
    functions = [f"{name}Function" for name in ("FindNode", "Label", "Cordon", "EvictBatch", "WaitForPods")]
    world.aws.let_idle(*functions)
    instance = trouble.begin(world)
    world.settle()
    assert world.aws.inactive == {}
    trouble.assert_over(world, instance)
