"""What the engine refuses, and what the embedded account cannot be compared in."""

import copy
import threading

import pytest

from stepdrain_engine import definition, functions
from stepdrain_engine.history import History
from stepdrain_engine.interpreter import TaskFailed
from stepdrain_engine.machine import Machine
from stepdrain_engine.real_time import WallClock
from stepdrain_sandbox.rehearsal.clock import QuietClock
from tests.engine.definitions import MACHINES, machine, task

DONE = {"Type": "Succeed"}


def broken(**states):
    """A machine that is refused."""
    return {"StartAt": next(iter(states)), "States": states}


REFUSED = {
    "a field": (broken(A=task(HeartbeatSeconds=5, End=True)), "State A has HeartbeatSeconds"),
    "a field of the machine": ({**broken(A=DONE), "QueryLanguage": "JSONata"}, "has QueryLanguage"),
    "a field of a retrier": (
        broken(A=task(Retry=[{"ErrorEquals": [], "Odd": 1}], End=True)),
        "A, a retrier, has Odd",
    ),
    "a field of a catcher": (
        broken(A=task(Catch=[{"Assign": 1, "Next": "A"}], End=True)),
        "A, a catcher, has Assign",
    ),
    "a type": (broken(A={"Type": "Map"}), "State A is of type Map"),
    "a resource": (broken(A={**task(End=True), "Resource": "arn:aws:states:::sns:publish"}), "sns:publish"),
    "a comparison": (
        broken(A={"Type": "Choice", "Choices": [{"Variable": "$.a", "Next": "A"}]}),
        "State A has a choice",
    ),
    "an intrinsic": (
        broken(A={"Type": "Pass", "Parameters": {"a.$": "States.UUID()"}, "End": True}),
        "States.UUID",
    ),
    "a filter": (broken(A={"Type": "Wait", "SecondsPath": "$.a[?(@.b)]", "End": True}), "as a path"),
    "a target": (broken(A={"Type": "Pass", "Next": "B"}), "A goes to B, and there is no such state."),
    "no target": (broken(A={"Type": "Pass"}), "A goes to None"),
    "no machine": ({}, "it is no state machine"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_it_does_not_know_is_refused_before_anything_runs(what):
    """Half understood, a definition would do something else than on AWS."""
    refused, sentence = REFUSED[what]
    with pytest.raises(definition.Unsupported) as error:
        definition.check(refused)
    assert sentence in str(error.value)


@pytest.mark.parametrize("text", ["{", "[]", '"x"'])
def test_a_text_that_is_no_definition_is_a_sentence(text):
    """From a file."""
    with pytest.raises(definition.Unsupported):
        definition.parse(text)


def test_a_placeholder_without_a_value_is_refused():
    """It would be invoked by its placeholder's name."""
    with pytest.raises(definition.Unsupported, match="XArn"):
        definition.substituted('{"a": "${XArn}"}', {})


@pytest.mark.parametrize("name", MACHINES)
def test_every_function_of_a_rendered_machine_has_its_handler(name):
    """State, resource and module have one name."""
    states = MACHINES[name]["States"].values()
    named = [state["Parameters"]["FunctionName"] for state in states if state["Type"] == "Task"]
    assert all(callable(functions.handler(name)) for name in named)


def ran(states, document, invoke=lambda _function, _payload: {}):
    """The execution of a machine, when it has ended."""
    clock = QuietClock()
    made = Machine(
        states,
        clock,
        invoke,
        arn="arn:aws:states:eu-west-1:1:stateMachine:M",
        jitter=max,
        log=lambda: History(clock.now),
    )
    made.start("e", copy.deepcopy(document))
    clock.run(1000)
    return made, made.executions["e"], clock


@pytest.mark.parametrize(
    "wait", [{"Timestamp": "2026-01-01T00:01:00Z"}, {"TimestampPath": "$.until"}], ids=str
)
def test_a_wait_ends_at_its_time(wait):
    """The embedded account waits for it in real time."""
    _, one, _ = ran(machine(A={"Type": "Wait", **wait}), {"until": "2026-01-01T00:01:00Z"})
    entered, left = (event["timestamp"].timestamp() for event in one.log.events[1:3])
    assert left - entered == 60


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Wait", "SecondsPath": "$.missing"},
        {"Type": "Pass", "Parameters": {"a.$": "$.list[7]"}},
        {"Type": "Choice", "Choices": [{"Variable": "$.missing", "NumericEquals": 1, "Next": "A"}]},
    ],
    ids=str,
)
def test_a_path_that_leads_nowhere_ends_the_execution(state):
    """As States.Runtime does: nothing catches it."""
    _, one, _ = ran(machine(A=state), {"list": []})
    assert (one.status, one.error) == ("FAILED", "States.Runtime")
    assert "In state A, there is no $." in one.cause


def test_a_choice_without_a_way_ends_the_execution():
    """No default."""
    _, one, _ = ran(
        machine(A={"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNull": True, "Next": "A"}]}), {"a": 1}
    )
    assert (one.status, one.error) == ("FAILED", "States.NoChoiceMatched")


def test_a_redrive_goes_on_at_the_state_that_failed():
    """With its document, fresh retries, and RedriveTime in the context object."""
    seen = []

    def invoke(_function, payload):
        seen.append(payload)
        if len(seen) == 1:
            raise TaskFailed("Oops", "")
        return {}

    work = task(ResultPath="$.done")
    work["Parameters"]["Payload"] = {"execution.$": "$$.Execution", "drain.$": "$"}
    made, one, clock = ran(machine(A={"Type": "Pass"}, B=work), {"n": 1}, invoke)
    assert (one.status, one.state) == ("FAILED", "B")
    made.redrive(one)
    clock.run(1)
    assert (one.status, one.entered) == ("SUCCEEDED", ["A", "B", "B"])
    assert "RedriveTime" not in seen[0]["execution"]
    assert seen[1]["execution"]["RedriveCount"] == 1
    assert seen[1]["drain"] == {"n": 1}
    assert [event["type"] for event in one.log.events].count("ExecutionRedriven") == 1


def test_a_function_that_hangs_times_out_and_is_not_waited_for():
    """In real time; its thread may go on, and nobody listens."""
    released = threading.Event()
    with pytest.raises(TaskFailed) as failed:
        WallClock().call(released.wait, 0.01)
    released.set()
    assert (failed.value.error, failed.value.cause) == ("States.Timeout", "")


def test_what_a_function_returns_or_raises_comes_back():
    """From its own thread."""

    def fails():
        raise TaskFailed("Oops", "")

    assert WallClock().call(lambda: 7, 60) == 7
    with pytest.raises(TaskFailed, match="Oops"):
        WallClock().call(fails, 60)


def test_a_handler_that_raises_is_the_error_that_lambda_reports():
    """By its class's name, with the message in JSON."""

    def handler(_payload, _context):
        raise KeyError("uid")

    with pytest.raises(TaskFailed) as failed:
        functions.invoke(handler, {}, None)
    assert failed.value.error == "KeyError"
    assert '"errorType":"KeyError"' in failed.value.cause
