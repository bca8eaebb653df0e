"""Which waiting instances the sweep starts a drain for, and which late events StartDrain leaves to it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from stepdrain.errors import AwsRejected, AwsThrottled
from stepdrain.intake import sweep
from stepdrain.intake.claim import Claims

NOW = 1_767_225_600.0
HOOK = {"HeartbeatTimeout": 1800, "GlobalTimeout": 172_800}
LOST, DONE = "i-0000000000000000a", "i-0000000000000000b"
WAITING_S = 600
"""Seconds for which all instances here have waited."""


def a_group(name="workers", *instances, tags=()):
    return {
        "AutoScalingGroupName": name,
        "Tags": [{"Key": key, "Value": value} for key, value in tags],
        "Instances": [{"InstanceId": instance, "LifecycleState": state} for instance, state in instances],
    }


class Account:
    """Groups and executions as an account has them; notes what is started."""

    def __init__(self, *groups, executions=(), hook=HOOK, known=(), waiting_s=WAITING_S):
        self.all, self.listed, self.made = groups, executions, hook
        self.known = {execution["name"]: execution for execution in known}
        self.waiting_s = waiting_s
        self.started, self.asked = {}, []

    def groups(self, names):
        self.asked.append("groups")
        return iter(self.all)

    def executions(self, arn, since):
        self.asked.append("executions")
        self.since = since
        return list(self.listed)

    def in_progress_since(self, group):
        self.asked.append("activities")
        if self.waiting_s is None:
            return {}
        (instances,) = [g["Instances"] for g in self.all if g["AutoScalingGroupName"] == group]
        return {instance["InstanceId"]: NOW - self.waiting_s for instance in instances}

    def execution(self, arn, name):
        self.asked.append("execution")
        return self.known.get(name)

    def hook(self, group, name):
        self.asked.append("hook")
        if isinstance(self.made, Exception):
            raise self.made
        return self.made

    def start_execution(self, arn, name, document):
        if name in self.known or name in self.started:
            return False
        self.started[name] = document
        return True


class Nothing:
    """Step Functions without an execution."""

    def started_at(self, arn, name):
        return None


def held_by(other=None):
    """Claims of a sweep that waits for nobody: all its own, or ``other``'s."""
    return Claims("arn", Nothing(), lambda _key, owner, _seconds: other or owner, until=0)


free = held_by()


def listed(name, status, started_s_ago=WAITING_S):
    """An execution as ListExecutions shows it."""
    return {"name": name, "status": status, "startDate": datetime.fromtimestamp(NOW - started_s_ago, UTC)}


def described(name, status, started_s_ago=WAITING_S, **document):
    """An execution as the adapter describes it."""
    began = datetime.fromtimestamp(NOW - started_s_ago, UTC).isoformat()
    return {"name": name, "status": status, "startedAt": began, "document": {"lifecycle": HOOK, **document}}


def test_an_instance_that_waits_without_an_execution_is_started(settings):
    """Its drain is that of an event, without the token that nobody can tell."""
    account = Account(a_group("workers", (LOST, "Terminating:Wait"), ("i-in", "InService")))
    found = sweep.sweep(settings, account, free, NOW)
    assert found.to_document() == {"started": [f"{LOST}-sweep"], "returned": [], "left": {}}
    document = account.started[f"{LOST}-sweep"]
    assert document["lifecycle"] == {
        "group": "workers",
        "hook": "stepdrain",
        "heartbeatTimeout": 1800,
        "globalTimeout": 172_800,
        "origin": "AutoScalingGroup",
        "destination": "EC2",
    }
    assert account.since == NOW - 172_800


@pytest.mark.parametrize(
    ("status", "needs_help"),
    [("RUNNING", False), ("SUCCEEDED", False), ("FAILED", True), ("TIMED_OUT", True), ("ABORTED", True)],
)
def test_an_instance_with_an_execution_is_left_alone(settings, status, needs_help):
    """A failed one belongs to its redrive (G5); starting another would hide it."""
    account = Account(
        a_group("workers", (LOST, "Terminating:Wait")),
        executions=[listed(f"{LOST}-87654321", status)],
    )
    (left,) = sweep.sweep(settings, account, free, NOW).left
    assert (left.instance, left.needs_help) == (LOST, needs_help)
    assert account.started == {}


