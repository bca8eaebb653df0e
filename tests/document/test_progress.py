"""The record of a drain, and what comes next."""

import json
from dataclasses import replace

import pytest
from stepdrain.clock import to_epoch_s
from stepdrain.document.progress import Progress, from_document
from stepdrain.document.step import parse
from stepdrain.errors import (
    AwsDenied,
    AwsRejected,
    AwsThrottled,
    DrainReleased,
    DrainTimedOut,
    EvictionBlocked,
    EvictionStillBlocked,
    LifecycleActionExpired,
    PodsRemaining,
    PodsStillRemaining,
    WatchUnavailable,
)
from stepdrain.rules.budgets import Budget
from stepdrain.rules.pods import Pod
from stepdrain.states.evict_batch import evict_batch
from stepdrain.states.lifecycle_action import complete, heartbeat
from stepdrain.states.wait_for_pods import View, wait_for_pods

START = "2026-01-01T00:00:00Z"
T0 = to_epoch_s(START)


class Time:
    """A clock that only pauses move."""

    def __init__(self, now):
        self._now = now

    def now(self):
        return self._now

    def sleep(self, seconds):
        self._now += seconds


def a_step(attempt=9, wait_s=120, policy=None, **record):
    """What an attempt decides by; evictions have been asked for since the last heartbeat, at T0."""
    step = replace(parse(an_event(wait_s=wait_s, policy=policy or {})), attempt=attempt)
    return replace(step, progress=replace(Progress(0, T0, asked_after=T0), **record))


