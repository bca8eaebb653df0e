"""What the rendered definition can cost at worst: history events in 48 hours, and seconds without a
heartbeat.

The functions read the definition (a dict, as parsed from drain_node.asl.json), not the authoring, so that
they judge what is deployed. Sources:

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

A *lap* is what lies between two heartbeats of a drain that only waits: attempts of one state, PodsLeft,
Heartbeat, PodsLeft.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stepdrain.rules.deadline import LONGEST_LAP_S, Hook, gives_way_after_s, heartbeat_after_s, lap_pause_s
from stepdrain.states.wait_for_pods import LONG_S
from stepdrain.states.waiting import FIRST_WATCH_S, POLL_S

from statemachine.retriers import REFERENCE_HEARTBEAT_S

CHOICE_EVENTS = WAIT_EVENTS = 2
WAITING = ("EvictBatch", "WaitForPods", "WaitForVolumes", "WaitForTargets")
"""States that wait; all that they retry leads to Heartbeat in the end."""
ASKING = ("FindNode", "Label", "Cordon")
"""States that wait for nothing, and ask again within an attempt; what fails leads to HoldInstance."""
HOLD = "HoldInstance"
ANSWER_S = 10
"""Seconds of an attempt that fails: assumed. One that hangs takes TimeoutSeconds."""
WATCHING = {"WaitForPods": ("PodsRemaining", "EvictionBlocked"), "WaitForVolumes": ("VolumesAttached",)}
"""Those that watch, with the errors of an attempt that did."""
FAILED, UNANSWERED = "Lambda.TooManyRequestsException", "KubeUnavailable"
"""One name for each retrier of what may go wrong."""

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


def wait_s(state: State) -> int:
    """Seconds that an attempt may wait within itself, as the state's payload says."""
    seconds: int = state["Parameters"]["Payload"]["waitSeconds"]
    return seconds


def visit_events(attempts: int) -> int:
    """History events of one visit to a Task that ends by success or a Catch."""
    return 2 + 3 * attempts


def heartbeat_after(heartbeat_timeout_s: float = REFERENCE_HEARTBEAT_S) -> float:
    """Seconds after a heartbeat at which an attempt that waits gives way to the next one."""
    return heartbeat_after_s(Hook(int(heartbeat_timeout_s), 0))


def lap(state: State, error: str, attempt_s: float = 0.0, first_s: float | None = None) -> tuple[int, float]:
    """Events and seconds of a lap in which each attempt takes ``attempt_s`` and ends with ``error``.

    ``first_s``: what the first takes, where that is less.

    It ends when a heartbeat is due, by Next, or when the retrier is used up, by Catch.
    """
    due, seconds, attempts = heartbeat_after(), attempt_s if first_s is None else first_s, 1
    for delay in delays_s(retrier_of(state, error)):
        if seconds >= due:
            break
        seconds, attempts = seconds + delay + attempt_s, attempts + 1
    by_next = CHOICE_EVENTS if seconds >= due else 0
    return visit_events(attempts) + by_next + visit_events(1) + CHOICE_EVENTS, min(seconds, due)


def rate(state: State, error: str, attempt_s: float = 0.0, first_s: float | None = None) -> float:
    """Events per second of lap after lap."""
    events, seconds = lap(state, error, attempt_s, first_s)
    return events / seconds


def lasting_s(machine: State) -> float:
    """Seconds that an execution can last."""
    return float(machine["TimeoutSeconds"])


def once(machine: State) -> int:
    """Events of what happens once: start and end, each Task at its first attempt that neither waits nor sends
    heartbeats, and EvictBatch's wait for the cordons of other nodes."""
    states = machine["States"]
    tasks: int = sum(state["Type"] == "Task" for state in states.values()) - len(WAITING) - 2
    cordons = retrier_of(states["EvictBatch"], "CordonsPending")["MaxAttempts"]
    return 2 + tasks * visit_events(1) + WAIT_EVENTS + visit_events(cordons)


def watching_events(machine: State) -> int:
    """Events of a drain that watches for 48 hours, and nothing happens."""
    states = machine["States"]
    worst = max(
        rate(states[name], error, wait_s(states[name]), FIRST_WATCH_S)
        for name, errors in WATCHING.items()
        for error in errors
    )
    return round(once(machine) + lasting_s(machine) * worst)


def short_watches_events(machine: State, lasted_s: float) -> int:
    """As above where each watch ends after ``lasted_s`` seconds without an event."""
    states = machine["States"]
    worst = max(
        rate(states[name], errors[0], lasted_s, min(lasted_s, FIRST_WATCH_S))
        for name, errors in WATCHING.items()
    )
    return round(once(machine) + lasting_s(machine) * worst)


