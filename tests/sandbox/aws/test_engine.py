"""One contract for each name of moto's that engine.py replaces: an upgrade that moves one fails here."""

import json
import pkgutil
import re

import pytest
from stepdrain.errors import KubeUnavailable

from stepdrain_sandbox.aws import engine, pauses
from tests.sandbox.aws.conftest import T0, task

PATIENT = {"ErrorEquals": ["NotYet"], "IntervalSeconds": 100, "MaxAttempts": 3, "BackoffRate": 2}


class NotYet(Exception):
    """A name that the machines below retry."""


def failing(times):
    """A function that raises NotYet so many times, then answers how often it was asked."""
    asked = []

    def work(event):
        asked.append(event)
        if len(asked) <= times:
            raise NotYet(f"attempt {len(asked)}")
        return {"asked": len(asked)}

    return work


@pytest.mark.parametrize(
    "name",
    [engine.INVOKE, pauses.RETRY_TIME, f"{pauses.TASK}.threading", f"{pauses.TASK}.Thread", *engine.DATED],
)
def test_what_is_replaced_is_there(name):
    """mock.patch would say the same, with less about what to look for."""
    assert pkgutil.resolve_name(name) is not None


def test_a_function_is_called_in_process_with_its_event(machine):
    """INVOKE; its answer has passed through JSON, as Lambda's does."""
    machine.functions["work"] = lambda event: {"got": event, "pair": (1, 2)}
    shown = machine.run(task(OutputPath="$.Payload"), given={"a": 1})
    assert json.loads(shown["output"]) == {"got": {"a": 1}, "pair": [1, 2]}


def test_an_error_arrives_by_its_bare_class_name(machine):
    """INVOKE; so does ErrorEquals see it on AWS."""

    def work(_event):
        raise KubeUnavailable("the API is gone")

    machine.functions["work"] = work
    shown = machine.run(task())
    assert (shown["status"], shown["error"]) == ("FAILED", "KubeUnavailable")
    assert json.loads(shown["cause"])["errorMessage"] == "the API is gone"


def test_an_answer_that_is_no_json_is_an_error(machine):
    """Lambda's runtime cannot marshal it either; it must not pass here."""
    machine.functions["work"] = lambda _event: {"at": object()}
    assert machine.run(task())["error"] == "TypeError"


def test_retries_pause_on_the_clock(machine):
    """PAUSES; 100, 200 and 400 seconds pass in a moment, and exactly."""
    machine.functions["work"] = failing(3)
    arn = machine.start(task(Retry=[PATIENT]))
    machine.finish(arn)
    began = [event["timestamp"].timestamp() - T0 for event in machine.events(arn, "TaskStarted")]
    assert began == [0, 100, 300, 700]


def test_the_machines_timeout_cuts_a_pause_short(machine):
    """RetrierDecl._eval_body knows whose pause it is, the worker's environment until when it may last."""
    machine.functions["work"] = failing(9)
    shown = machine.run(task(Retry=[PATIENT]), TimeoutSeconds=250)
    assert shown["status"] == "TIMED_OUT"
    assert shown["stopDate"].timestamp() - T0 == 250