def test_an_instance_that_an_event_has_claimed_is_left_to_it(settings):
    """The list is older than StartDrain's look; its execution is on the way."""
    account = Account(a_group("workers", (LOST, "Terminating:Wait")))
    (left,) = sweep.sweep(settings, account, held_by(f"{LOST}-87654321"), NOW).left
    assert (left.instance, left.needs_help, account.started) == (LOST, False, {})
    assert left.reason == f"execution {LOST}-87654321 has claimed it"


def test_an_execution_that_runs_again_counts_before_a_newer_one_that_failed(settings):
    """A redrive keeps the old start date."""
    account = Account(
        a_group("workers", (LOST, "Terminating:Wait")),
        executions=[listed(f"{LOST}-bbbbbbbb", "FAILED"), listed(f"{LOST}-aaaaaaaa", "RUNNING", 90_000)],
    )
    assert sweep.sweep(settings, account, free, NOW).left[0].reason == "its drain is running"


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"])
def test_a_drain_of_an_earlier_wait_does_not_count(settings, status):
    """The instance came back from a warm pool, served, and is terminated: that drain is another's."""
    earlier = listed(f"{LOST}-87654321", status, started_s_ago=WAITING_S + sweep.SKEW_S + 1)
    account = Account(a_group("workers", (LOST, "Terminating:Wait")), executions=[earlier])
    assert sweep.sweep(settings, account, free, NOW).started == [f"{LOST}-sweep"]


def test_two_clocks_may_disagree_by_a_minute(settings):
    """Step Functions dates the drain, Auto Scaling the wait; the drain never starts first."""
    skewed = listed(f"{LOST}-87654321", "SUCCEEDED", started_s_ago=WAITING_S + sweep.SKEW_S - 1)
    account = Account(a_group("workers", (LOST, "Terminating:Wait")), executions=[skewed])
    assert sweep.sweep(settings, account, free, NOW).started == []


def test_without_the_waits_beginning_any_drain_counts(settings):
    """A second drain is started on evidence alone; here Auto Scaling shows no activity."""
    earlier = listed(f"{LOST}-87654321", "SUCCEEDED", started_s_ago=90_000)
    group = a_group("workers", (LOST, "Terminating:Wait"))
    account = Account(group, executions=[earlier], waiting_s=None)
    assert sweep.sweep(settings, account, free, NOW).started == []


def test_a_drain_that_has_no_lifecycle_action_does_not_count(settings):
    """A spot notice's drain is done, and nobody has let Auto Scaling go on."""
    name = f"{LOST}-spot-20251231T235500Z"
    account = Account(
        a_group("workers", (LOST, "Terminating:Wait")),
        executions=[listed(name, "SUCCEEDED", started_s_ago=300)],
        known=[described(name, "SUCCEEDED", 300, lifecycle=None, reason="spot")],
    )
    assert sweep.sweep(settings, account, free, NOW).started == [f"{LOST}-sweep"]


def test_a_drain_by_hand_that_completes_the_action_counts(settings):
    """FindNode has filled its lifecycle action in; the name says nothing of it."""
    name = f"{LOST}-by-hand"
    account = Account(
        a_group("workers", (LOST, "Terminating:Wait")),
        executions=[listed(name, "FAILED", started_s_ago=300)],
        known=[described(name, "FAILED", 300, lifecycle=None)],
    )
    assert sweep.sweep(settings, account, free, NOW).left[0].needs_help


