"""What 48 hours cost at worst, computed from the rendered file (docs/decisions/0002)."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from stepdrain.rules.policy import LONGEST_SETTLE_S
from stepdrain.states import concurrency_limit, hold_instance

from statemachine import arithmetic
from statemachine.retriers import REFERENCE_HEARTBEAT_S
from stepdrain_cli.doctor.groups import LEAST_HEARTBEAT_S

State = dict[str, Any]

ANY_CASE = 24_000
"""G8; a redrive needs a history shorter than 24,999 (Step Functions, redrive-executions)."""


def test_delays_grow_until_they_are_capped() -> None:
    """The documented rule: interval, times the rate, up to the longest; MaxAttempts of them."""
    retrier = {"IntervalSeconds": 5, "BackoffRate": 2.0, "MaxDelaySeconds": 15, "MaxAttempts": 4}
    assert arithmetic.delays_s(retrier) == [5, 10, 15, 15]


def test_delays_without_numbers_are_those_of_the_service() -> None:
    """1 s, doubled, three times: Step Functions' defaults."""
    assert arithmetic.delays_s({}) == [1, 2, 4]


def test_a_task_that_succeeds_at_once_is_five_events() -> None:
    """Entered, Scheduled, Started, Succeeded, Exited; each further attempt adds three."""
    assert (arithmetic.visit_events(1), arithmetic.visit_events(4)) == (5, 14)


def test_a_lap_ends_when_a_heartbeat_is_due_or_its_retrier_is_used_up() -> None:
    """Two attempts of 420 s reach 840 s and lead on by Next; two at once are caught after a second."""
    state = {"Retry": [{"ErrorEquals": ["PodsRemaining"], "IntervalSeconds": 1, "MaxAttempts": 1}]}
    assert arithmetic.lap(state, "PodsRemaining", 420) == (8 + 2 + 5 + 2, 840)
    assert arithmetic.lap(state, "PodsRemaining") == (8 + 5 + 2, 1)


def test_48_hours_of_watching_stay_below_15_000_events(machine: State) -> None:
    """G8 The longest drain that Auto Scaling allows (48 h), blocked all the time."""
    assert arithmetic.watching_events(machine) < 15_000


def test_48_hours_of_polling_stay_below_21_000_events(machine: State) -> None:
    """G8 A cluster that allows no watch, or a stack that polls."""
    assert arithmetic.polling_events(machine) < 21_000


def test_48_hours_of_refusals_stay_below_22_000_events(machine: State) -> None:
    """G8 A budget that allows an eviction whenever it is looked at, and refuses it whenever it is asked."""
    assert arithmetic.flapping_events(machine) < 22_000


def test_48_hours_without_any_answer_leave_the_execution_redrivable(machine: State) -> None:
    """G8 A cluster that is cut off for two days, or a function that Lambda does not start."""
    assert arithmetic.unanswered_events(machine) < ANY_CASE


def test_48_hours_of_watches_that_end_early_stay_below_the_limit(machine: State) -> None:
    """G8 A proxy that ends each watch after half a minute; one that ends it sooner makes attempts poll."""
    assert arithmetic.short_watches_events(machine, 30) < ANY_CASE


def test_progress_for_48_hours_stays_below_the_limit(machine: State) -> None:
    """G8 A pod every ten minutes, or 250 pods one at a time."""
    assert arithmetic.progress_events(machine, 288, 600) < ANY_CASE
    assert arithmetic.progress_events(machine, 250, 690) < ANY_CASE


def test_the_longest_silence_leaves_time_for_a_heartbeat(machine: State) -> None:
    """Every attempt of a visit fails or hangs: two minutes are left to send one."""
    assert arithmetic.longest_silence_s(machine) < REFERENCE_HEARTBEAT_S - 120


