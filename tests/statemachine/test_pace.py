"""The numbers: the file carries those of pace.py, and the functions reckon with the same."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from stepdrain.rules import deadline

from statemachine import pace
from statemachine.arithmetic import AFTERMATH, FOR_PODS, WAITING, delays_s, retrier_of, silence_s
from statemachine.pace import Retrier

State = dict[str, Any]

DECLARED = {
    ("FindNode", "NodeNotRegistered"): pace.NODE_NOT_REGISTERED,
    ("EvictBatch", "EvictionBlocked"): pace.EVICTION_BLOCKED,
    ("EvictBatch", "EvictionStillBlocked"): pace.EVICTION_STILL_BLOCKED,
    ("WaitForPods", "PodsRemaining"): pace.PODS_REMAINING,
    ("WaitForPods", "PodsStillRemaining"): pace.PODS_STILL_REMAINING,
    ("WaitForVolumes", "VolumesAttached"): pace.VOLUMES_ATTACHED,
    ("WaitForVolumes", "VolumesStillAttached"): pace.VOLUMES_STILL_ATTACHED,
    ("WaitForVolumes", "KubeUnavailable"): pace.WITHIN_THE_AFTERMATH,
    ("WaitForTargets", "TargetsDraining"): pace.TARGETS_DRAINING,
    ("WaitForTargets", "TargetsStillDraining"): pace.TARGETS_STILL_DRAINING,
    ("WaitForTargets", "AwsUnavailable"): pace.WITHIN_THE_AFTERMATH,
    ("EvictBatch", "KubeUnavailable"): pace.WITHIN_A_ROUND,
    ("WaitForPods", "KubeUnavailable"): pace.WITHIN_A_ROUND,
    ("Cordon", "KubeUnavailable"): pace.TEN_MINUTES,
    ("Heartbeat", "AwsUnavailable"): pace.TEN_MINUTES,
    ("CompleteAction", "AwsThrottled"): pace.THROTTLED,
    ("Heartbeat", "AwsThrottled"): pace.HEARTBEAT_THROTTLED,
}


def numbers(retrier: dict[str, Any]) -> Retrier:
    return Retrier(
        interval_s=retrier["IntervalSeconds"],
        rate=retrier["BackoffRate"],
        attempts=retrier["MaxAttempts"],
        longest_s=retrier.get("MaxDelaySeconds"),
        jitter=retrier.get("JitterStrategy") == "FULL",
    )


@pytest.mark.parametrize(("state", "error"), DECLARED)
def test_the_file_carries_the_numbers_of_the_authoring(
    tasks: dict[str, State], state: str, error: str
) -> None:
    """Needs no authoring environment: it finds a file that was edited by hand or not rendered again."""
    assert numbers(retrier_of(tasks[state], error)) == DECLARED[state, error]


def test_the_timeouts_in_the_file_are_those_of_the_authoring(machine: State, tasks: dict[str, State]) -> None:
    """As above."""
    special = {
        "EvictBatch": pace.EVICT_BATCH_TIMEOUT_S,
        "WaitForPods": pace.WAIT_FOR_PODS_TIMEOUT_S,
        "WaitForVolumes": pace.WAIT_FOR_VOLUMES_TIMEOUT_S,
        "WaitForTargets": pace.WAIT_FOR_TARGETS_TIMEOUT_S,
        "Heartbeat": pace.HEARTBEAT_TIMEOUT_S,
    }
    assert machine["TimeoutSeconds"] == pace.MACHINE_TIMEOUT_S == deadline.MACHINE_ENDS_S
    assert {n: s["TimeoutSeconds"] for n, s in tasks.items()} == {
        n: special.get(n, pace.STEP_TIMEOUT_S) for n in tasks
    }


def longest_pause(tasks: dict[str, State], at: deadline.Pace, states: dict[str, Any]) -> float:
    delays = (delays_s(retrier_of(tasks[n], errors[at].__name__)) for n, errors in states.items())
    return max(itertools.chain.from_iterable(delays))


def test_the_functions_know_the_longest_pause_of_each_pace(tasks: dict[str, State]) -> None:
    """heartbeat_pressing gives way in time only if no pause is longer than it reckons with."""
    assert longest_pause(tasks, deadline.Pace.QUICK, WAITING) == deadline.QUICKEST_LONG_POLL_S
    assert longest_pause(tasks, deadline.Pace.SLOW, FOR_PODS) == deadline.SLOWEST_POLL_S
    assert longest_pause(tasks, deadline.Pace.SLOW, AFTERMATH) == deadline.SLOWEST_AFTERMATH_POLL_S


def test_the_functions_know_the_longest_silence_after_the_pods(tasks: dict[str, State]) -> None:
    """They enter such a state only if it can fall silent and still leave half a timeout to Heartbeat."""
    silences = [silence_s(tasks[name]) for name in AFTERMATH]
    assert max(silences) <= deadline.AFTERMATH_SILENCE_S


def test_the_functions_know_the_longest_attempt(tasks: dict[str, State]) -> None:
    """As above, for the attempt after the pause."""
    assert max(tasks[name]["TimeoutSeconds"] for name in WAITING) == deadline.ATTEMPT_S


def test_waits_within_a_round_are_exact(tasks: dict[str, State]) -> None:
    """A random delay halves the waits on average, and with them the time that a history lasts.

    But for the first minutes of WaitForTargets: a hundred drains in step would be throttled together.
    """
    random = [r["ErrorEquals"] for name in WAITING for r in tasks[name]["Retry"] if "JitterStrategy" in r]
    assert random == [["TargetsDraining"]]


@pytest.mark.parametrize("name", ["FindNode", "Label", "Cordon", "Heartbeat", "CompleteAction"])
def test_throttled_calls_come_back_at_random(tasks: dict[str, State], name: str) -> None:
    """A group scaled in by a hundred has a hundred drains; in step, each wave is throttled again."""
    assert retrier_of(tasks[name], "AwsThrottled")["JitterStrategy"] == "FULL"
