"""What the rendered definition can cost at worst: seconds of a round, events of 48 hours.

The functions read the definition (a dict, as parsed from drain_node.asl.json), not the
authoring, so that they judge what is deployed. Sources:

    delays     https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
               each retrier has its own counter, and all start anew when the state is entered
    timeouts   TimeoutSeconds counts for each attempt
               https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html
    limits     25,000 events in an execution; a redrive needs fewer than 24,999
               https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
               https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
    events     TaskStateEntered, TaskStateExited; TaskScheduled, TaskStarted and one of
               TaskSucceeded, TaskFailed, TaskTimedOut for each attempt; Choice and Wait: entered, exited
               https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stepdrain.document.progress import ATTACHED, BLOCKED, DRAINING, REMAINING
from stepdrain.rules.deadline import HEARTBEAT_DUE_S, NEAR_DEADLINE_S, QUICK_AFTERMATH_S, Pace
from stepdrain.rules.policy import LONGEST_DELAY_S
from stepdrain.states.wait_for_targets import MARGIN_S

MOST_PODS = 110
"""Pods on a node by the kubelet's default (maxPods), each supposed to go in a pass of its own."""
CHOICE_EVENTS = WAIT_EVENTS = 2
FOR_PODS = {"EvictBatch": BLOCKED, "WaitForPods": REMAINING}
AFTERMATH = {"WaitForVolumes": ATTACHED, "WaitForTargets": DRAINING}
"""States that wait for what lags behind the pods (stepdrain.states.after_pods)."""
BOUNDED_S = {"WaitForTargets": LONGEST_DELAY_S + MARGIN_S}
"""States that wait no longer than this, whatever the drain's deadline is."""
WAITING = {**FOR_PODS, **AFTERMATH}
"""States that wait, with the error of each pace; a visit raises one of the two only."""
PASSED = {"EvictBatch": 0, "WaitForPods": 1, "WaitForVolumes": 2, "WaitForTargets": 2}
"""Tasks that a round goes through, each at its first attempt, before it comes to wait in this one. (Volumes
that are detached stay so, so that WaitForTargets does not follow WaitForVolumes again.)"""
SILENCE = "KubeUnavailable"
"""Stands for all errors of the retrier that a round has for errors of the moment."""

State = dict[str, Any]


def delays_s(retrier: Mapping[str, Any]) -> list[float]:
    """The delays before each repetition, in seconds; with jitter, the longest they can be."""
    interval, rate = retrier.get("IntervalSeconds", 1), retrier.get("BackoffRate", 2.0)
    longest = retrier.get("MaxDelaySeconds", float("inf"))
    return [min(interval * rate**k, longest) for k in range(retrier.get("MaxAttempts", 3))]


def retrier_of(state: State, error: str) -> dict[str, Any]:
    """The retrier that takes ``error``; KeyError if the state has none."""
    retriers: list[dict[str, Any]] = state["Retry"]
    for retrier in retriers:
        if error in retrier["ErrorEquals"]:
            return retrier
    raise KeyError(error)


def worst_visit_s(state: State) -> float:
    """The longest one visit of a Task can last: all its retriers used up, each attempt timing out.

    Of the two retriers of a pace only the longer one counts, since a visit keeps its pace
    (stepdrain.rules.deadline.pace depends on nothing that changes during a visit).
    """
    return max(_all_used_up_s(state, _retriers_at(state, pace)) for pace in Pace)


def _retriers_at(state: State, pace: Pace) -> list[Mapping[str, Any]]:
    other = {errors[p].__name__ for errors in WAITING.values() for p in Pace if p is not pace}
    return [retrier for retrier in state["Retry"] if not other & set(retrier["ErrorEquals"])]


def _all_used_up_s(state: State, retriers: list[Mapping[str, Any]]) -> float:
    delays = [delay for retrier in retriers for delay in delays_s(retrier)]
    timeout: float = state["TimeoutSeconds"]
    return sum(delays) + (1 + len(delays)) * timeout


def longest_round_s(machine: State) -> float:
    """From one heartbeat to entering the next: what may pass before one is due, and the longest visit.

    A visit to a state of AFTERMATH waits only if it was entered before one was due (states.after_pods.wait).
    """
    return HEARTBEAT_DUE_S + max(worst_visit_s(machine["States"][name]) for name in WAITING)