@pytest.mark.parametrize("heartbeat_timeout_s", [30, 300, 600, REFERENCE_HEARTBEAT_S, 7200])
def test_a_turn_outlasts_the_longest_silence(machine: State, heartbeat_timeout_s: int) -> None:
    """Each heartbeat leads to EvictBatch, which renews the lease; a living drain must not lose its turn."""
    silence = arithmetic.longest_silence_s(machine, heartbeat_timeout_s)
    assert concurrency_limit.lease_s(heartbeat_timeout_s) > silence


def test_an_endpoint_that_is_gone_for_ten_minutes_is_survived(machine: State) -> None:
    """CompleteAction has nowhere else to go. FindNode, Label and Cordon go to HoldInstance, which counts."""
    retrier = arithmetic.retrier_of(machine["States"]["CompleteAction"], "AwsUnavailable")
    assert "JitterStrategy" not in retrier
    assert sum(arithmetic.delays_s(retrier)) >= 600
    assert hold_instance.PATIENCE_S >= 600


@pytest.mark.parametrize("settle_s", [0, LONGEST_SETTLE_S])
@pytest.mark.parametrize("heartbeat_timeout_s", [LEAST_HEARTBEAT_S, REFERENCE_HEARTBEAT_S, 3600, 7200])
def test_the_hook_hears_of_a_drain_whose_node_is_not_marked_yet(
    machine: State, heartbeat_timeout_s: int, settle_s: int
) -> None:
    """The hook counts seconds, and a retrier counts repetitions, each of which may take a minute."""
    silence = arithmetic.longest_silence_at_the_start_s(machine, heartbeat_timeout_s, settle_s)
    assert silence < heartbeat_timeout_s


@pytest.mark.parametrize("heartbeat_timeout_s", [LEAST_HEARTBEAT_S, REFERENCE_HEARTBEAT_S, 3600, 7200])
def test_a_drain_all_of_whose_functions_hang_fails_while_the_instance_stands(
    machine: State, heartbeat_timeout_s: int
) -> None:
    """Then nobody counts but the retriers, and nobody holds the instance but the hook's own time."""
    assert arithmetic.longest_until_it_fails_s(machine, heartbeat_timeout_s) < heartbeat_timeout_s


@pytest.mark.parametrize("name", arithmetic.ASKING)
def test_a_round_without_an_answer_is_as_long_as_the_functions_reckon(machine: State, name: str) -> None:
    """If no heartbeat can be sent, HoldInstance must know whether the drain comes back in time."""
    besides = ("AwsDenied", "NodeNotRegistered")
    round_s = arithmetic.visit_s(machine["States"][name], besides)
    assert round_s <= hold_instance.ROUND_S


def test_more_repetitions_or_longer_ones_make_a_longer_silence(machine: State) -> None:
    """The bound looks at the file; and so does the other one."""
    patient = copy.deepcopy(machine)
    patient["States"]["Cordon"]["Retry"][0]["MaxAttempts"] = 60
    patient["States"]["HoldInstance"]["TimeoutSeconds"] += 10
    for bound, least_s in (
        (lambda states: arithmetic.longest_silence_at_the_start_s(states, 1200, 0), 600),
        (lambda states: arithmetic.longest_until_it_fails_s(states, 1200), 170),
    ):
        assert bound(patient) > bound(machine) + least_s


def test_an_instance_that_never_joined_is_known_within_six_minutes(machine: State) -> None:
    """Waiting longer holds an instance for nothing; a node registers within minutes of its launch."""
    delays = arithmetic.delays_s(arithmetic.retrier_of(machine["States"]["FindNode"], "NodeNotRegistered"))
    assert 240 <= sum(delays) <= 360


def test_a_shorter_watch_makes_a_longer_history(machine: State) -> None:
    """The bound looks at the file: with half the watch it must grow."""
    hasty = copy.deepcopy(machine)
    hasty["States"]["WaitForPods"]["Parameters"]["Payload"]["waitSeconds"] //= 2
    assert arithmetic.watching_events(hasty) > 1.3 * arithmetic.watching_events(machine)
