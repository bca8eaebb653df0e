"""A drain that failed goes on where it failed, whatever the state, and does nothing twice.

G5 A failed drain stops at the state that failed, with an error that names the pod, the budget
and the reason, and a redrive goes on from that state with fresh retries and a fresh deadline.
"""

import json
from collections import Counter
from itertools import product

import boto3
import pytest
from stepdrain.document.progress import HOLD_INSTANCE

from stepdrain_recorded import audit
from stepdrain_sandbox.aws.account import LambdaFault
from stepdrain_sandbox.aws.deploy import ROOT
from stepdrain_sandbox.judgement import broken
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import World
from tests.shards import sampled
from tests.world import fault_table, trouble
from tests.world.trouble import Trouble

STATES = json.loads((ROOT / "statemachine" / "drain_node.asl.json").read_text())["States"]
TASKS = [name for name, state in STATES.items() if state["Type"] == "Task" and name != HOLD_INSTANCE]
"""Each with a function of its own; HoldInstance calls Heartbeat's."""
KUBERNETES = [name for name in TASKS if name not in fault_table.WITHOUT_KUBERNETES]
CALLS = {"Heartbeat": "RecordLifecycleActionHeartbeat", "CompleteAction": "CompleteLifecycleAction"}
CRASH, DEFECT = "Runtime.ExitError", "Runtime.UserCodeSyntaxError"
"""A crash is retried; a function that cannot even be compiled is not."""
IN_ROUNDS = {name for name in TASKS if "Runtime.ExitError" in str(STATES[name].get("Catch", ""))}
"""States whose used-up retries lead to a heartbeat: to the next round, and so to the deadline; from the first
three to HoldInstance, which gives up after ten minutes."""
FIRST = ("FindNode", "Label", "Cordon")


def stopped(world, state):
    """A person has to look: a permission is missing."""
    if state in KUBERNETES:
        return Trouble(world, state).by_fault(trouble.kubernetes_fault("403"), ".*", ".*")
    error, times = trouble.aws_error("denied", CALLS[state])
    return Trouble(world, state).by_aws(CALLS[state], error, times)


class Dying:
    """A function that ends like this until it is repaired; ``after`` its work or instead of it."""

    def __init__(self, world, state, error, *, after=False):
        self.fault = LambdaFault(f"{state}Function", error, times=10_000, after=after)
        world.aws.lambda_faults.append(self.fault)

    def repair(self):
        self.fault.times = 0


CAUSES = {
    "stopped": (stopped, {"KubeForbidden", "AwsDenied"}),
    "retries used up": (lambda world, state: Dying(world, state, CRASH), {CRASH}),
    "crash": (lambda world, state: Dying(world, state, DEFECT), {DEFECT}),
    "crash after its work": (lambda world, state: Dying(world, state, "KeyError", after=True), {"KeyError"}),
}


NEVER_STOPS = {("Label", "stopped"), ("WaitForTargets", "stopped")}
"""A refused label does not keep the cordon from being set, and bindings that may not be read are left out."""
CELLS = [cell for cell in product(TASKS, CAUSES) if cell not in NEVER_STOPS]


@pytest.mark.parametrize(("state", "cause"), sampled(CELLS, 0, 1, every=4))
def test_a_redrive_goes_on_at_the_state_that_failed(state, cause):
    """G5: fail it, fix the cause, redrive, and the drain completes; nothing before it runs again."""
    make, errors = CAUSES[cause]
    late = cause == "retries used up" and state in IN_ROUNDS
    # A heartbeat that is denied stops a drain after five minutes, if the deadline does not.
    timeout = "2400" if (state, cause) == ("Heartbeat", "stopped") else "900"
    with World(workload=cluster_workload, parameters={"DrainTimeout": timeout}) as world:
        harm = make(world, state)
        instance = trouble.begin(world, blocked=state == "Heartbeat")
        world.settle()
        (failed,) = world.executions()
        # The deadline takes effect in Heartbeat; where that is what fails, in EvictBatch.
        over = HOLD_INSTANCE if state in FIRST else "EvictBatch" if state == "Heartbeat" else "Heartbeat"
        last = over if late else state
        assert (failed["status"], trouble.last_state(world)) == ("FAILED", last)
        used_up = "FunctionFailed" if state in FIRST else "DrainTimedOut"
        assert failed["error"] in ({used_up} if late else errors)
        crashed_after_all = (state, cause) == ("CompleteAction", "crash after its work")
        assert world.lifecycle_state(instance) == ("" if crashed_after_all else "Terminating:Wait")
        before = world.history(failed["executionArn"])
        harm.repair()
        world.pass_time(60)
        world.redrive(failed["executionArn"])
        world.settle()
        assert_went_on(world, before)
        trouble.assert_over(world, instance, "instance gone" if crashed_after_all else "drained")


def assert_went_on(world, before):
    """The history is kept, and only what was unsuccessful is entered again."""
    (execution,) = world.executions()
    after = world.history(execution["executionArn"])
    assert after[: len(before)] == before
    assert after[len(before)]["type"] == "ExecutionRedriven"
    assert execution["redriveCount"] == 1
    entered, again, failed = states(after), states(after[len(before) :]), states(before)[-1]
    assert again[0] == failed
    if failed != HOLD_INSTANCE:
        assert all(entered.count(name) == 1 for name in FIRST if name != failed)
    accepted = Counter(
        change.object
        for change in audit.changes(world.kube.audit_log)
        if change.kind == "evict" and change.status < 300
    )
    assert set(accepted.values()) <= {1}, "a pod was evicted twice"


