"""RedriveExecution as AWS documents it, for failures in top-level states."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.aws.conftest import T0, task

DAY_S = 86_400


@pytest.fixture
def broken(machine):
    """A machine of two tasks whose second fails until ``repaired``; its functions' events, by name."""
    seen = {"first": [], "second": []}

    def first(event):
        seen["first"].append(event)
        return {"from": "first"}

    def second(event):
        seen["second"].append(event)
        if not seen.get("repaired"):
            raise LookupError("nobody put it there")
        return {"from": "second"}

    machine.functions.update(first=first, second=second)
    return seen


def failed(machine, **options):
    """The ARN of an execution that failed in its second state."""
    states = (task("first", End=False, Next="B", ResultPath="$.one"), task("second", ResultPath="$.two"))
    for state in states:
        if state["End"] is False:
            del state["End"]
    arn = machine.start(*states, given={"node": "n"}, **options)
    assert machine.finish(arn)["status"] in ("FAILED", "TIMED_OUT")
    return arn


def redrive(machine, arn, **options):
    machine.client.redrive_execution(executionArn=arn, **options)
    return machine.finish(arn)


def refusal(machine, arn):
    with pytest.raises(ClientError) as caught:
        machine.client.redrive_execution(executionArn=arn)
    return caught.value.response["Error"]


def test_it_goes_on_at_the_state_that_failed(machine, broken):
    """With that state's own input; what succeeded before is not done again."""
    arn = failed(machine)
    broken["repaired"] = True
    shown = redrive(machine, arn)
    assert (shown["status"], shown["executionArn"]) == ("SUCCEEDED", arn)
    assert (len(broken["first"]), len(broken["second"])) == (1, 2)
    assert broken["second"][0] == broken["second"][1]
    assert json.loads(shown["output"])["node"] == "n"


def test_the_history_is_kept_and_goes_on(machine, broken):
    """One story, with the redrive in its middle."""
    arn = failed(machine)
    before = machine.client.get_execution_history(executionArn=arn)["events"]
    broken["repaired"] = True
    redrive(machine, arn)
    after = machine.client.get_execution_history(executionArn=arn)["events"]
    assert after[: len(before)] == before
    assert after[len(before)]["type"] == "ExecutionRedriven"
    assert [event["id"] for event in after] == list(range(1, len(after) + 1))


def test_redrives_are_counted_and_dated(machine, broken):
    """Both for the operator and, as RedriveTime, for the deadline of the drain."""
    arn = failed(machine)
    assert machine.client.describe_execution(executionArn=arn)["redriveCount"] == 0
    machine.pass_time(600)
    shown = redrive(machine, arn)
    assert (shown["status"], shown["redriveCount"], shown["redriveStatus"]) == ("FAILED", 1, "REDRIVABLE")
    assert redrive(machine, arn)["redriveCount"] == 2


def test_the_context_of_a_redriven_state_names_the_redrive(machine):
    """G5: a fresh deadline is computed from it; the start does not change."""
    contexts = []

    def work(context):
        contexts.append(context)
        raise LookupError

    machine.functions["work"] = work
    arn = machine.start(task(Parameters={**task()["Parameters"], "Payload.$": "$$.Execution"}))
    machine.finish(arn)
    machine.pass_time(7200 - (machine.clock.now() - T0))
    redrive(machine, arn)
    first, second = contexts
    assert "RedriveTime" not in first
    assert second["StartTime"] == first["StartTime"]
    assert second["RedriveTime"].startswith("2026-01-01T02:00:00")


def test_retries_are_fresh(machine):
    """Those of the first run are used up."""
    asked = []

    def work(_event):
        asked.append(1)
        raise LookupError

    machine.functions["work"] = work
    retrier = {"ErrorEquals": ["LookupError"], "IntervalSeconds": 1, "MaxAttempts": 2}
    arn = machine.start(task(Retry=[retrier]))
    machine.finish(arn)
    assert len(asked) == 3
    redrive(machine, arn)
    assert len(asked) == 6


def test_an_execution_that_timed_out_has_its_whole_time_again(machine, broken):
    """Else a drain that ran into the machine's end could not be redriven at all."""
    retrier = {"ErrorEquals": ["LookupError"], "IntervalSeconds": 60, "MaxAttempts": 99, "BackoffRate": 1}
    broken_task = task("second", Retry=[retrier])
    arn = machine.start(broken_task, TimeoutSeconds=100)
    assert machine.finish(arn)["status"] == "TIMED_OUT"
    machine.pass_time(1000)
    broken["repaired"] = True
    assert redrive(machine, arn)["status"] == "SUCCEEDED"


def test_what_succeeded_or_runs_is_refused(machine, broken):
    """In AWS's words."""
    broken["repaired"] = True
    machine.functions["slow"] = lambda _event: machine.clock.sleep(100)
    arn = machine.start(task("slow"))
    assert refusal(machine, arn)["Code"] == "ExecutionNotRedrivable"
    assert machine.finish(arn)["redriveStatus"] == "NOT_REDRIVABLE"
    assert refusal(machine, arn)["Message"] == "Execution is SUCCEEDED and cannot be redriven"


def test_after_14_days_it_is_refused(machine, broken):
    """The period in which AWS takes a redrive."""
    arn = failed(machine)
    machine.pass_time(14 * DAY_S + 1)
    assert refusal(machine, arn)["Message"] == "Execution exceeded its redrivable period"


def test_the_same_client_token_is_the_same_redrive(machine, broken):
    """A retry after a lost answer must not redrive twice."""
    arn = failed(machine)
    assert redrive(machine, arn, clientToken="once")["redriveCount"] == 1
    assert redrive(machine, arn, clientToken="once")["redriveCount"] == 1
    assert redrive(machine, arn, clientToken="again")["redriveCount"] == 2
