"""The rules that the numbers satisfy together; the worst cases are computed from the rendered file."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from stepdrain.rules.deadline import Pace
from stepdrain.rules.policy import LONGEST_SETTLE_S
from stepdrain.states import concurrency_limit

from statemachine import arithmetic
from statemachine.pace import REFERENCE_HEARTBEAT_S

State = dict[str, Any]

REDRIVABLE = 24_999
"""A redrive needs a history shorter than this (Step Functions, redrive-executions)."""


def test_delays_grow_until_they_are_capped() -> None:
    """The documented rule: interval, times the rate, up to the longest; MaxAttempts of them."""
    retrier = {"IntervalSeconds": 5, "BackoffRate": 2.0, "MaxDelaySeconds": 15, "MaxAttempts": 4}
    assert arithmetic.delays_s(retrier) == [5, 10, 15, 15]


def test_delays_without_numbers_are_those_of_the_service() -> None:
    """1 s, doubled, three times: Step Functions' defaults."""
    assert arithmetic.delays_s({}) == [1, 2, 4]


def test_a_visit_counts_one_pace_of_a_pair_and_everything_else() -> None:
    """Both paces of a pair never meet in one visit; errors of the moment may meet either."""
    state = {
        "TimeoutSeconds": 10,
        "Retry": [
            {"ErrorEquals": ["PodsRemaining"], "IntervalSeconds": 1, "MaxAttempts": 1},
            {"ErrorEquals": ["PodsStillRemaining"], "IntervalSeconds": 100, "MaxAttempts": 1},
            {"ErrorEquals": ["KubeUnavailable"], "IntervalSeconds": 7, "MaxAttempts": 1},
        ],
    }
    assert arithmetic.worst_visit_s(state) == 100 + 7 + 3 * 10


def test_a_task_that_succeeds_at_once_is_five_events() -> None:
    """Entered, Scheduled, Started, Succeeded, Exited; each further attempt adds three."""
    assert (arithmetic.visit_events(1), arithmetic.visit_events(4)) == (5, 14)


def test_the_longest_round_is_shorter_than_half_a_heartbeat_timeout(machine: State) -> None:
    """Every attempt as long as it may be and every retrier used up: Heartbeat has the other half."""
    assert arithmetic.longest_round_s(machine) < REFERENCE_HEARTBEAT_S / 2


def test_a_heartbeat_that_is_hard_to_send_takes_less_than_the_other_half(machine: State) -> None:
    """Also when Auto Scaling does not answer for ten minutes and throttles besides."""
    assert arithmetic.worst_visit_s(machine["States"]["Heartbeat"]) < REFERENCE_HEARTBEAT_S / 2


def test_even_an_unlucky_round_leaves_time_for_a_heartbeat(machine: State) -> None:
    """Silence in both states, after the longest that waiting may take: five minutes are left."""
    unlucky = arithmetic.unlucky_round_s(machine, REFERENCE_HEARTBEAT_S)
    assert unlucky <= REFERENCE_HEARTBEAT_S - 300


@pytest.mark.parametrize("heartbeat_timeout_s", [30, 300, 600, REFERENCE_HEARTBEAT_S, 7200])
def test_a_turn_outlasts_the_longest_round(machine: State, heartbeat_timeout_s: int) -> None:
    """EvictBatch renews the lease in each round; between two, a living drain must not lose its turn."""
    unlucky = arithmetic.unlucky_round_s(machine, heartbeat_timeout_s)
    assert concurrency_limit.lease_s(heartbeat_timeout_s) > unlucky


@pytest.mark.parametrize("name", ["FindNode", "Label", "Cordon", "Heartbeat", "CompleteAction"])
def test_an_endpoint_that_is_gone_for_ten_minutes_is_survived(machine: State, name: str) -> None:
    """These states have no next round; attempts that fail at once are the worst case."""
    retrier = arithmetic.retrier_of(machine["States"][name], "AwsUnavailable")
    assert "JitterStrategy" not in retrier
    assert sum(arithmetic.delays_s(retrier)) >= 600


def test_ten_minutes_of_silence_before_the_first_heartbeat_are_survived(machine: State) -> None:
    """The hook's clock runs from the termination on, and nothing resets it before Heartbeat."""
    states = machine["States"]
    delays = arithmetic.delays_s(arithmetic.retrier_of(states["Cordon"], "KubeUnavailable"))
    gone = sum(delays) + len(delays) * states["Cordon"]["TimeoutSeconds"]
    attempts = sum(states[n]["TimeoutSeconds"] for n in ("FindNode", "Label", "Cordon"))
    evicting = arithmetic.worst_visit_s(states["EvictBatch"])
    assert gone + attempts + LONGEST_SETTLE_S + evicting < REFERENCE_HEARTBEAT_S


def test_an_instance_that_never_joined_is_known_within_six_minutes(machine: State) -> None:
    """Waiting longer holds an instance for nothing; a node registers within minutes of its launch."""
    delays = arithmetic.delays_s(arithmetic.retrier_of(machine["States"]["FindNode"], "NodeNotRegistered"))
    assert 240 <= sum(delays) <= 360


def test_48_hours_of_waiting_stay_below_10_000_events(machine: State) -> None:
    """G8 The longest drain that Auto Scaling allows (48 h) stays far below the 25,000-event history limit:
    the rest is for redrives, flapping APIs and pods that come back.
    """
    assert arithmetic.history_events(machine, hours=48) < 10_000


def test_48_hours_without_an_answer_leave_the_execution_redrivable(machine: State) -> None:
    """A cluster that is cut off for two days must not make its drains unrepeatable."""
    assert arithmetic.unanswered_events(machine, hours=48) < REDRIVABLE


def test_the_quick_pace_could_not_last_48_hours(machine: State) -> None:
    """The reason for two paces: if this ever fails, one error name per state is enough."""
    assert arithmetic.waiting_rate(machine, Pace.QUICK) * 48 * 3600 > 25_000


def test_a_history_grows_with_the_hours_until_the_machine_times_out(machine: State) -> None:
    """The bound is of the definition: it ends where the machine's own timeout ends it."""
    day, two, week = (arithmetic.history_events(machine, hours) for hours in (24, 48, 168))
    assert day < two == week


def test_a_shorter_pause_makes_a_longer_history(machine: State) -> None:
    """The bound looks at the file: with half the slow pauses it must grow."""
    hasty = copy.deepcopy(machine)
    retrier = arithmetic.retrier_of(hasty["States"]["WaitForPods"], "PodsStillRemaining")
    retrier["IntervalSeconds"] /= 2
    assert arithmetic.history_events(hasty, hours=48) > 1.5 * arithmetic.history_events(machine, hours=48)