def an_event(wait_s=120, state="X", **drain):
    """A payload of the present definition; ``wait_s`` None: of the first one."""
    return {
        **({} if wait_s is None else {"waitSeconds": wait_s}),
        "execution": {"StartTime": START, "Name": "i-1"},
        "state": {"EnteredTime": START, "RetryCount": 9, "Name": state},
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
    """An Auto Scaling that notes its requests and answers as it was asked to."""

    def __init__(self, error=None):
        self.error, self.asked = error, []

    def record_heartbeat(self, lifecycle, instance_id):
        self._note("heartbeat", lifecycle["token"], instance_id)

    def terminated(self, instance_id):
        return False

    def complete_action(self, lifecycle, instance_id, result):
        self._note(result, lifecycle["token"], instance_id)

    def _note(self, *asked):
        self.asked.append(asked)
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


def test_a_heartbeat_is_sent_with_the_actions_own_token():
    """And the drain goes on; the first time with EvictBatch, which has asked for nothing yet."""
    auto_scaling = Answers()
    record = heartbeat(parse(an_event()), auto_scaling, Time(T0 + 100))
    assert auto_scaling.asked == [("heartbeat", "t", "i-1234567890abcdef0")]
    assert (record.number, record.heartbeat_at, record.next) == (1, T0 + 100, "EvictBatch")


def test_a_heartbeat_for_an_action_that_is_over_stops_the_drain():
    """The instance is going: going on would only pretend."""
    with pytest.raises(LifecycleActionExpired, match="no longer waits for i-1234567890abcdef0"):
        heartbeat(parse(an_event()), Answers(GONE), Time(T0 + 100))


def test_any_other_refusal_of_a_heartbeat_is_not_swallowed():
    """keikoproj/lifecycle-manager #283: heartbeats that stop silently."""
    with pytest.raises(AwsRejected, match="quota"):
        heartbeat(parse(an_event()), Answers(AwsRejected("quota")), Time(T0 + 100))


def test_the_deadline_stops_the_drain_and_names_what_it_waited_for():
    """After one more heartbeat, so that a person has a whole timeout to look (G5)."""
    cause = json.dumps({"errorMessage": "1 pod cannot be evicted now: shop/web-1: disruption budget web"})
    auto_scaling = Answers()
    with pytest.raises(DrainTimedOut, match="budget web") as caught:
        heartbeat(
            parse(an_event(waited={"Error": "EvictionBlocked", "Cause": cause})),
            auto_scaling,
            Time(T0 + 3600),
        )
    assert "2026-01-01T01:00:00Z" in str(caught.value)
    assert auto_scaling.asked


@pytest.mark.parametrize("on_timeout", ["continue", "abandon"])
def test_the_policy_may_let_the_instance_go_at_the_deadline(on_timeout):
    """G4: only when the policy says to."""
    with pytest.raises(DrainReleased, match=f"onTimeout is {on_timeout}"):
        heartbeat(parse(an_event(policy={"onTimeout": on_timeout})), Answers(), Time(T0 + 3600))


def test_under_force_the_instance_goes_a_minute_after_the_deadline():
    """Until then EvictBatch deletes what is left, and Heartbeat must not stop it halfway."""
    step = parse(an_event(policy={"onTimeout": "force"}))
    assert heartbeat(step, Answers(), Time(T0 + 3659)).number == 1
    with pytest.raises(DrainReleased, match="onTimeout is force: the instance is let go"):
        heartbeat(step, Answers(), Time(T0 + 3660))


def test_force_or_fail_holds_an_instance_that_is_not_empty():
    """For who wants to see a pod that nothing removes."""
    with pytest.raises(DrainTimedOut):
        heartbeat(parse(an_event(policy={"onTimeout": "force-or-fail"})), Answers(), Time(T0 + 3660))


def test_a_heartbeat_that_cannot_be_sent_leads_back_to_the_drain():
    """Evictions go on, and it is due again after half a minute."""
    auto_scaling, time = Answers(AwsThrottled("slow down")), Time(T0 + 900)
    record = heartbeat(parse(an_event()), auto_scaling, time)
    assert len(auto_scaling.asked) == 3
    assert time.now() <= T0 + 905
    assert (record.number, record.heartbeat_tried_at, record.next) == (0, time.now(), "EvictBatch")
    document = record.to_document()
    later = parse(an_event(progress=document))
    assert not later.timing(time.now() + 29).heartbeat_due
    assert later.timing(time.now() + 31).heartbeat_due


def test_a_heartbeat_is_denied_for_five_minutes_before_a_person_is_called():
    """A role that is being changed, or credentials that are being renewed."""
    denied = Progress(1, T0, heartbeat_failing_since=T0 + 900, heartbeat_tried_at=T0 + 1170).to_document()
    step = parse(an_event(progress=denied))
    assert heartbeat(step, Answers(AwsDenied("no")), Time(T0 + 1190)).heartbeat_failing_since == T0 + 900
    with pytest.raises(AwsDenied):
        heartbeat(step, Answers(AwsDenied("no")), Time(T0 + 1200))


def test_the_end_comes_also_if_its_heartbeat_cannot_be_sent():
    """A deadline that depends on another service is none."""
    with pytest.raises(DrainTimedOut):
        heartbeat(parse(an_event()), Answers(AwsThrottled("slow down")), Time(T0 + 3600))


def test_a_drained_instance_is_continued():
    """With the token of its own action (G4)."""
    auto_scaling = Answers()
    assert complete(parse(an_event()), auto_scaling) == {
        "result": "CONTINUE",
        "outcome": "drained",
        "reason": "",
    }
    assert auto_scaling.asked == [("CONTINUE", "t", "i-1234567890abcdef0")]


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
    assert heartbeat(parse(event), auto_scaling, Time(T0)).number == 1
    assert auto_scaling.asked == []


def test_an_instance_that_never_joined_is_reported_as_such():
    """An operator must be able to tell it from a drained one."""
    assert (
        complete(parse(an_event(neverJoined={"Error": "NodeNotRegistered"})), Answers())["outcome"]
        == "never joined"
    )


@pytest.mark.parametrize(
    ("document", "since"), [({}, T0 + 1), ({"cordon": {"at": "2026-01-01T00:10:00Z"}}, T0 + 601)]
)
def test_a_pod_is_new_from_the_second_after_the_cordon(document, since):
    """FindNode may take minutes, and who came meanwhile was never evicted."""
    assert parse(an_event(**document)).cordoned_at == since


def a_pod(deletion_at, **fields):
    pod = Pod("shop", "web-1", "u", "Running", True, {}, {}, "", None, False, 30, 0.0, deletion_at)
    return replace(pod, **fields)


class Cluster:
    """A list of pods, and budgets; ``watching`` is what a watch comes to: a view, or why there was none."""

    def __init__(self, *pods, budgets=(), watching=""):
        self.pods, self.found, self.watching, self.lists = list(pods), list(budgets), watching, 0

    def pods_on(self, node):
        self.lists += 1
        return View(node, self.pods, "1")

    def with_budgets(self, view):
        return replace(view, budgets=self.found, budgets_version="1")

    def follow(self, view, seconds, done):
        return view, self.watching

    def daemonsets(self):
        return set()

    def budgets(self):
        return self.found

    def evict(self, doomed, grace_s):
        raise AssertionError("no budget allows it")


def wait(event, cluster, now=T0, attempt=9):
    return wait_for_pods(replace(parse(event), attempt=attempt), cluster, Time(now), now + 120, print)


def test_an_empty_node_ends_the_drain():
    """Nothing evictable is left."""
    event = an_event(policy={"waitForVolumes": False, "waitForTargets": "off"})
    assert wait(event, Cluster()).next == "CompleteAction"


def test_an_empty_node_whose_volumes_nobody_has_looked_for_is_not_the_end():
    """G4: its volumes are detached first, where the policy asks for it, as it does by default."""
    record = wait(an_event(), Cluster())
    assert (record.next, record.emptied_at) == ("WaitForVolumes", T0)


def test_a_pod_that_came_back_is_evicted_again():
    """A pod that names its node lands on it whatever the cordon says."""
    assert wait(an_event(), Cluster(a_pod(None), a_pod(T0))).next == "EvictBatch"


def test_leaving_pods_are_asked_for_again_and_named():
    """The console shows the message of each attempt."""
    with pytest.raises(PodsRemaining, match=r"1 evicted pod .* shop/web-1: has until 2026-01-01T00:00:30Z\."):
        wait(an_event(), Cluster(a_pod(T0 + 30)))


def test_a_pod_past_its_grace_is_named_with_what_keeps_it():
    """A finalizer that nobody takes away is the most frequent reason."""
    overdue = a_pod(T0 - 30, finalizers=("example.com/backup",))
    with pytest.raises(PodsRemaining, match=r"overdue since .*T23:59:30Z, finalizers example.com/backup\."):
        wait(an_event(), Cluster(overdue))


BUDGET = Budget("shop", "web", {}, False, 0, 1, 1, True)


def test_held_pods_are_waited_for_and_named_with_their_budget():
    """What EvictBatch could not evict."""
    with pytest.raises(
        EvictionBlocked, match="shop/web-1: disruption budget web needs 1 healthy pod and has 1"
    ):
        wait(an_event(), Cluster(a_pod(None), budgets=[BUDGET]))


def test_an_attempt_that_could_not_watch_says_so():
    """It is repeated after seconds instead of at once."""
    with pytest.raises(WatchUnavailable, match=r"web-1: has until .*\. Polled, since a watch broke off\."):
        wait(an_event(), Cluster(a_pod(T0 + 3000), watching="a watch broke off"))


def test_the_first_attempt_that_cannot_watch_looks_a_few_times():
    """Most pods leave within seconds, and a poll each ten to thirty would notice it late."""
    cluster = Cluster(a_pod(T0 + 3000), watching="a watch broke off")
    with pytest.raises(WatchUnavailable):
        wait(an_event(), cluster, attempt=0)
    assert cluster.lists == 5


def test_a_heartbeat_that_is_due_comes_before_waiting_and_names_the_pods():
    """The hook must not run out while the drain waits."""
    record = wait(an_event(), Cluster(a_pod(T0 + 900)), T0 + 845)
    assert (record.next, record.then) == ("Heartbeat", "WaitForPods")
    assert record.blockers == ("shop/web-1: has until 2026-01-01T00:15:00Z",)


@pytest.mark.parametrize(("number", "error"), [(0, EvictionBlocked), (1, EvictionStillBlocked)])
def test_an_execution_on_the_first_definition_waits_in_evict_batch(number, error):
    """Its retriers know these two names, and WaitForPods must not wait for budgets there."""
    progress = Progress(number, T0).to_document()
    event = an_event(wait_s=None, progress=progress, policy={"drainTimeout": 172_800})
    cluster = Cluster(a_pod(None), budgets=[BUDGET])
    with pytest.raises(error, match=r"1 pod cannot be evicted now: shop/web-1: .* budget web") as blocked:
        evict_batch(parse(event), cluster, T0 + 10, print)
    assert blocked.value.pods == 1
    assert wait(event, cluster, T0 + 10).next == "EvictBatch"


@pytest.mark.parametrize(("number", "error"), [(0, PodsRemaining), (1, PodsStillRemaining)])
def test_an_execution_on_the_first_definition_meets_its_own_names(number, error):
    """Else an upgrade would end each drain that runs."""
    progress = Progress(number, T0).to_document()
    event = an_event(wait_s=None, progress=progress, policy={"drainTimeout": 172_800})
    with pytest.raises(error):
        wait(event, Cluster(a_pod(T0 + 30), watching="a watch broke off"))