def unlucky_round_s(machine: State, heartbeat_timeout_s: float) -> float:
    """As longest_round_s, for any order of events, and with every moment's error in both states.

    stepdrain.rules.deadline.heartbeat_pressing lets no attempt that found something to wait for pass
    half of the heartbeat timeout. Attempts that found nothing out (no answer, a timeout) cannot
    decide that; they come on top: at worst those of both states, one after the other. States of
    AFTERMATH are entered only if their silence ends within the half (rules.deadline.late_for_the_aftermath),
    or else follow a heartbeat: then longest_round_s holds.
    """
    for_pods = sum(silence_s(machine["States"][name]) for name in FOR_PODS)
    return max(heartbeat_timeout_s / 2 + for_pods, longest_round_s(machine))


def silence_s(state: State) -> float:
    """The longest that a visit without any answer can last."""
    return _all_used_up_s(state, [retrier_of(state, SILENCE)])


def visit_events(attempts: int) -> int:
    """History events of one visit to a Task that ends by success or a Catch."""
    return 2 + 3 * attempts


def used_up(state: State, error: str) -> tuple[int, float]:
    """Events and seconds of a visit whose every attempt fails at once with ``error``, until Catch."""
    delays = delays_s(retrier_of(state, error))
    return visit_events(1 + len(delays)), sum(delays)


def round_rate(machine: State, name: str, error: str) -> float:
    """Events per second when round after round ends because state ``name`` had only ``error``."""
    events, seconds = used_up(machine["States"][name], error)
    before = PASSED[name] * visit_events(1) + (CHOICE_EVENTS if name in AFTERMATH else 0)
    return (before + events + visit_events(1)) / seconds


def waiting_rate(machine: State, pace: Pace) -> float:
    """Events per second of a drain without progress, in the worst of the waiting states."""
    unbounded = {name: errors for name, errors in WAITING.items() if name not in BOUNDED_S}
    return max(round_rate(machine, name, errors[pace].__name__) for name, errors in unbounded.items())


def progress_events(machine: State) -> float:
    """Events of MOST_PODS passes with one eviction each.

    A pass is EvictBatch, WaitForPods and the Choice. A heartbeat may follow, but not before
    HEARTBEAT_DUE_S have gone by, whose share is in the waiting already.
    """
    heartbeat = visit_events(1) - HEARTBEAT_DUE_S * waiting_rate(machine, Pace.SLOW)
    return MOST_PODS * (2 * visit_events(1) + CHOICE_EVENTS + max(0.0, heartbeat))


def history_events(machine: State, hours: float) -> int:
    """History events, at most, of a drain that waits for ``hours`` (or for the machine's timeout).

    Start and end; FindNode, Label, Cordon, Settle and CompleteAction at their first attempt; a first
    round with both waits used up, and those at the quick pace after the last pod's end; then
    waiting without progress, at the quick pace for the last NEAR_DEADLINE_S; and the passes that
    make progress. Attempts take no time: that is worst here.
    """
    seconds: float = min(hours * 3600, machine["TimeoutSeconds"])
    once = 2 + 4 * visit_events(1) + WAIT_EVENTS
    first = sum(used_up(machine["States"][n], e[Pace.QUICK].__name__)[0] for n, e in FOR_PODS.items())
    first += CHOICE_EVENTS + visit_events(1)
    first += sum(quick_aftermath_events(machine, name) for name in AFTERMATH)
    last = NEAR_DEADLINE_S * waiting_rate(machine, Pace.QUICK)
    first += sum(bounded_events(machine, name) for name in BOUNDED_S)
    between = max(0.0, seconds - NEAR_DEADLINE_S) * waiting_rate(machine, Pace.SLOW)
    return round(once + first + last + between + progress_events(machine))


def quick_aftermath_events(machine: State, name: str) -> int:
    """Events of the rounds that a state of AFTERMATH spends at the quick pace after the last pod's end."""
    error = AFTERMATH[name][Pace.QUICK].__name__
    _, seconds = used_up(machine["States"][name], error)
    # Random delays last half of what they may, on average.
    share = 2 if "JitterStrategy" in retrier_of(machine["States"][name], error) else 1
    rounds = math.ceil(QUICK_AFTERMATH_S / (seconds / share))
    return round(rounds * seconds * round_rate(machine, name, error))


def bounded_events(machine: State, name: str) -> float:
    """What the bounded wait of this state adds to the waiting that is counted for all of the time."""
    rate = round_rate(machine, name, AFTERMATH[name][Pace.SLOW].__name__)
    return BOUNDED_S[name] * max(0.0, rate - waiting_rate(machine, Pace.SLOW))


def unanswered_events(machine: State, hours: float) -> int:
    """As history_events, when one of the waiting states gets no answer for all of the time."""
    seconds: float = min(hours * 3600, machine["TimeoutSeconds"])
    rate = max(round_rate(machine, name, SILENCE) for name in WAITING)
    return round(2 + 4 * visit_events(1) + WAIT_EVENTS + seconds * rate)
