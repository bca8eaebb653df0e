"""Reads a history of DrainNode from a file or the API: checks it, sorts it, and turns times into numbers.

Times appear as datetimes (boto3), as RFC 3339 text (AWS CLI 2, our own files) and as epoch
seconds (AWS CLI 1); here they are epoch seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from stepdrain.clock import to_epoch_s

from stepdrain_recorded.unreadable import Unreadable

Json = dict[str, Any]
HOW = "`aws stepfunctions get-execution-history --execution-arn ARN > history.json` writes a history"
OWN_STATES = {"FindNode", "EvictBatch", "CompleteAction"}


def parsed(text: str, source: str) -> list[Json]:
    """The events of a JSON text, oldest first; ``source`` names it in errors.

    The text is GetExecutionHistory's answer or the list of its events. Raises Unreadable for anything else.
    """
    if not text.strip():
        raise Unreadable(f"{source} is empty; {HOW}.")
    try:
        document = json.loads(text)
    except ValueError as error:
        raise Unreadable(f"{source} is not JSON ({error}); {HOW}.") from None
    events = document.get("events") if isinstance(document, Mapping) else document
    if not isinstance(events, list):
        raise Unreadable(f"{source} is not an execution history: it has no list of events; {HOW}.")
    return checked(events, source)


def checked(events: Sequence[Any], source: str) -> list[Json]:
    """The events by id, ``timestamp`` in epoch seconds. Raises Unreadable if they are not DrainNode's."""
    if not events:
        raise Unreadable(f"{source} has no events; {HOW}.")
    try:
        ordered = sorted(
            ({**event, "timestamp": _epoch_s(event["timestamp"])} for event in events),
            key=lambda event: event["id"],
        )
        types = [str(event["type"]) for event in ordered]
    except (KeyError, TypeError, ValueError):
        raise Unreadable(
            f"{source} is not an execution history: its events lack an id, a type or a readable timestamp."
        ) from None
    if types[0] != "ExecutionStarted":
        raise Unreadable(
            f"{source} is cut off: it begins with {types[0]}, not with ExecutionStarted. Fetch all of it."
        )
    _refuse_foreign(ordered, source)
    return ordered


def _refuse_foreign(events: Sequence[Json], source: str) -> None:
    details = "stateEnteredEventDetails"
    states = [event[details]["name"] for event in events if details in event]
    if states and not OWN_STATES & set(states):
        named = ", ".join(sorted(set(states))[:5])
        raise Unreadable(f"{source} is the history of another state machine: its states are {named}.")


def _epoch_s(value: Any) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    return float(value) if isinstance(value, int | float) else to_epoch_s(value)
