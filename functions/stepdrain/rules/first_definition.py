"""How often states asked again on the first definition of DrainNode, for executions that still run on it.

They send no length of a watch, and their retriers belong to two error names for each waiting state: one for
the first round and the last minutes, one for the rest. To be removed one version later.
"""

from __future__ import annotations

from enum import StrEnum

from stepdrain.rules.deadline import Hook

HEARTBEAT_DUE_S, NEAR_DEADLINE_S = 90, 900
QUICK_S, SLOW_S, SLOW_AFTER_PODS_S = 30, 228, 543
"""The longest pauses of the retriers: of the quick ones, and of the slow ones before and after the last
pod."""
QUICK_AFTER_PODS_S, ATTEMPT_S = 250, 25
YOUNG_PAUSES = 1
"""Attempts of WaitForPods that only pause where pods keep coming to the cordoned node."""
WATCHED_ATTEMPTS, WATCH_S = 3, 15
"""The first attempts of a visit to WaitForPods that watch, and for how long."""


class Polling(StrEnum):
    """Which of the two retriers takes the error."""

    QUICK = "quick"
    SLOW = "slow"


def polling(heartbeats: int, entered_at: float, deadline: float, hook: Hook | None) -> Polling:
    """How a visit polls: quick before the first heartbeat, near the deadline, and for a short timeout."""
    if heartbeats == 0 or deadline - entered_at < NEAR_DEADLINE_S:
        return Polling.QUICK
    if hook is not None and hook.heartbeat_timeout < 800:
        return Polling.QUICK
    return Polling.SLOW


def polling_after_pods(heartbeats: int, entered_at: float, emptied_at: float | None) -> int:
    """The count of heartbeats that ``polling`` takes for what is waited for after the last pod."""
    quick = emptied_at is None or entered_at - emptied_at < QUICK_AFTER_PODS_S
    return 0 if quick else max(1, heartbeats)


def heartbeat_at(last: float, at: Polling, hook: Hook, slow_s: int) -> float:
    """When the state must give way to Heartbeat: one pause and one attempt before half of the timeout."""
    pause = QUICK_S if at is Polling.QUICK else slow_s
    due = min(HEARTBEAT_DUE_S, hook.heartbeat_timeout / 6)
    return last + max(due, hook.heartbeat_timeout / 2 - pause - ATTEMPT_S)


def watch_s(attempt: int) -> int:
    """Seconds that an attempt of WaitForPods may watch."""
    return WATCH_S if attempt < WATCHED_ATTEMPTS else 0