def polling_events(machine: State) -> int:
    """Events of a drain that cannot watch for 48 hours; from the second hour on WaitForPods looks twice."""
    states, seconds = machine["States"], lasting_s(machine)
    volumes = seconds * rate(states["WaitForVolumes"], "WatchUnavailable")
    late_s = POLL_S - 1
    pods = LONG_S * rate(states["WaitForPods"], "WatchUnavailable")
    pods += (seconds - LONG_S) * rate(states["WaitForPods"], "WatchUnavailable", late_s)
    turns = seconds * rate(states["EvictBatch"], "NotYourTurn")
    return round(once(machine) + max(volumes, pods, turns))


def flapping_events(machine: State) -> int:
    """Events of a drain that for 48 hours is refused whatever it asks for, as soon as it may ask again.

    A pass is EvictBatch, an attempt of WaitForPods that lasts the pause, and PodsLeft; heartbeats come
    between.
    """
    states, seconds, events = machine["States"], 0.0, 0
    attempts = -(-LONGEST_LAP_S // wait_s(states["WaitForPods"]))
    while seconds < lasting_s(machine):
        pause = lap_pause_s(seconds)
        events += visit_events(1) + visit_events(attempts) + CHOICE_EVENTS
        seconds += pause
    heartbeats = seconds / heartbeat_after() * (visit_events(1) + visit_events(1) + 2 * CHOICE_EVENTS)
    return round(once(machine) + events + heartbeats)


def unanswered_events(machine: State) -> int:
    """Events of a drain one of whose states gets no answer for 48 hours, of the cluster or of Lambda."""
    rates = []
    for name in WAITING:
        state = machine["States"][name]
        rates += [rate(state, FAILED), rate(state, UNANSWERED, wait_s(state))]
        rates.append((visit_events(1) + visit_events(1) + CHOICE_EVENTS) / state["TimeoutSeconds"])
    return round(once(machine) + lasting_s(machine) * max(rates))


def progress_events(machine: State, pods: int, every_s: float) -> int:
    """Events of ``pods`` that leave one at a time, one in ``every_s`` seconds, by watching."""
    state = machine["States"]["WaitForPods"]
    attempts = 2 + int(every_s // (wait_s(state) + 1))
    each = visit_events(1) + visit_events(attempts) + CHOICE_EVENTS
    heartbeats = pods * every_s / heartbeat_after() * (visit_events(1) + visit_events(1) + 2 * CHOICE_EVENTS)
    return round(once(machine) + pods * each + heartbeats)


def longest_silence_s(machine: State, heartbeat_timeout_s: float = REFERENCE_HEARTBEAT_S) -> float:
    """The longest from one heartbeat to entering the next state Heartbeat, in seconds.

    An attempt that answers gives way in time. What comes on top is what can go wrong after that: attempts
    that fail at once, until their retrier is used up, and one that hangs, which leads to Heartbeat by itself.
    """
    states = [machine["States"][name] for name in WAITING]
    return heartbeat_after(heartbeat_timeout_s) + max(_failing_s(state) for state in states)


def visit_s(state: State, besides: tuple[str, ...] = ()) -> float:
    """The longest visit of a state, in seconds: all attempts of one retrier fail, and a last one hangs.

    ``besides``: errors whose retriers do not count.
    """
    retriers = [retrier for retrier in state["Retry"] if not set(besides) & set(retrier["ErrorEquals"])]
    repeated: float = max(sum(delays_s(retrier)) + len(delays_s(retrier)) * ANSWER_S for retrier in retriers)
    return repeated + float(state["TimeoutSeconds"])


def longest_silence_at_the_start_s(machine: State, heartbeat_timeout_s: float, settle_s: int) -> float:
    """The longest from the drain's start, or from HoldInstance, to the next heartbeat, in seconds.

    One state is in trouble, and the others answer, if only at the last moment. Label and Cordon give way if
    they begin late; FindNode always asks.
    """
    states = machine["States"]
    gives_way_s = gives_way_after_s(Hook(int(heartbeat_timeout_s), 0), settle_s)
    find, mark, protect, evict = (states[name] for name in (*ASKING, "EvictBatch"))
    marked = gives_way_s + max(visit_s(mark), visit_s(protect))
    evicting = max(
        gives_way_s + visit_s(protect) + settle_s + evict["TimeoutSeconds"],
        gives_way_s + protect["TimeoutSeconds"] + settle_s + _failing_s(evict),
    )
    return max(visit_s(find) + float(mark["TimeoutSeconds"]), marked, float(evicting))


def longest_until_it_fails_s(machine: State, heartbeat_timeout_s: float) -> float:
    """As above to the end of an execution of which, from some moment on, every function hangs."""
    states = machine["States"]
    gives_way_s = gives_way_after_s(Hook(int(heartbeat_timeout_s), 0), 0)
    hung = retrier_of(states[HOLD], "States.Timeout")
    attempts = len(delays_s(hung)) + 1
    holding = sum(delays_s(hung)) + attempts * float(states[HOLD]["TimeoutSeconds"])
    return gives_way_s + max(float(states[name]["TimeoutSeconds"]) for name in ASKING) + holding


def _failing_s(state: State) -> float:
    return sum(delays_s(retrier_of(state, FAILED))) + float(state["TimeoutSeconds"])
