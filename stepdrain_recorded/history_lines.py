"""An execution's history for an operator: one line for each event."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stepdrain import errors

HistoryEvent = Mapping[str, Any]


def state_line(event: HistoryEvent) -> str | None:
    """The line for an event of GetExecutionHistory; None if an operator does not need it."""
    kind = event["type"]
    if kind.endswith("StateEntered"):
        return f"-> {event['stateEnteredEventDetails']['name']}"
    if kind in ("TaskFailed", "TaskTimedOut"):
        details = event["taskFailedEventDetails" if kind == "TaskFailed" else "taskTimedOutEventDetails"]
        error = str(details.get("error"))
        return f"   {_kind(error)}{error}: {message(details.get('cause', ''))}"
    if kind == "TaskStateExited":
        return f"<- {event['stateExitedEventDetails']['name']}{_held(event['stateExitedEventDetails'])}"
    if kind.startswith("Execution"):
        return f"== {kind.removeprefix('Execution')}{_why(event)}"
    return None


def _kind(error: str) -> str:
    """What an error means for its state: it asks again, has failed, or (without a word) goes on elsewhere."""
    known = getattr(errors, error, errors.Stopped)
    if issubclass(known, errors.NotYet | errors.Transient):
        return "not yet: "
    return "failed: " if issubclass(known, errors.Stopped) else ""


def _held(exited: Mapping[str, Any]) -> str:
    """What EvictBatch could not evict: WaitForPods says so only when an attempt ends."""
    if exited["name"] != "EvictBatch" or "output" not in exited:
        return ""
    record = json.loads(exited["output"]).get("progress", {})
    return f", not yet: {'; '.join(record['blockers'])}" if record.get("blocked") else ""


def _why(event: HistoryEvent) -> str:
    details = event.get("executionFailedEventDetails")
    return f": {details.get('error')}: {message(details.get('cause', ''))}" if details else ""


def message(cause: str) -> str:
    """The message in a Cause: the errorMessage of Lambda's JSON, or the text itself."""
    try:
        return str(json.loads(cause)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        return cause
