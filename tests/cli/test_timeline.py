"""What is read out of a history is what a report tells; each rule on a history made by hand."""

import inspect

import pytest
from stepdrain import errors

from stepdrain_cli.pictures import chart, costs
from stepdrain_recorded import pod_timelines, waits
from stepdrain_recorded.history_lines import state_line
from stepdrain_recorded.timeline import timeline
from tests.cli.histories import begun

OURS = "disruption budget db needs 2 healthy pods and has 2"
THEIRS = "The disruption budget db needs 2 healthy pods and has 2 currently"
BLOCKED = f"2 pods cannot be evicted now: default/db-0: {OURS}; default/db-1: {OURS}"
SERVERS = f"2 pods cannot be evicted now: default/db-1: {OURS}; default/db-0: {THEIRS}"

ALL = [
    name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.DrainError)
]


def blocked_then_evicted():
    history = begun().enter("EvictBatch")
    history.attempt("EvictionBlocked", SERVERS).after(5).attempt("EvictionBlocked", BLOCKED).after(10)
    history.attempt().leave("EvictBatch").enter("WaitForPods")
    history.attempt(
        "PodsRemaining",
        "1 evicted pod is still on the node: default/db-0: has until 2026-01-01T00:00:40Z",
        15,
    )
    return history.after(1).attempt(seconds=5).leave("WaitForPods")


def test_states_attempts_and_retries_are_counted():
    """A retry is an attempt after the first; each is a transition that is paid for."""
    line = timeline(blocked_then_evicted().events)
    assert [(visit.state, visit.retries) for visit in line.visits] == [
        ("FindNode", 0), ("Label", 0), ("Cordon", 0), ("EvictBatch", 2), ("WaitForPods", 1),
    ]  # fmt: skip
    assert (line.retries, line.transitions) == (3, 8)
    assert (line.node, line.instance, line.status) == ("node-1.internal", "i-1", "RUNNING")


@pytest.mark.parametrize("error", [*ALL, "Lambda.Unknown"])
def test_only_what_a_state_waits_for_is_not_yet(error):
    """A refusal is final: "not yet: DrainRefused" promised another attempt that never came."""
    event = {"type": "TaskFailed", "taskFailedEventDetails": {"error": error, "cause": "why"}}
    kind = getattr(errors, error, errors.Stopped)
    again = issubclass(kind, errors.NotYet | errors.Transient)
    stopped = "failed: " if issubclass(kind, errors.Stopped) else ""
    assert state_line(event) == f"   {'not yet: ' if again else stopped}{error}: why"


def test_a_redrive_is_a_new_visit_though_aws_does_not_enter_the_state_again():
    """The history then goes on with TaskScheduled."""
    history = (
        begun().enter("EvictBatch").attempt("DrainRefused", "no").failed("DrainRefused", "no").after(600)
    )
    history.add("ExecutionRedriven").attempt(seconds=1).leave("EvictBatch")
    line = timeline(history.events)
    assert [visit.state for visit in line.visits][-2:] == ["EvictBatch", "EvictBatch"]
    assert [visit.error for visit in line.visits][-2:] == ["DrainRefused", ""]
    assert line.failures == [(line.started + 3, "DrainRefused", "no")]
    assert (line.status, line.redriven) == ("RUNNING", [line.started + 603])
    assert line.until(line.visits[3]) == line.started + 3


def test_a_pod_is_blocked_until_it_is_evicted_and_its_grace_ends_as_the_cause_says():
    """The server and our own reading of a budget word it differently; the stretch is one."""
    line = timeline(blocked_then_evicted().events)
    first, second = pod_timelines.read(line)
    assert (first.pod, second.pod) == ("default/db-0", "default/db-1")
    assert [(span.start - line.started, span.end - line.started) for span in first.blocked] == [(3, 18)]
    assert pod_timelines.budget(first.blocked[0].why) == "budget db"
    assert (first.evicted - line.started, first.grace_ends - line.started) == (18, 40)
    assert first.gone == line.ended


def test_the_audit_log_tells_evictions_and_when_the_kubelet_deleted_the_pod():
    """Other user agents' evictions and other times are none of this drain."""

    def event(agent, user, verb, at, subresource=None, body=None):
        reference = {"resource": "pods", "namespace": "default", "name": "web", "subresource": subresource}
        return {
            "verb": verb, "userAgent": agent, "user": {"username": user}, "objectRef": reference,
            "requestReceivedTimestamp": f"2026-01-01T00:00:{at:02d}Z", "responseStatus": {"code": 201},
        }  # fmt: skip

    audit = [
        event("stepdrain/0.1.0", "stepdrain", "create", 4, "eviction"),
        event("kubectl/v1", "admin", "create", 5, "eviction"),
        event("kubelet/v1", "system:node:n", "delete", 9),
    ]
    line = timeline(blocked_then_evicted().events)
    web = next(timeline for timeline in pod_timelines.read(line, audit) if timeline.pod == "default/web")
    assert (web.evicted - line.started, web.gone - line.started, web.forced) == (4, 9, False)


def test_equal_waits_are_one_line_whatever_the_order_of_their_pods():
    """Two days of blocked rounds must fit on a page."""
    found = waits.waits(timeline(blocked_then_evicted().events))
    assert [(wait.error, wait.times) for wait in found] == [("EvictionBlocked", 2), ("PodsRemaining", 1)]


def test_rounds_that_repeat_are_one_line():
    """From the first Heartbeat on."""
    history = begun()
    for _ in range(5):
        history.passed("Heartbeat").enter("EvictBatch").attempt("EvictionStillBlocked", BLOCKED).leave(
            "EvictBatch"
        )
    found = waits.stages(timeline(history.passed("CompleteAction").events))
    assert [(stage.states, stage.times) for stage in found][3:] == [
        ("Heartbeat, EvictBatch", 5),
        ("CompleteAction", 1),
    ]


def test_the_stop_between_failure_and_redrive_is_cut_so_that_the_rest_is_seen():
    """An hour's stop would make a drain of a minute a line."""
    history = (
        begun().enter("EvictBatch").attempt("DrainRefused", "no", 30).failed("DrainRefused", "no").after(3600)
    )
    history.add("ExecutionRedriven").attempt(seconds=30).leave("EvictBatch")
    line = timeline(history.events)
    axis = chart.Axis(line)
    assert axis.x(line.redriven[0]) - axis.x(line.failures[0][0]) == pytest.approx(chart.CUT, abs=0.2)
    assert axis.x(line.ended) == chart.WIDTH - 10
    assert axis.x(line.failures[0][0]) - chart.GUTTER > 300


def test_the_cost_is_transitions_invocations_and_their_time():
    """By the prices in docs/operations.md: 8 transitions, 8 invocations, 23 s at 1 GB."""
    line = timeline(blocked_then_evicted().events)
    assert line.working_s == 23
    assert costs.of_drain(line) == pytest.approx(8 * 0.000025 + 8 * 0.0000002 + 23 * 0.0000133334)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (2.5, "2.5 s"), (60, "1 min"), (5400, "1 h 30 min"), (172_500, "1 d 23 h")],
)
def test_durations_have_two_units_at_most(seconds, text):
    """They are read, not computed with."""
    assert chart.duration(seconds) == text
