"""What an execution's history says about its cost: transitions, invocations, and where time went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Event = Mapping[str, Any]
ENDS = ("TaskSucceeded", "TaskFailed", "TaskTimedOut")
WAITING = ("EvictBatch", "WaitForPods", "WaitForVolumes", "WaitForTargets")


@dataclass(frozen=True)
class Facts:
    """Of one execution; durations in seconds of the world's clock."""

    events: int
    transitions: int
    """As Step Functions bills them: states entered, and retries
    (https://aws.amazon.com/step-functions/pricing/)."""
    invocations: list[tuple[str, float]]
    """State and duration of each attempt of a Task."""
    total_s: float
    paused_s: float
    """Pauses of Retry."""

    @property
    def attempts(self) -> int:
        """Attempts of the states that may ask the cluster again (WAITING)."""
        return sum(state in WAITING for state, _ in self.invocations)

    @property
    def own_s(self) -> float:
        """What the interpreter took for itself: neither a function nor a pause."""
        return self.total_s - self.paused_s - sum(seconds for _, seconds in self.invocations)


def facts(history: Sequence[Event]) -> Facts:
    """From the events of GetExecutionHistory, oldest first, of an execution that has ended."""
    invocations, paused_s, state = [], 0.0, ""
    started = failed_at = None
    for event in history:
        kind, at = event["type"], event["timestamp"].timestamp()
        if kind.endswith("StateEntered"):
            state, failed_at = event["stateEnteredEventDetails"]["name"], None
        elif kind == "TaskScheduled":
            paused_s += at - failed_at if failed_at is not None else 0.0
        elif kind == "TaskStarted":
            started = at
        elif kind in ENDS and started is not None:
            invocations.append((state, at - started))
            failed_at = None if kind == "TaskSucceeded" else at
    entered = sum(event["type"].endswith("StateEntered") for event in history)
    retries = len(invocations) - sum(event["type"] == "TaskStateEntered" for event in history)
    total_s = (history[-1]["timestamp"] - history[0]["timestamp"]).total_seconds()
    return Facts(len(history), entered + retries, invocations, total_s, paused_s)
