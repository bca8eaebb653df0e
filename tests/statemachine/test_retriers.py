"""The numbers: the file carries those of retriers.py, and the functions reckon with the same."""

from __future__ import annotations

import re
from typing import Any

import pytest
from stepdrain.states import cordons_pending
from stepdrain.states.find_node import LISTED_EVERY

from statemachine import retriers
from statemachine.arithmetic import ASKING, WAITING, delays_s, retrier_of, wait_s
from statemachine.retriers import Retrier

State = dict[str, Any]

DECLARED = {
    ("FindNode", "NodeNotRegistered"): retriers.NODE_NOT_REGISTERED,
    ("EvictBatch", "CordonsPending"): retriers.CORDONS,
    ("EvictBatch", "NotYourTurn"): retriers.TURN,
    ("EvictBatch", "KubeUnavailable"): retriers.ASKED_AGAIN,
    ("WaitForPods", "PodsRemaining"): retriers.WATCHED,
    ("WaitForPods", "EvictionBlocked"): retriers.WATCHED,
    ("WaitForPods", "WatchUnavailable"): retriers.POLLED,
    ("WaitForPods", "Lambda.TooManyRequestsException"): retriers.FAILED,
    ("WaitForVolumes", "VolumesAttached"): retriers.WATCHED,
    ("WaitForVolumes", "WatchUnavailable"): retriers.POLLED,
    ("WaitForTargets", "TargetsDraining"): retriers.TARGETS,
    ("WaitForTargets", "AwsUnavailable"): retriers.ASKED_AGAIN,
    ("Cordon", "Lambda.Unknown"): retriers.FAILED_BRIEFLY,
    ("Label", "AwsThrottled"): retriers.THROTTLED_BRIEFLY,
    ("HoldInstance", "Lambda.Unknown"): retriers.TEN_MINUTES,
    ("HoldInstance", "States.Timeout"): retriers.HUNG_TEN_MINUTES,
    ("HoldInstance", "Lambda.TooManyRequestsException"): retriers.THROTTLED,
    ("CompleteAction", "AwsThrottled"): retriers.THROTTLED,
    ("CompleteAction", "AwsDenied"): retriers.DENIED,
    ("Heartbeat", "Lambda.Unknown"): retriers.HEARTBEAT_FAILED,
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
    """A number that is changed and not rendered, or rendered and lost, changes nothing that runs."""
    assert numbers(retrier_of(tasks[state], error)) == DECLARED[state, error]


def test_the_table_of_states_is_that_of_the_files(
    tasks: dict[str, State], admission: dict[str, State]
) -> None:
    """Where a newcomer looks for "the retry interval of EvictBatch", every retrier of the state is named."""
    names = {value: name for name, value in vars(retriers).items() if isinstance(value, Retrier)}
    rendered = {
        name: [names[numbers(retrier)] for retrier in state["Retry"]]
        for name, state in {**admission, **tasks}.items()
    }
    rows = re.findall(r"^    (\w+(?:, \w+)*)  +([A-Z_, ]+)$", retriers.__doc__ or "", re.MULTILINE)
    assert {state: row.split(", ") for states, row in rows for state in states.split(", ")} == rendered
    assert {name for row in rendered.values() for name in row} == set(names.values())


def test_no_pause_is_longer_than_half_a_minute(tasks: dict[str, State], admission: dict[str, State]) -> None:
    """A drain is late by its longest pause: nothing that comes right may wait longer to be noticed."""
    for name, state in {**tasks, **admission}.items():
        for retrier in state["Retry"]:
            assert max(delays_s(retrier)) <= 30, (name, retrier["ErrorEquals"])


def test_what_has_watched_is_repeated_at_once(tasks: dict[str, State]) -> None:
    """It has waited already; a pause after it would only make the drain late."""
    for name, error in (("WaitForPods", "PodsRemaining"), ("WaitForVolumes", "VolumesAttached")):
        assert set(delays_s(retrier_of(tasks[name], error))) == {1}


def test_an_attempt_has_time_for_what_its_payload_lets_it_wait(tasks: dict[str, State]) -> None:
    """Lists before and after a watch, answers that take long, a cold start: else the state gives up first."""
    for name in (*WAITING, *ASKING):
        assert wait_s(tasks[name]) + 20 <= tasks[name]["TimeoutSeconds"], name


@pytest.mark.parametrize("name", ASKING)
def test_there_is_no_pause_between_attempts_that_ask_by_themselves(
    tasks: dict[str, State], name: str
) -> None:
    """Where EC2 takes the instance at a fixed time, an outage must not cost more than it lasts."""
    for error in ("KubeUnavailable", "KubeThrottled", "KubeConflict", "AwsUnavailable"):
        assert all(error not in retrier["ErrorEquals"] for retrier in tasks[name]["Retry"])


def test_the_last_attempt_to_find_a_node_lists_them_all(tasks: dict[str, State]) -> None:
    """An instance counts as never joined only after a look at each node."""
    attempts = retrier_of(tasks["FindNode"], "NodeNotRegistered")["MaxAttempts"]
    assert attempts % LISTED_EVERY == 0


def test_waits_are_exact(tasks: dict[str, State]) -> None:
    """A random delay halves the waits on average, and with them the time that a history lasts.

    But for WaitForTargets, for an hour: a hundred drains in step would be throttled together.
    """
    random = [r["ErrorEquals"] for name in WAITING for r in tasks[name]["Retry"] if "JitterStrategy" in r]
    assert random == [["TargetsDraining"]]


@pytest.mark.parametrize("name", ["FindNode", "Label", "Cordon", "CompleteAction"])
def test_throttled_calls_come_back_at_random(tasks: dict[str, State], name: str) -> None:
    """A group scaled in by a hundred has a hundred drains; in step, each wave is throttled again."""
    assert retrier_of(tasks[name], "AwsThrottled")["JitterStrategy"] == "FULL"


@pytest.mark.parametrize("name", ASKING)
def test_a_throttled_cordon_comes_before_the_evictions_that_wait_for_it(
    tasks: dict[str, State], name: str
) -> None:
    """Others wait for LONGEST_S after the last drain has begun; two pauses at their longest are shorter."""
    pauses = delays_s(retrier_of(tasks[name], "Lambda.TooManyRequestsException"))
    assert 2 * max(pauses) <= cordons_pending.LONGEST_S
    assert sum(pauses) >= cordons_pending.OLDEST_S
