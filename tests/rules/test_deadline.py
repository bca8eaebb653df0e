"""Time's decisions, each with its reason; how they fit the Retry fields is in tests/statemachine."""

import pytest
from stepdrain.clock import to_epoch_s
from stepdrain.rules.deadline import (
    Hook,
    Pace,
    drain_deadline,
    forced_grace,
    heartbeat_due,
    heartbeat_pressing,
    hook_of,
    pace,
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


@pytest.mark.parametrize(
    ("number", "left", "hook", "expected"),
    [
        (0, 36_000, MANAGED, Pace.QUICK),
        (1, 36_000, MANAGED, Pace.SLOW),
        (1, 36_000, None, Pace.SLOW),
        (1, 899, MANAGED, Pace.QUICK),
        (1, 36_000, Hook(300, 30_000), Pace.QUICK),
    ],
)
def test_the_pace_is_quick_at_first_near_the_deadline_and_under_short_heartbeats(
    number, left, hook, expected
):
    """Responsive where it matters, slow where only history and heartbeats count."""
    assert pace(number, T0, T0 + left, hook) is expected


def test_a_heartbeat_is_due_after_90_seconds():
    """The bound that the longest round is computed with; a hook of 30 s is asked to wait in time, too."""
    assert not heartbeat_due(T0 + 89, T0, MANAGED)
    assert heartbeat_due(T0 + 90, T0, MANAGED)
    assert heartbeat_due(T0 + 5, T0, Hook(30, 3000))


def test_a_waiting_state_gives_way_before_half_of_the_heartbeat_timeout():
    """One more pause and attempt must still end before it, whatever timeout the hook has."""
    assert not heartbeat_pressing(T0 + 844, T0, Pace.QUICK, MANAGED, T0 + 9999)
    assert heartbeat_pressing(T0 + 845, T0, Pace.QUICK, MANAGED, T0 + 9999)
    assert heartbeat_pressing(T0 + 650, T0, Pace.SLOW, MANAGED, T0 + 9999)
    assert heartbeat_pressing(T0 + 95, T0, Pace.QUICK, Hook(300, 30_000), T0 + 9999)


def test_a_waiting_state_gives_way_at_the_deadline():
    """Heartbeat is where onTimeout takes effect."""
    assert heartbeat_pressing(T0 + 10, T0, Pace.QUICK, MANAGED, T0 + 10)
    assert not heartbeat_pressing(T0 + 9, T0, Pace.QUICK, None, T0 + 10)


def test_force_waits_until_the_time_left_is_the_pods_grace():
    """Each pod has its whole grace and its budget until then (G2)."""
    assert forced_grace(30, T0, T0 + 31) is None
    assert forced_grace(30, T0, T0 + 30) == 30


def test_a_forced_grace_is_clamped_to_the_time_left_and_never_zero():
    """Grace 0 removes the record before the containers have ended: a StatefulSet pod could run twice."""
    assert forced_grace(30, T0, T0 + 12) == 12
    assert forced_grace(30, T0, T0 - 500) == 1
