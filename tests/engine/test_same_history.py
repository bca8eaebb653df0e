"""The engine writes the history of the embedded account's interpreter, path by path and event by event."""

import contextlib
import copy
import json
from unittest import mock

import boto3
import pytest

from stepdrain_engine.history import History
from stepdrain_engine.interpreter import TaskFailed
from stepdrain_engine.machine import Machine
from stepdrain_sandbox.aws import engine, mocked, parsers, service_models
from stepdrain_sandbox.clock import VirtualClock
from stepdrain_sandbox.rehearsal.clock import QuietClock
from tests.engine.definitions import ACCOUNT, MACHINES, REGION, alone, comparable, machine, plain, task

DRAIN = {"cluster": "demo", "nodeName": "n", "settle": {"seconds": 3}, "progress": {"next": "EvictBatch"}}
ARN = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:M"
HANGS = "hangs until States.Timeout"


class Simulated(Exception):
    """A function's end by an error of any name."""

    def __init__(self, error):
        super().__init__("simulated")
        self.error_type = error


class Script:
    """What the functions do, in order; the last one repeats. Each is an answer or an error's name."""

    def __init__(self, clock, outcomes, timeout_s):
        self._clock, self._outcomes, self._timeout_s = clock, list(outcomes), timeout_s

    def play(self):
        """The next outcome; raises Simulated."""
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if outcome == HANGS:
            self._clock.sleep(self._timeout_s)
            return HANGS
        if isinstance(outcome, str):
            raise Simulated(outcome)
        return outcome


@pytest.fixture(scope="module")
def account():
    """An embedded account with nothing in it but Step Functions: gives a definition's history and end."""
    with contextlib.ExitStack() as stack:
        clock = VirtualClock()
        stack.callback(clock.close)
        clock.enter()
        stack.callback(clock.leave)
        current = {}
        for patched in (service_models.made_once(), parsers.asked_once(), mocked.account()):
            stack.enter_context(patched)
        stack.enter_context(
            engine.running(clock, lambda _name, _event: current["script"].play(), lambda _arn: None)
        )
        client = boto3.client("stepfunctions", region_name=REGION)

        def run(definition, outcomes):
            made = client.create_state_machine(
                name="M", definition=json.dumps(definition), roleArn=f"arn:aws:iam::{ACCOUNT}:role/r"
            )["stateMachineArn"]
            # A hanging function ends a moment after its time-out, and its answer comes too late.
            current["script"] = Script(clock, outcomes, timeout_of(definition) + 0.001)
            began = clock.now()
            arn = client.start_execution(stateMachineArn=made, name="e", input=json.dumps(DRAIN))[
                "executionArn"
            ]
            while client.describe_execution(executionArn=arn)["status"] == "RUNNING":
                clock.sleep(50_000)
            shown = client.describe_execution(executionArn=arn)
            history = client.get_execution_history(executionArn=arn)["events"]
            client.delete_state_machine(stateMachineArn=made)
            return plain(history), shown["status"], json.loads(shown.get("output", "null")), began

        yield run


def timeout_of(definition):
    """The TimeoutSeconds of its first state."""
    return definition["States"][definition["StartAt"]].get("TimeoutSeconds", 20)


def by_ours(definition, outcomes, began):
    """The history, status and output that the engine comes to."""
    clock = QuietClock(began)
    script = Script(clock, outcomes, timeout_of(definition))

    def invoke(_function, _payload):
        try:
            answer = script.play()
        except Simulated as error:
            cause = {"errorMessage": "simulated", "errorType": error.error_type, "stackTrace": []}
            raise TaskFailed(error.error_type, json.dumps(cause, separators=(",", ":"))) from error
        if answer == HANGS:
            raise TaskFailed("States.Timeout", "")
        return answer

    ours = Machine(
        definition, clock, invoke, arn=ARN, jitter=lambda longest: longest / 2, log=lambda: History(clock.now)
    )
    ours.start("e", copy.deepcopy(DRAIN))
    clock.run(400_000)
    one = ours.executions["e"]
    return plain(one.log.events), one.status, one.document if one.status == "SUCCEEDED" else None


def compared(account, definition, outcomes):
    """Run it here and there; the status that both came to."""
    with mock.patch("random.uniform", lambda low, high: (low + high) / 2):
        history, status, output, began = account(definition, outcomes)
    ours, our_status, our_output = by_ours(definition, outcomes, began)
    for our_event, event in zip(ours, history, strict=False):
        # One interpreter cuts the milliseconds off, the other rounds them.
        assert our_event.pop("at") == pytest.approx(event.pop("at"), abs=1)
        assert our_event == event
    assert len(ours) == len(history)
    assert (our_status, comparable(our_output)) == (status, comparable(output))
    return status


