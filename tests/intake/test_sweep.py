"""Which waiting instances the sweep starts a drain for, and which late events StartDrain leaves to it."""

from dataclasses import replace

import pytest
from stepdrain.errors import AwsRejected, AwsThrottled
from stepdrain.intake import sweep

NOW = 1_767_225_600.0
HOOK = {"HeartbeatTimeout": 1800, "GlobalTimeout": 172_800}
LOST, DONE = "i-0000000000000000a", "i-0000000000000000b"


def a_group(name="workers", *instances, tags=()):
    return {
        "AutoScalingGroupName": name,
        "Tags": [{"Key": key, "Value": value} for key, value in tags],
        "Instances": [{"InstanceId": one, "LifecycleState": state} for one, state in instances],
    }


class Account:
    """Groups and executions as an account has them; notes what is started."""

    def __init__(self, *groups, executions=(), hook=HOOK, known=()):
        self.all, self.listed, self.made, self.known = groups, executions, hook, set(known)
        self.started, self.asked = {}, []

    def groups(self, names):
        self.asked.append("groups")
        return iter(self.all)

    def executions(self, arn, since):
        self.asked.append("executions")
        self.since = since
        return iter(self.listed)

    def hook(self, group, name):
        self.asked.append("hook")
        if isinstance(self.made, Exception):
            raise self.made
        return self.made

    def start_execution(self, arn, name, document):
        if name in self.known:
            return False
        self.started[name] = document
        return True


def test_an_instance_that_waits_without_an_execution_is_started(settings):
    """Its drain is that of an event, without the token that nobody can tell."""
    account = Account(a_group("workers", (LOST, "Terminating:Wait"), ("i-in", "InService")))
    found = sweep.sweep(settings, account, NOW)
    assert found.to_document() == {"started": [f"{LOST}-sweep"], "left": {}}
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
        executions=[{"name": f"{LOST}-87654321", "status": status}],
    )
    (left,) = sweep.sweep(settings, account, NOW).left
    assert (left.instance, left.needs_help) == (LOST, needs_help)
    assert account.started == {}


def test_an_execution_that_runs_again_counts_before_a_newer_one_that_failed():
    """A redrive keeps the old start date."""
    drains = [{"name": f"{LOST}-b", "status": "FAILED"}, {"name": f"{LOST}-a", "status": "RUNNING"}]
    assert sweep.status_of(LOST, drains) == "RUNNING"
    assert sweep.status_of(DONE, drains) is None


def test_a_retained_instance_is_reported_and_never_drained(settings):
    """An abandoned action left it running as evidence; no action waits for a completion."""
    account = Account(a_group("workers", (LOST, "Terminating:Retained")))
    found = sweep.sweep(settings, account, NOW)
    assert found.left[0].needs_help
    assert account.started == {}


def test_an_idle_sweep_asks_for_the_groups_alone(settings):
    """Most sweeps find nothing; they must not cost more than one request for 50 groups."""
    account = Account(a_group("workers", ("i-in", "InService")))
    sweep.sweep(settings, account, NOW)
    assert account.asked == ["groups"]


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
    assert sweep.sweep(settings, account, NOW).to_document() == {"started": [], "left": {}}


def test_a_prefix_chooses_groups_as_it_does_for_events(settings):
    """Auto Scaling has no filter for a name's beginning, so all groups are read."""
    chosen = replace(settings, group_names=(), group_prefix="work")
    account = Account(
        a_group("workers", (LOST, "Terminating:Wait")), a_group("db", (DONE, "Terminating:Wait"))
    )
    assert sweep.sweep(chosen, account, NOW).started == [f"{LOST}-sweep"]


def test_a_group_without_our_hook_is_left_with_a_warning_and_the_others_go_on(settings):
    """Another tool's hook holds its instances."""
    account = Account(
        a_group("workers", (LOST, "Terminating:Wait")), hook=AwsRejected("workers has no lifecycle hook")
    )
    found = sweep.sweep(settings, account, NOW)
    assert found.warnings == [
        "1 instances of workers wait, but not for this installation: workers has no lifecycle hook"
    ]


def test_throttling_ends_the_sweep(settings):
    """Asking on would make it worse; the next sweep goes on."""
    account = Account(a_group("workers", (LOST, "Terminating:Wait")), hook=AwsThrottled("later"))
    with pytest.raises(AwsThrottled):
        sweep.sweep(settings, account, NOW)


def test_a_sweeps_execution_of_long_ago_is_not_overlooked(settings):
    """Its name is taken for 90 days: a person has to start the second drain, and is told."""
    account = Account(a_group("workers", (LOST, "Terminating:Wait")), known=[f"{LOST}-sweep"])
    (left,) = sweep.sweep(settings, account, NOW).left
    assert left.needs_help
    assert "start it by hand" in left.reason


def test_one_sweep_starts_a_bounded_number(settings):
    """A broken rule can leave hundreds waiting; the next sweep starts the rest."""
    many = [(f"i-{number:017x}", "Terminating:Wait") for number in range(sweep.MOST_STARTS + 5)]
    found = sweep.sweep(settings, Account(a_group("workers", *many)), NOW)
    assert len(found.started) == sweep.MOST_STARTS
    assert len(found.left) == 5


def test_a_bad_tag_is_reported_as_for_an_event(settings):
    """And the drain is started with the installation's value."""
    account = Account(
        a_group("workers", (LOST, "Terminating:Wait"), tags=[("stepdrain:drain-timeout", "soon")])
    )
    found = sweep.sweep(settings, account, NOW)
    assert found.started
    assert "stepdrain:drain-timeout" in found.warnings[0]


SWEPT_AT = 1_767_225_900.0  # 2026-01-01T00:05:00Z


@pytest.mark.parametrize(
    ("time", "swept_at", "covered"),
    [
        ("2026-01-01T00:00:00Z", SWEPT_AT, True),
        ("2026-01-01T00:05:30Z", SWEPT_AT, True),
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
