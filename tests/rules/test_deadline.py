"""Time's decisions, each with its reason; how they fit the Retry fields is in tests/statemachine."""

import pytest
from stepdrain.clock import to_epoch_s
from stepdrain.rules.deadline import (
    Hook,
    ask_at,
    drain_deadline,
    fitting_grace,
    forces,
    heartbeat_after_s,
    hook_of,
    interrupted,
    lap_pause_s,
    rollout_pause_s,
)
from stepdrain.rules.policy import Policy

START = "2026-01-01T00:00:00.000Z"
T0 = to_epoch_s(START)
MANAGED = Hook(1800, 172_800)


def deadline_after(policy_s, hook, redrive=None):
    execution = {"StartTime": START, **({"RedriveTime": redrive} if redrive else {})}
    return drain_deadline(execution, Policy(drain_timeout=policy_s), hook) - T0


def test_the_policy_decides_when_auto_scaling_grants_more():
    """An hour is an hour."""
    assert deadline_after(3600, MANAGED) == 3600


def test_the_machine_caps_at_five_minutes_less_than_48_hours():
    """Else it is cut off before its policy takes effect; two minutes are kept to say how the drain ended."""
    assert deadline_after(172_800, MANAGED) == deadline_after(172_800, None) == 172_500 - 120


def test_a_short_heartbeat_caps_at_100_of_them():
    """min(48 h, 100 × heartbeat timeout): 30 s give 50 minutes."""
    assert deadline_after(172_800, Hook(30, 172_800)) == 3000 - 120


def test_a_redrive_has_a_fresh_deadline():
    """An absolute one would be over before the redriven drain has begun (G5)."""
    assert deadline_after(3600, MANAGED, redrive="2026-01-01T02:00:00.000Z") == 3 * 3600


def test_a_redrive_does_not_stretch_what_auto_scaling_grants():
    """The global limit runs from the first start; a drain beyond it would be cut off unseen."""
    assert deadline_after(172_800, MANAGED, redrive="2026-01-02T00:00:00.000Z") == 172_800 - 120


def test_without_a_lifecycle_action_auto_scaling_does_not_count():
    """A manual drain holds no instance."""
    assert deadline_after(3600, None) == 3600
    assert hook_of(None) is None


@pytest.mark.parametrize(("timeout_s", "after_s"), [(1800, 840), (7200, 3540), (300, 90), (60, 10), (30, 5)])
def test_a_heartbeat_is_due_before_half_of_its_timeout(timeout_s, after_s):
    """The other half is for a heartbeat that fails; a hook made by hand may be very short."""
    assert heartbeat_after_s(Hook(timeout_s, 172_800)) == after_s


def test_a_pod_is_asked_when_its_grace_just_fits():
    """Its budget holds until then (G2), and ten seconds are for the asking."""
    assert ask_at(30, T0 + 100) == T0 + 60


@pytest.mark.parametrize(
    ("own_s", "left_s", "given_s"), [(30, 31, 30), (30, 30, 30), (30, 12.9, 12), (30, -500, 1)]
)
def test_a_grace_is_the_pods_own_where_it_fits_and_never_zero(own_s, left_s, given_s):
    """Grace 0 removes the record before the containers have ended: a StatefulSet pod could run twice."""
    assert fitting_grace(own_s, T0, T0 + left_s) == given_s


@pytest.mark.parametrize(
    ("refused_for_s", "pause_s"), [(0, 2), (60, 2), (600, 20), (3600, 120), (100_000, 120)]
)
def test_what_is_refused_again_and_again_is_asked_for_less_often(refused_for_s, pause_s):
    """Never late by more than a thirtieth of what it has waited, and 48 hours fit into the history (G8)."""
    assert lap_pause_s(refused_for_s) == pause_s


@pytest.mark.parametrize(
    ("drained_for_s", "pause_s"),
    [(0, 10), (30, 10), (60, 20), (180, 60), (1800, 60), (3000, 100), (3600, 120), (9000, 120)],
)
def test_a_rollout_is_looked_at_less_often_the_longer_a_drain_takes(drained_for_s, pause_s):
    """A third of its age, from 10 s to a minute; in the second hour no more often than what is refused."""
    assert rollout_pause_s(drained_for_s) == pause_s


def test_the_hook_of_an_execution_is_read_from_its_input():
    """Both timeouts, each its own."""
    assert hook_of({"heartbeatTimeout": 1800, "globalTimeout": 7200}) == Hook(1800, 7200)


@pytest.mark.parametrize(
    ("hook", "granted_s"),
    [(Hook(7200, 172_800), 172_800), (Hook(1800, 200_000), 172_800), (Hook(1800, 600), 600)],
)
def test_auto_scaling_grants_48_hours_or_less_where_the_hook_says_so(hook, granted_s):
    """From the first start, so that only a redrive comes near it: the machine's own limit is sooner."""
    assert deadline_after(172_500, hook, redrive="2026-01-03T00:00:00.000Z") == granted_s - 120


@pytest.mark.parametrize(("taken_after_s", "until_s"), [(120, 100), (3619, 3599), (3620, 3600), (9000, 3600)])
def test_a_drain_is_done_twenty_seconds_before_ec2_takes_the_instance(taken_after_s, until_s):
    """Whatever the policy would allow, and never later than that."""
    execution = {"StartTime": START}
    assert drain_deadline(execution, Policy(drain_timeout=3600), MANAGED, T0 + taken_after_s) == T0 + until_s


@pytest.mark.parametrize(("taken_after_s", "by_ec2"), [(None, False), (119, True), (120, True), (121, False)])
def test_a_deadline_that_ec2_sets_is_an_interruption(taken_after_s, by_ec2):
    """drain_deadline takes the moment less the margin: that very value is EC2's."""
    ends_at = None if taken_after_s is None else T0 + taken_after_s
    assert interrupted(T0 + 100, ends_at) is by_ec2


@pytest.mark.parametrize(
    ("on_timeout", "by_policy", "under_interruption"),
    [
        ("force", True, True),
        ("force-or-fail", True, True),
        ("fail", False, True),
        ("continue", False, False),
        ("abandon", False, False),
    ],
)
def test_whose_deadline_forces_pods_out(on_timeout, by_policy, under_interruption):
    """Nobody can hold an instance that EC2 takes: there "fail" gives pods their grace, too."""
    policy = Policy(on_timeout=on_timeout)
    assert forces(policy, interrupted=False) is by_policy
    assert forces(policy, interrupted=True) is under_interruption
