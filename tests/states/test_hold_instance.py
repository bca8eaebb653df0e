"""For how long FindNode, Label and Cordon are asked again, and what then ends the drain."""

import pytest
from stepdrain.clock import to_epoch_s, to_rfc3339
from stepdrain.document.step import parse
from stepdrain.errors import AwsUnavailable, FunctionFailed, HeartbeatDue, KubeUnavailable
from stepdrain.states import hold_instance
from stepdrain.states.hold_instance import PATIENCE_S, ROUND_S, THROTTLED_FOR_S

START = "2026-01-01T00:00:00Z"
T0 = to_epoch_s(START)
HUNG, THROTTLED, AWS_THROTTLED = "States.Timeout", "Lambda.TooManyRequestsException", "AwsThrottled"
HOOK = {"group": "g", "hook": "h", "token": "t", "heartbeatTimeout": 1800, "globalTimeout": 172_800}
GONE = AwsUnavailable("RecordLifecycleActionHeartbeat timed out")


def a_step(
    *, since=None, beaten=T0, tried=None, hook=HOOK, attempt=0, waits=0, settle=0, under_way=False, **failed
):
    """A step whose states have ended by these errors: ``FindNode="States.Timeout"``."""
    progress = {
        "number": 1,
        "heartbeatAt": to_rfc3339(beaten),
        "next": "FindNode" if under_way else "WaitForPods",
        "unansweredSince": to_rfc3339(since) if since else "",
        "heartbeatTriedAt": to_rfc3339(tried) if tried else "",
        **dict.fromkeys(("evicted", "leaving", "blocked", "stuck", "forced"), 0),
        **dict.fromkeys(("blockers", "orphans"), ()),
    }
    event = {
        "execution": {"StartTime": START, "Name": "d"},
        "state": {"EnteredTime": START, "RetryCount": attempt, "Name": "Label"},
        "drain": {
            "nodeName": "n",
            "lifecycle": hook,
            "policy": {"settleTime": settle},
            "progress": progress,
            "unanswered": {state: {"Error": error, "Cause": "no answer"} for state, error in failed.items()},
        },
    }
    return parse(event if waits is None else {**event, "waitSeconds": waits})


@pytest.mark.parametrize(
    ("step", "since"),
    [
        (a_step(), None),
        (a_step(since=T0 + 5), None),
        (a_step(Label="HeartbeatDue"), None),
        (a_step(Label=HUNG), T0 + 70),
        (a_step(Label=HUNG, since=T0 + 5), T0 + 5),
        (a_step(Label="HeartbeatDue", since=T0 + 5), T0 + 5),
    ],
)
def test_the_minutes_count_from_the_first_failure(step, since):
    """Not from a state that only gave way, and not once the node is marked."""
    assert hold_instance.since(step, T0 + 70) == since


@pytest.mark.parametrize(
    ("failed", "after_s", "error"),
    [
        ({}, PATIENCE_S, None),
        ({"Label": "HeartbeatDue"}, THROTTLED_FOR_S, None),
        ({"Label": HUNG}, PATIENCE_S - 1, None),
        ({"Label": HUNG}, PATIENCE_S, FunctionFailed),
        ({"Label": "KubeUnavailable"}, PATIENCE_S, KubeUnavailable),
        ({"FindNode": "KubeUnavailable", "Label": HUNG}, PATIENCE_S, FunctionFailed),
        ({"Label": "NoSuchError"}, PATIENCE_S, FunctionFailed),
        ({"Label": THROTTLED, "FindNode": AWS_THROTTLED}, THROTTLED_FOR_S - 1, None),
        ({"Label": THROTTLED}, THROTTLED_FOR_S, FunctionFailed),
        ({"Label": THROTTLED, "FindNode": HUNG}, PATIENCE_S, FunctionFailed),
    ],
)
def test_a_drain_ends_by_what_has_failed_for_too_long(failed, after_s, error):
    """Its own error where a function raised it: the runbook has a section for each."""
    step = a_step(since=T0, **failed)
    if error is None:
        hold_instance.give_up(step, T0 + after_s, None)
        return
    with pytest.raises(error) as raised:
        hold_instance.give_up(step, T0 + after_s, None)
    assert type(raised.value) is error
    assert f"For {after_s // 60} minutes" in str(raised.value)
    assert "no answer" in str(raised.value)


@pytest.mark.parametrize(
    ("now_s", "failure", "hook", "ends"),
    [
        (1800 - ROUND_S, GONE, HOOK, False),
        (1800 - ROUND_S + 1, GONE, HOOK, True),
        (1800 - ROUND_S + 1, None, HOOK, False),
        (1800 - ROUND_S + 1, GONE, None, False),
    ],
)
def test_a_drain_that_cannot_hold_its_instance_ends_before_the_hook_does(now_s, failure, hook, ends):
    """Its next heartbeat would come too late."""
    step = a_step(since=T0 + 1500, hook=hook, Label=HUNG)
    if not ends:
        hold_instance.give_up(step, T0 + now_s, failure)
        return
    with pytest.raises(FunctionFailed, match=str(GONE)):
        hold_instance.give_up(step, T0 + now_s, failure)


@pytest.mark.parametrize(
    ("step", "due_s"),
    [
        (a_step(), 840),
        (a_step(settle=120), 720),
        (a_step(settle=120, under_way=True), 840),
        (a_step(hook={**HOOK, "heartbeatTimeout": 300}), 120),
        (a_step(hook={**HOOK, "heartbeatTimeout": 300}, settle=120), 120),
        (a_step(beaten=T0 + 100), 940),
        (a_step(tried=T0 + 100), 940),
    ],
)
def test_a_state_that_begins_late_gives_way_to_a_heartbeat(step, due_s):
    """Before half of the hook's time is over, and with time for the load balancers."""
    hold_instance.give_way(step, T0 + due_s - 1)
    with pytest.raises(HeartbeatDue, match=f"Label comes {T0 + due_s - step.progress.heartbeat_at:.0f} s"):
        hold_instance.give_way(step, T0 + due_s)


@pytest.mark.parametrize("step", [a_step(attempt=1), a_step(hook=None), a_step(waits=None)])
def test_nothing_gives_way_in_a_later_attempt_without_a_hook_or_on_the_first_definition(step):
    """What a state repeats ends by itself; and the first definition has no HoldInstance."""
    hold_instance.give_way(step, T0 + 10_000)


def test_what_has_failed_is_named_by_its_state():
    """Whoever is called looks into that function's log."""
    step = a_step(FindNode=HUNG, Label="HeartbeatDue", Cordon=THROTTLED)
    assert hold_instance.sentence(step) == f"FindNode: {HUNG}: no answer; Cordon: {THROTTLED}: no answer"
    assert hold_instance.sentence(a_step()) == ""
