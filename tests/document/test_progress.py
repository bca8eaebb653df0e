"""The record of a drain, and what comes next."""

import json
from dataclasses import replace

import pytest
from stepdrain.clock import to_epoch_s
from stepdrain.document.progress import Progress, Timing, from_document
from stepdrain.document.step import parse
from stepdrain.errors import (
    AwsRejected,
    DrainReleased,
    DrainTimedOut,
    LifecycleActionExpired,
    PodsRemaining,
    PodsStillRemaining,
)
from stepdrain.rules.deadline import Hook, Pace
from stepdrain.rules.pods import Pod
from stepdrain.states.lifecycle_action import complete, heartbeat
from stepdrain.states.wait_for_pods import wait_for_pods

START = "2026-01-01T00:00:00Z"
T0 = to_epoch_s(START)


def an_event(**drain):
    return {
        "execution": {"StartTime": START, "Name": "i-1"},
        "state": {"EnteredTime": START, "RetryCount": 9, "Name": "X"},
        "drain": {
            "instanceId": "i-1234567890abcdef0",
            "cluster": "demo",
            "lifecycle": {
                "group": "workers",
                "hook": "stepdrain",
                "token": "t",
                "heartbeatTimeout": 1800,
                "globalTimeout": 172_800,
            },
            "node": {"name": "n-1", "uid": "u"},
            **drain,
        },
    }


class Answers:
    """An Auto Scaling that notes what it is told and answers as it was asked to."""

    def __init__(self, error=None):
        self.error, self.told = error, []

    def record_heartbeat(self, lifecycle, instance_id):
        self._note("heartbeat", lifecycle["token"], instance_id)

    def terminated(self, instance_id):
        return False

    def complete_action(self, lifecycle, instance_id, result):
        self._note(result, lifecycle["token"], instance_id)

    def _note(self, *told):
        self.told.append(told)
        if self.error:
            raise self.error


GONE = AwsRejected(
    "CompleteLifecycleAction answered ValidationError: No active Lifecycle Action found with token t"
)


def test_a_record_survives_its_way_through_the_document():
    """Every state reads what the one before it wrote."""
    record = Progress(
        2,
        T0 + 60,
        evicted=3,
        blocked=1,
        blockers=("a/b: held",),
        orphans=("u",),
        emptied_at=T0 + 9,
        detached=True,
    )
    assert from_document(record.to_document(), START) == record


def test_a_redriven_drain_counts_its_heartbeats_from_the_redrive():
    """The last one may be hours old; it says nothing about this run."""
    record = from_document(Progress(2, T0).to_document(), "2026-01-01T05:00:00Z")
    assert record.heartbeat_at == T0 + 5 * 3600


def test_a_heartbeat_begins_a_new_round():
    """The hook is told with the action's own token, and the drain goes on with EvictBatch."""
    auto_scaling = Answers()
    record = heartbeat(parse(an_event()), auto_scaling, T0 + 100)
    assert auto_scaling.told == [("heartbeat", "t", "i-1234567890abcdef0")]
    assert (record.number, record.heartbeat_at, record.next) == (1, T0 + 100, "EvictBatch")


def test_a_heartbeat_for_an_action_that_is_over_stops_the_drain():
    """The instance is going: going on would only pretend."""
    with pytest.raises(LifecycleActionExpired, match="no longer waits for i-1234567890abcdef0"):
        heartbeat(parse(an_event()), Answers(GONE), T0 + 100)


def test_any_other_refusal_of_a_heartbeat_is_not_swallowed():
    """keikoproj/lifecycle-manager #283: heartbeats that stop silently."""
    with pytest.raises(AwsRejected, match="quota"):
        heartbeat(parse(an_event()), Answers(AwsRejected("quota")), T0 + 100)


def test_the_deadline_stops_the_drain_and_names_what_it_waited_for():
    """After one more heartbeat, so that a person has a whole timeout to look (G5)."""
    cause = json.dumps(
        {"errorMessage": "None of 1 pods can be evicted now: shop/web-1: disruption budget web"}
    )
    auto_scaling = Answers()
    with pytest.raises(DrainTimedOut, match="budget web") as caught:
        heartbeat(
            parse(an_event(waited={"Error": "EvictionBlocked", "Cause": cause})), auto_scaling, T0 + 3600
        )
    assert "2026-01-01T01:00:00Z" in str(caught.value)
    assert auto_scaling.told


@pytest.mark.parametrize("on_timeout", ["continue", "abandon"])
def test_the_policy_may_let_the_instance_go_at_the_deadline(on_timeout):
    """G4: only when the policy says to."""
    with pytest.raises(DrainReleased, match=f"onTimeout is {on_timeout}"):
        heartbeat(parse(an_event(policy={"onTimeout": on_timeout})), Answers(), T0 + 3600)


def test_under_force_the_drain_goes_on_past_its_deadline():
    """EvictBatch deletes what is left; Heartbeat must not stop it halfway."""
    assert heartbeat(parse(an_event(policy={"onTimeout": "force"})), Answers(), T0 + 3600).number == 1


def test_a_drained_instance_is_continued():
    """With the token of its own action (G4)."""
    auto_scaling = Answers()
    assert complete(parse(an_event()), auto_scaling) == {
        "result": "CONTINUE",
        "outcome": "drained",
        "reason": "",
    }
    assert auto_scaling.told == [("CONTINUE", "t", "i-1234567890abcdef0")]