def test_an_instance_that_has_just_begun_to_wait_is_left_to_its_event(settings):
    """ListExecutions shows an execution seconds after its start: a storm must not be started twice."""
    group = a_group("workers", (LOST, "Terminating:Wait"))
    account = Account(group, waiting_s=sweep.ON_ITS_WAY_S - 1)
    (left,) = sweep.sweep(settings, account, free, NOW).left
    assert (account.started, left.needs_help) == ({}, False)
    account = Account(group, waiting_s=sweep.ON_ITS_WAY_S)
    assert sweep.sweep(settings, account, free, NOW).started == [f"{LOST}-sweep"]


def test_a_root_volume_replacement_is_swept_as_what_it_is(settings):
    """ReplacingRootVolume:Wait: the instance comes back to its group."""
    account = Account(a_group("workers", (LOST, "ReplacingRootVolume:Wait")))
    sweep.sweep(settings, account, free, NOW)
    lifecycle = account.started[f"{LOST}-sweep"]["lifecycle"]
    assert (lifecycle["origin"], lifecycle["destination"]) == ("AutoScalingGroup", "AutoScalingGroup")


def test_a_retained_instance_is_reported_and_never_drained(settings):
    """An abandoned action left it running as evidence; no action waits for a completion."""
    account = Account(a_group("workers", (LOST, "Terminating:Retained")))
    found = sweep.sweep(settings, account, free, NOW)
    assert found.left[0].needs_help
    assert account.started == {}


def test_an_idle_sweep_asks_for_groups_and_drains_alone(settings):
    """Most sweeps find nothing; they must not cost more than two requests."""
    account = Account(a_group("workers", ("i-in", "InService")))
    sweep.sweep(settings, account, free, NOW)
    assert account.asked == ["groups", "executions"]


@pytest.mark.parametrize(
    "group",
    [
        a_group("databases", (LOST, "Terminating:Wait")),
        a_group("workers", (LOST, "Terminating:Wait"), tags=[("eks:nodegroup-name", "managed")]),
        a_group("workers", (LOST, "Terminating:Wait"), tags=[("kubernetes.io/cluster/staging", "owned")]),
    ],
)
def test_a_group_whose_events_start_drain_ignores_is_not_swept(settings, group):
    """One rule for both ways to a drain (stepdrain.intake.lifecycle_events)."""
    account = Account(group)
    assert sweep.sweep(settings, account, free, NOW).to_document() == {
        "started": [],
        "returned": [],
        "left": {},
    }


def test_a_prefix_chooses_groups_as_it_does_for_events(settings):
    """Auto Scaling has no filter for a name's beginning, so all groups are read."""
    chosen = replace(settings, group_names=(), group_prefix="work")
    account = Account(
        a_group("workers", (LOST, "Terminating:Wait")), a_group("db", (DONE, "Terminating:Wait"))
    )
    assert sweep.sweep(chosen, account, free, NOW).started == [f"{LOST}-sweep"]


def test_a_group_without_our_hook_is_left_with_a_warning_and_the_others_go_on(settings):
    """Another tool's hook holds its instances."""
    account = Account(
        a_group("workers", (LOST, "Terminating:Wait")), hook=AwsRejected("workers has no lifecycle hook")
    )
    found = sweep.sweep(settings, account, free, NOW)
    assert found.warnings == [
        "Group workers: 1 instance waiting, but not for this installation: workers has no lifecycle hook"
    ]


def test_throttling_ends_the_sweep(settings):
    """Asking on would make it worse; the next sweep goes on."""
    account = Account(a_group("workers", (LOST, "Terminating:Wait")), hook=AwsThrottled("later"))
    with pytest.raises(AwsThrottled):
        sweep.sweep(settings, account, free, NOW)


def test_a_wait_after_one_that_was_swept_has_a_name_of_its_own(settings):
    """A name is taken for 90 days, in which an instance may be reused and lose its event again."""
    account = Account(
        a_group("workers", (LOST, "Terminating:Wait")),
        known=[described(f"{LOST}-sweep", "SUCCEEDED", 90_000)],
    )
    assert sweep.sweep(settings, account, free, NOW).started == [f"{LOST}-sweep-2"]


