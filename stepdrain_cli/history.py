"""A history of DrainNode as it comes: from a file, from the API; checked, sorted, with times as numbers.

Times appear as datetimes (boto3), as RFC 3339 text (AWS CLI 2, our own files) and as epoch
seconds (AWS CLI 1); here they are epoch seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from stepdrain.clock import to_epoch_s

from stepdrain_cli.exits import CommandError

Json = dict[str, Any]
HOW = "`aws stepfunctions get-execution-history --execution-arn ARN > history.json` writes one"
OWN_STATES = {"FindNode", "EvictBatch", "CompleteAction"}


def read(path: Path) -> list[Json]:
    """The events in a file, oldest first; CommandError if it is missing, empty or something else."""
    text = read_text(path)
    if not text.strip():
        raise CommandError(f"{path} is empty; {HOW}.")
    try:
        document = json.loads(text)
    except ValueError as error:
        raise CommandError(f"{path} is not JSON ({error}); {HOW}.") from None
    events = document.get("events") if isinstance(document, Mapping) else document
    if not isinstance(events, list):
        raise CommandError(f"{path} has no list of events: it is no execution history; {HOW}.")
    return checked(events, str(path))


def read_text(path: Path) -> str:
    """A file's text; CommandError if it cannot be read."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}."
        ) from error


def checked(events: Sequence[Any], source: str) -> list[Json]:
    """The events with ``timestamp`` in epoch seconds, by id; CommandError if they are not DrainNode's."""
    if not events:
        raise CommandError(f"{source} has no events; {HOW}.")
    try:
        ordered = sorted(
            ({**one, "timestamp": _epoch_s(one["timestamp"])} for one in events), key=lambda one: one["id"]
        )
        kinds = [str(one["type"]) for one in ordered]
    except (KeyError, TypeError, ValueError):
        raise CommandError(
            f"{source} is no execution history: its events lack id, type or a readable timestamp."
        ) from None
    if kinds[0] != "ExecutionStarted":
        raise CommandError(
            f"{source} begins with {kinds[0]}, not with ExecutionStarted: it is cut off; fetch all of it."
        )
    _refuse_foreign(ordered, source)
    return ordered


def _refuse_foreign(events: Sequence[Json], source: str) -> None:
    states = [one["stateEnteredEventDetails"]["name"] for one in events if "stateEnteredEventDetails" in one]
    if states and not OWN_STATES & set(states):
        named = ", ".join(sorted(set(states))[:5])
        raise CommandError(f"{source} is the history of another state machine: its states are {named}.")


def _epoch_s(value: Any) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    return float(value) if isinstance(value, int | float) else to_epoch_s(value)


def read_audit(path: Path) -> list[Json]:
    """audit.k8s.io/v1 Events, one a line; CommandError naming the line that is none."""
    events = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
            _ = event["verb"], event["requestReceivedTimestamp"]
        except (ValueError, KeyError, TypeError):
            raise CommandError(
                f"{path}, line {number}: this is no event of a Kubernetes audit log."
            ) from None
        events.append(event)
    return events