def test_an_instance_is_abandoned_only_when_released_by_that_policy():
    """A group's retain policy then keeps it as evidence."""
    released = {"Error": "DrainReleased", "Cause": '{"errorMessage": "over"}'}
    step = parse(an_event(released=released, policy={"onTimeout": "abandon"}))
    assert complete(step, Answers()) == {"result": "ABANDON", "outcome": "released", "reason": "over"}
    assert complete(parse(an_event(policy={"onTimeout": "abandon"})), Answers())["result"] == "CONTINUE"


def test_an_action_that_somebody_else_completed_is_success():
    """G4: "No active Lifecycle Action" means somebody was faster."""
    assert complete(parse(an_event()), Answers(GONE))["result"] == "ALREADY_COMPLETED"


def test_any_other_refusal_of_the_completion_is_raised():
    """Else an instance would hang in Terminating:Wait, reported as drained."""
    with pytest.raises(AwsRejected, match="quota"):
        complete(parse(an_event()), Answers(AwsRejected("quota")))


def test_a_drain_without_a_lifecycle_action_tells_auto_scaling_nothing():
    """A manual start holds no instance."""
    event = an_event()
    del event["drain"]["lifecycle"]
    auto_scaling = Answers()
    assert complete(parse(event), auto_scaling)["result"] == "NONE"
    assert heartbeat(parse(event), auto_scaling, T0).number == 1
    assert auto_scaling.told == []


def test_an_instance_that_never_joined_is_reported_as_such():
    """An operator must be able to tell it from a drained one."""
    assert (
        complete(parse(an_event(neverJoined={"Error": "NodeNotRegistered"})), Answers())["outcome"]
        == "never joined"
    )


def timing(now, yields_at=T0 + 3600):
    return Timing(T0 + now, T0 + 3600, Hook(1800, 172_800), Pace.QUICK, yields_at)


def test_progress_goes_on_without_a_heartbeat_while_none_is_due():
    """A short drain needs none."""
    assert timing(89).onward("EvictBatch", T0) == "EvictBatch"
    assert timing(90).onward("EvictBatch", T0) == "Heartbeat"


def test_progress_at_the_deadline_goes_to_heartbeat():
    """Else EvictBatch and WaitForPods could hand each other the same blocked pod without a pause."""
    assert timing(3600).onward("EvictBatch", T0 + 3599) == "Heartbeat"


def a_pod(deletion_at):
    return Pod("shop", "web-1", "u", "Running", True, {}, {}, "", None, False, 30, 0.0, deletion_at)


class Cluster:
    """One list of pods."""

    def __init__(self, *pods):
        self.pods = list(pods)

    def pods_on(self, node):
        return self

    def watch_until_gone(self, node, listing, leaving, seconds):
        raise AssertionError("a late attempt must not watch")


def test_an_empty_node_ends_the_drain():
    """Nothing evictable is left."""
    event = an_event(policy={"waitForVolumes": False, "waitForTargets": "off"})
    assert wait_for_pods(parse(event), Cluster(), T0, print).next == "CompleteAction"


def test_an_empty_node_whose_volumes_nobody_has_looked_for_is_not_the_end():
    """G4: its volumes are detached first, where the policy asks for it, as it does by default."""
    record = wait_for_pods(parse(an_event()), Cluster(), T0, print)
    assert (record.next, record.emptied_at) == ("WaitForVolumes", T0)
    assert wait_for_pods(parse(an_event()), Cluster(), T0 + 640, print).next == "Heartbeat"


def test_a_pod_that_came_back_is_evicted_again():
    """A pod that names its node lands on it whatever the cordon says."""
    assert wait_for_pods(parse(an_event()), Cluster(a_pod(None), a_pod(T0)), T0, print).next == "EvictBatch"


@pytest.mark.parametrize(
    ("document", "since"), [({}, T0 + 1), ({"cordon": {"at": "2026-01-01T00:10:00Z"}}, T0 + 601)]
)
def test_a_pod_is_new_from_the_second_after_the_cordon(document, since):
    """FindNode may take minutes, and who came meanwhile was never evicted."""
    assert parse(an_event(**document)).cordoned_at == since


@pytest.mark.parametrize(("number", "error", "last"), [(0, PodsRemaining, 3), (1, PodsStillRemaining, 1)])
def test_pods_that_keep_coming_are_evicted_after_a_pause(number, error, last):
    """Each one evicted has a successor at once, and a lap without a pause would use up the history (G8)."""
    event = an_event(progress=Progress(number, T0).to_document(), policy={"drainTimeout": 172_800})
    step, cluster = parse(event), Cluster(replace(a_pod(None), created_at=T0 + 10))
    with pytest.raises(error, match="1 pods came to the node after its cordon: shop/web-1"):
        wait_for_pods(replace(step, attempt=last - 1), cluster, T0 + 20, print)
    assert wait_for_pods(replace(step, attempt=last), cluster, T0 + 20, print).next == "EvictBatch"


def test_leaving_pods_are_asked_for_again_and_named():
    """The console shows the message of each attempt."""
    with pytest.raises(PodsRemaining, match=r"1 evicted pods .* shop/web-1: has until 2026-01-01T00:00:30Z"):
        wait_for_pods(parse(an_event()), Cluster(a_pod(T0 + 30)), T0, print)


def test_leaving_pods_are_asked_for_less_often_in_later_rounds():
    """So that 48 hours fit into the history (G8)."""
    event = an_event(progress=Progress(1, T0).to_document(), policy={"drainTimeout": 172_800})
    with pytest.raises(PodsStillRemaining):
        wait_for_pods(parse(event), Cluster(a_pod(T0 + 30)), T0, print)


def test_a_pressing_heartbeat_comes_before_asking_again():
    """The hook must not run out while the drain waits."""
    assert wait_for_pods(parse(an_event()), Cluster(a_pod(T0 + 830)), T0 + 845, print).next == "Heartbeat"
