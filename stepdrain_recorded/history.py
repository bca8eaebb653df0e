"""A history of DrainNode as it comes, from a file or from the API: checked, sorted, with times as numbers.

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
HOW = "`aws stepfunctions get-execution-history --execution-arn ARN > history.json` writes one"
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
        raise Unreadable(f"{source} has no list of events: it is no execution history; {HOW}.")
    return checked(events, source)


def checked(events: Sequence[Any], source: str) -> list[Json]:
    """The events with ``timestamp`` in epoch seconds, by id; Unreadable if they are not DrainNode's."""
    if not events:
        raise Unreadable(f"{source} has no events; {HOW}.")
    try:
        ordered = sorted(
            ({**one, "timestamp": _epoch_s(one["timestamp"])} for one in events), key=lambda one: one["id"]
        )
        kinds = [str(one["type"]) for one in ordered]
    except (KeyError, TypeError, ValueError):
        raise Unreadable(
            f"{source} is no execution history: its events lack id, type or a readable timestamp."
        ) from None
    if kinds[0] != "ExecutionStarted":
        raise Unreadable(
            f"{source} begins with {kinds[0]}, not with ExecutionStarted: it is cut off; fetch all of it."
        )
    _refuse_foreign(ordered, source)
    return ordered


def _refuse_foreign(events: Sequence[Json], source: str) -> None:
    states = [one["stateEnteredEventDetails"]["name"] for one in events if "stateEnteredEventDetails" in one]
    if states and not OWN_STATES & set(states):
        named = ", ".join(sorted(set(states))[:5])
        raise Unreadable(f"{source} is the history of another state machine: its states are {named}.")


def _epoch_s(value: Any) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    return float(value) if isinstance(value, int | float) else to_epoch_s(value)