def test_a_sweep_that_the_list_does_not_show_yet_is_not_repeated(settings):
    """Two sweeps at once, or Lambda's second attempt: the name says who was first."""
    account = Account(
        a_group("workers", (LOST, "Terminating:Wait")),
        known=[described(f"{LOST}-sweep", "RUNNING", 5)],
    )
    (left,) = sweep.sweep(settings, account, free, NOW).left
    assert (account.started, left.reason, left.needs_help) == ({}, "its drain is running", False)


def test_a_name_that_is_taken_needs_help_where_the_waits_beginning_is_unknown(settings):
    """A person has to start the second drain, and is notified."""
    account = Account(
        a_group("workers", (LOST, "Terminating:Wait")),
        known=[described(f"{LOST}-sweep", "SUCCEEDED", 90_000)],
        waiting_s=None,
    )
    (left,) = sweep.sweep(settings, account, free, NOW).left
    assert left.needs_help
    assert "start it by hand" in left.reason


@pytest.mark.parametrize(
    ("lost", "interval_s", "heartbeat_s", "most"),
    [
        (30, 300, 1800, 100),
        (600, 300, 1800, 200),
        (2000, 300, 1800, 667),
        (2000, 900, 1200, 2000),
        (2000, 120, 7200, 100),
    ],
)
def test_one_sweep_starts_as_many_as_the_hook_leaves_time_for(lost, interval_s, heartbeat_s, most):
    """All are started within half a heartbeat timeout, so that each has the other half."""
    assert sweep.starts_at_once(lost, interval_s, heartbeat_s) == most


def test_what_one_sweep_does_not_start_is_left_to_the_next(settings):
    """A broken rule can leave hundreds waiting."""
    many = [(f"i-{number:017x}", "Terminating:Wait") for number in range(300)]
    found = sweep.sweep(settings, Account(a_group("workers", *many)), free, NOW)
    assert len(found.started) == sweep.starts_at_once(300, 300, 1800) == 100
    assert len(found.left) == 200


def test_a_bad_tag_is_reported_as_for_an_event(settings):
    """And the drain is started with the installation's value."""
    account = Account(
        a_group("workers", (LOST, "Terminating:Wait"), tags=[("stepdrain:drain-timeout", "soon")])
    )
    found = sweep.sweep(settings, account, free, NOW)
    assert found.started
    assert "stepdrain:drain-timeout" in found.warnings[0]


SWEPT_AT = 1_767_225_900.0  # 2026-01-01T00:05:00Z


@pytest.mark.parametrize(
    ("time", "swept_at", "covered"),
    [
        ("2026-01-01T00:00:00Z", SWEPT_AT, True),
        ("2026-01-01T00:05:09Z", SWEPT_AT, True),
        ("2026-01-01T00:05:30Z", SWEPT_AT, False),
        ("2026-01-01T02:00:00Z", SWEPT_AT, False),
        ("2026-01-01T00:00:00Z", None, False),
        ("yesterday", SWEPT_AT, False),
        (None, SWEPT_AT, False),
    ],
)
def test_a_late_event_of_an_action_that_was_swept_is_ignored(time, swept_at, covered):
    """A newer event is of another action: the instance was retained or in a warm pool meanwhile."""
    ignored = sweep.covered({"time": time}, f"{LOST}-sweep", swept_at)
    assert (ignored is not None) is covered


@pytest.mark.parametrize(("age", "fresh"), [(-5, True), (0, True), (29, True), (31, False), (86_400, False)])
def test_no_sweep_can_have_seen_the_wait_of_a_fresh_event(age, fresh):
    """A scale-in of hundreds would use up DescribeExecution's quota for a look that cannot find anything."""
    assert sweep.is_fresh({"time": "2026-01-01T00:00:00Z"}, 1_767_225_600 + age) is fresh


@pytest.mark.parametrize("event", [{}, {"time": None}, {"time": "yesterday"}])
def test_an_event_without_a_time_is_looked_for(event):
    """It may be of any age."""
    assert not sweep.is_fresh(event, 1_767_225_600)