def test_a_task_that_does_not_answer_times_out_on_the_clock(machine):
    """pauses.TASK; its work may end much later, and counts for nothing then."""
    asked = []

    def work(_event):
        asked.append(machine.clock.now() - T0)
        if len(asked) == 1:
            machine.clock.sleep(10_000)
        return {"asked": len(asked)}

    machine.functions["work"] = work
    late = {"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 100, "MaxAttempts": 1}
    arn = machine.start(task(TimeoutSeconds=20, Retry=[late], OutputPath="$.Payload"))
    shown = machine.finish(arn)
    assert json.loads(shown["output"]) == {"asked": 2}
    assert asked == [0, 120]
    (timed_out,) = machine.events(arn, "TaskTimedOut")
    assert timed_out["timestamp"].timestamp() - T0 == 20
    before = machine.clock.now()
    machine.pass_time(20_000)  # The first attempt ends here, and time still passes.
    assert machine.clock.now() - before == 20_000
    assert len(machine.events(arn, "TaskSucceeded")) == 1


def test_work_within_its_time_is_no_timeout(machine):
    """pauses.TASK; a bounded watch of WaitForPods takes twenty seconds."""
    machine.functions["work"] = lambda _event: machine.clock.sleep(19)
    assert machine.run(task(TimeoutSeconds=20))["status"] == "SUCCEEDED"


def test_the_machines_timeout_cuts_a_task_short(machine):
    """pauses.TASK; its function goes on, and counts for nothing."""
    machine.functions["work"] = lambda _event: machine.clock.sleep(1000)
    arn = machine.start(task(Retry=[PATIENT]), TimeoutSeconds=250)
    shown = machine.finish(arn)
    assert (shown["status"], shown["stopDate"].timestamp() - T0) == ("TIMED_OUT", 250)
    assert machine.events(arn, "TaskTimedOut") == machine.events(arn, "TaskFailed") == []


@pytest.mark.parametrize("pausing", ["Retry", "Wait", "Task"])
def test_a_stop_ends_a_pause_at_once(machine, pausing):
    """Environment.set_stop; nobody waits fifteen minutes for a drain that was stopped."""
    machine.functions["work"] = failing(9)
    if pausing == "Task":
        machine.functions["work"] = lambda _event: machine.clock.sleep(900)
    states = task(Retry=[PATIENT]) if pausing != "Wait" else {"Type": "Wait", "Seconds": 500, "End": True}
    machine.clock.enter()  # No time passes but what is slept here.
    arn = machine.start(states)
    machine.clock.sleep(30)
    machine.client.stop_execution(executionArn=arn)
    machine.clock.sleep(1)
    shown = machine.client.describe_execution(executionArn=arn)
    machine.clock.leave()
    assert shown["status"] == "ABORTED"
    assert machine.events(arn, "TaskTimedOut") == []


def test_two_executions_have_a_timeout_each(machine):
    """The environment is a thread's own: one execution's end must not be another's."""
    machine.functions["work"] = failing(99)
    machine.clock.enter()  # Both begin at the same moment.
    arn = machine.start(task(Retry=[PATIENT]), TimeoutSeconds=150)
    (made,) = machine.client.list_state_machines()["stateMachines"]
    other = machine.client.start_execution(stateMachineArn=made["stateMachineArn"], name="f")["executionArn"]
    machine.clock.leave()
    ends = [machine.finish(execution)["stopDate"].timestamp() - T0 for execution in (arn, other)]
    assert ends == [150, 150]


def test_a_state_is_entered_at_the_clocks_time(machine):
    """DATED, state.state: the deadlines of a drain are computed from it."""
    seen = []
    machine.functions["work"] = seen.append
    machine.pass_time(1000)
    machine.run(
        task(Parameters={**task()["Parameters"], "Payload.$": "$$.State.EnteredTime"}),
    )
    assert seen[0].startswith("2026-01-01T00:16:40")


def test_events_bear_the_clocks_time(machine):
    """DATED, event_manager: the history is what an operator reads."""
    machine.functions["work"] = failing(1)
    arn = machine.start(task(Retry=[PATIENT]))
    machine.finish(arn)
    (failed,) = machine.events(arn, "TaskFailed")
    (done,) = machine.events(arn, "ExecutionSucceeded")
    assert machine.events(arn, "TaskStateExited")
    assert (done["timestamp"] - failed["timestamp"]).total_seconds() == 100


def test_start_and_stop_bear_the_clocks_time(machine):
    """DATED, models and backend.execution."""
    machine.functions["work"] = failing(1)
    machine.pass_time(50)
    shown = machine.run(task(Retry=[PATIENT]))
    assert shown["startDate"].timestamp() == T0 + 50
    assert shown["stopDate"].timestamp() == T0 + 150


def test_the_context_tells_a_retry_from_a_first_attempt(machine):
    """No patch of ours, but EvictBatch and WaitForPods decide by it."""
    counts = []

    def work(count):
        counts.append(count)
        if len(counts) < 3:
            raise NotYet

    machine.functions["work"] = work
    parameters = {**task()["Parameters"], "Payload.$": "$$.State.RetryCount"}
    machine.run(task(Parameters=parameters, Retry=[PATIENT]))
    assert counts == [0, 1, 2]


def test_time_stands_still_while_a_function_works(machine, clock):
    """ExecutionWorker.start: an execution is an actor, so no timer overtakes it."""
    fired = []
    clock.call_at(T0 + 5, lambda: fired.append(clock.now()))

    def work(_event):
        for _ in range(2000):
            assert not fired

    machine.functions["work"] = work
    machine.run(task())


def test_the_end_of_an_execution_is_told(machine):
    """ExecutionWorker.start: Step Functions publishes a status change, and Notify lives by it."""
    machine.functions["work"] = failing(9)
    arn = machine.start(task())
    machine.finish(arn)
    machine.pass_time(1)
    assert machine.ended == [arn]


@pytest.mark.parametrize("path", ["$$.Execution.StartTime", "$$.State.EnteredTime"])
def test_the_context_dates_as_the_documentation_does(machine, path):
    """Milliseconds and Z (input-output-contextobject.html); moto's own has microseconds and an offset."""
    seen = []
    machine.functions["work"] = seen.append
    machine.run(task(Parameters={**task()["Parameters"], "Payload.$": path}))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", seen[0]), seen


def test_a_cause_names_the_request_and_none_of_our_own_frames(machine):
    """As Lambda's client for Python writes it, in its order; this function is no code of a step."""

    def work(_event):
        raise KubeUnavailable("reset")

    machine.functions["work"] = work
    cause = json.loads(machine.run(task())["cause"])
    assert list(cause) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert (cause["errorType"], len(cause["requestId"]), cause["stackTrace"]) == ("KubeUnavailable", 36, [])