def paths():
    """(machine, state, outcomes): an answer, and each rule's first error once and until nothing is left."""
    for name, definition in MACHINES.items():
        for state, declared in definition["States"].items():
            if declared["Type"] != "Task":
                continue
            fields = declared.get("ResultSelector", {}).values()
            answer = {path.split(".")[2]: path for path in fields}
            yield name, state, [answer]
            rules = [*declared["Retry"], *declared.get("Catch", ())]
            for error in dict.fromkeys([rule["ErrorEquals"][0] for rule in rules] + ["KeyError", HANGS]):
                yield name, state, [error, answer]
                # Hundreds of attempts say no more than dozens, and take seconds.
                if (
                    sum(rule["MaxAttempts"] for rule in declared["Retry"] if error in rule["ErrorEquals"])
                    < 100
                ):
                    yield name, state, [error]


def shown(value):
    """A readable id."""
    return (
        "-".join(outcome if isinstance(outcome, str) else "answer" for outcome in value)
        if isinstance(value, list)
        else value
    )


@pytest.mark.parametrize(("name", "state", "outcomes"), list(paths()), ids=shown)
def test_each_way_through_each_state_is_recorded_alike(account, name, state, outcomes):
    """Retry, Catch, time-out and end, of every Task of the rendered machines."""
    compared(account, alone(name, state), outcomes)


NUMBERS = {
    "Type": "Pass",
    "Result": {"n": 7, "text": "abc", "yes": True, "at": "2026-01-01T00:00:00Z", "none": None},
}
CAUGHT = {"ErrorEquals": ["States.ALL"], "Next": "End"}


def choice(*rules):
    """A Choice that goes to Yes if one of the rules holds."""
    return {"Type": "Choice", "Choices": [{**rule, "Next": "Yes"} for rule in rules], "Default": "No"}


CHOICES = [
    {"Variable": "$.n", "NumericEquals": 7},
    {"Variable": "$.n", "NumericGreaterThan": 7},
    {"Variable": "$.n", "NumericLessThanEquals": 7},
    {"Variable": "$.text", "StringEquals": "abc"},
    {"Variable": "$.text", "StringLessThan": "abd"},
    {"Variable": "$.text", "StringMatches": "a*c"},
    {"Variable": "$.text", "StringEqualsPath": "$.text"},
    {"Variable": "$.text", "NumericEquals": 7},
    {"Variable": "$.yes", "BooleanEquals": True},
    {"Variable": "$.at", "TimestampLessThan": "2026-01-01T00:00:01Z"},
    {"Variable": "$.missing", "IsPresent": False},
    {"Variable": "$.none", "IsNull": True},
    {"Variable": "$.n", "IsNumeric": True},
    {"Variable": "$.n", "IsString": False},
    {"Variable": "$.yes", "IsBoolean": True},
    {"And": [{"Variable": "$.n", "NumericEquals": 7}, {"Variable": "$.text", "StringEquals": "x"}]},
    {"Or": [{"Variable": "$.n", "NumericEquals": 8}, {"Not": {"Variable": "$.yes", "BooleanEquals": False}}]},
]


@pytest.mark.parametrize("rule", CHOICES, ids=str)
def test_a_choice_goes_the_same_way(account, rule):
    """Each kind of comparison."""
    ends = {"Yes": {"Type": "Succeed"}, "No": {"Type": "Succeed"}}
    compared(account, machine(Numbers=NUMBERS, Which=choice(rule), **ends), [{}])


MADE = {
    "waits": machine(A={"Type": "Wait", "Seconds": 5}, B={"Type": "Wait", "SecondsPath": "$.settle.seconds"}),
    "passes": machine(A={"Type": "Pass"}, B={**NUMBERS, "ResultPath": "$.a.b"}, C={"Type": "Succeed"}),
    "a Pass with parameters": machine(
        A={"Type": "Pass", "Parameters": {"x.$": "$.nodeName", "y": {"z": [1]}}}
    ),
    "fails": machine(A={"Type": "Fail", "Error": "Broken", "Cause": "by hand"}),
    "a result that is dropped": machine(A=task(ResultPath=None), B={"Type": "Succeed"}),
    "a result that replaces the document": machine(A=task(), B={"Type": "Succeed"}),
    "the defaults of a retrier": machine(A=task(Retry=[{"ErrorEquals": ["States.ALL"]}])),
    "no attempts left by decree": machine(A=task(Retry=[{"ErrorEquals": ["States.ALL"], "MaxAttempts": 0}])),
    "an error caught whole": machine(A=task(Catch=[CAUGHT]), End={"Type": "Succeed"}),
    "an error of the task": machine(
        A=task(Catch=[{**CAUGHT, "ErrorEquals": ["States.TaskFailed"]}], TimeoutSeconds=20),
        End={"Type": "Succeed"},
    ),
    "the machine's time is over": {**machine(A={"Type": "Wait", "Seconds": 50}), "TimeoutSeconds": 40},
    "the machine's time is over in a retry": {
        **machine(A=task(Retry=[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 30, "MaxAttempts": 9}])),
        "TimeoutSeconds": 40,
    },
}


@pytest.mark.parametrize("outcome", [{"done": True}, "Oops", HANGS], ids=shown)
@pytest.mark.parametrize("name", MADE)
def test_machines_made_by_hand_are_recorded_alike(account, name, outcome):
    """What the rendered machines do not use today and may use tomorrow."""
    compared(account, MADE[name], [outcome])