def states(history):
    """The states that were entered, in order."""
    return [
        event["stateEnteredEventDetails"]["name"] for event in history if "stateEnteredEventDetails" in event
    ]


def test_a_redrive_has_a_fresh_deadline_and_fresh_retries(world_of_a_quarter):
    """An absolute deadline in the document would already be over; DrainTimedOut would come at once."""
    world = world_of_a_quarter
    hold(world)
    instance = begin_held(world)
    world.settle()
    (failed,) = world.executions()
    assert (failed["status"], failed["error"]) == ("FAILED", "DrainTimedOut")
    again = world.clock.now()
    world.redrive(failed["executionArn"])
    world.pass_time(600)
    assert world.executions()[0]["status"] == "RUNNING"
    world.settle()
    assert world.executions()[0]["error"] == "DrainTimedOut"
    assert world.clock.now() - again > 890
    trouble.give_way(world)
    world.redrive(failed["executionArn"])
    world.settle()
    trouble.assert_over(world, instance)


@pytest.fixture
def world_of_a_quarter():
    """Drains have 900 s."""
    with World(workload=cluster_workload, parameters={"DrainTimeout": "900"}) as world:
        yield world


def hold(world):
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})


def begin_held(world):
    hold(world)
    return trouble.begin(world)


def test_a_redrive_after_the_machine_timed_out(tmp_path):
    """TIMED_OUT is redrivable, and the machine's TimeoutSeconds start anew."""
    with World(workload=cluster_workload, template=trouble.template(tmp_path, machine_s=300)) as world:
        instance = begin_held(world)
        world.settle()
        (execution,) = world.executions()
        assert execution["status"] == "TIMED_OUT"
        assert broken(world) == []
        world.pass_time(300)
        trouble.give_way(world)
        world.redrive(execution["executionArn"])
        world.settle()
        trouble.assert_over(world, instance)


def test_a_redrive_after_somebody_stopped_it(world):
    """ABORTED is redrivable: StopExecution is what the console's button sends."""
    instance = begin_held(world)
    world.pass_time(60)
    (execution,) = world.executions()
    stop(execution["executionArn"])
    world.settle()
    assert world.executions()[0]["status"] == "ABORTED"
    assert broken(world) == []
    trouble.give_way(world)
    world.redrive(execution["executionArn"])
    world.settle()
    trouble.assert_over(world, instance)


def test_a_redrive_after_the_instance_has_gone_ends_well(world_of_a_quarter):
    """Nobody redrove in time: the hook's heartbeat ran out, and there is nothing left to do."""
    world = world_of_a_quarter
    instance = begin_held(world)
    world.settle()
    world.pass_time(1900)
    assert trouble.results(world, instance) == ["timed out"]
    world.redrive(world.executions()[0]["executionArn"])
    world.settle()
    (execution,) = world.executions()
    assert execution["status"] == "SUCCEEDED"
    completed = json.loads(execution["output"])["completed"]
    assert (completed["result"], completed["outcome"]) == ("ALREADY_COMPLETED", "instance gone")
    assert f"Auto Scaling no longer waits for {instance}" in completed["reason"]


def stop(arn):
    boto3.client("stepfunctions", region_name="eu-west-1").stop_execution(executionArn=arn)


def redrive(arn, **options):
    client = boto3.client("stepfunctions", region_name="eu-west-1")
    return client.redrive_execution(executionArn=arn, **options)


def refused(arn):
    client = boto3.client("stepfunctions", region_name="eu-west-1")
    with pytest.raises(client.exceptions.ExecutionNotRedrivable) as refusal:
        redrive(arn)
    return refusal.value.response["Error"]["Message"]


def test_what_runs_or_succeeded_is_not_redriven(world):
    """https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html"""
    trouble.begin(world)
    world.pass_time(3)
    arn = world.executions()[0]["executionArn"]
    assert "RUNNING" in refused(arn)
    world.settle()
    assert "SUCCEEDED" in refused(arn)


def test_after_fourteen_days_it_is_too_late(world_of_a_quarter):
    """14 days from the end of the execution, a hard quota."""
    world = world_of_a_quarter
    begin_held(world)
    world.settle()
    world.aws.schedules.stop()  # It would sweep four thousand times.
    world.pass_time(14 * 86_400 + 60)
    execution = world.executions()[0]
    assert "redrivable period" in refused(execution["executionArn"])
    assert execution["redriveStatus"] == "NOT_REDRIVABLE"


def test_a_full_history_is_not_redriven(world_of_a_quarter, monkeypatch):
    """24,999 events or more leave no room for what a redrive writes."""
    world = world_of_a_quarter
    begin_held(world)
    world.settle()
    arn = world.executions()[0]["executionArn"]
    monkeypatch.setattr("stepdrain_sandbox.aws.redrive.MOST_EVENTS", len(world.history(arn)))
    assert "events" in refused(arn)


def test_the_same_client_token_redrives_once(world_of_a_quarter):
    """A client that repeats its request after a lost answer must not redrive twice."""
    world = world_of_a_quarter
    begin_held(world)
    world.settle()
    arn = world.executions()[0]["executionArn"]
    redrive(arn, clientToken="t1")
    redrive(arn, clientToken="t1")
    world.settle()
    assert world.executions()[0]["redriveCount"] == 1
    # Remembered for 15 minutes; this redrive took as long, so the token counts as new.
    redrive(arn, clientToken="t1")
    assert world.executions()[0]["redriveCount"] == 2
    world.settle()
