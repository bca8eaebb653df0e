"""What an execution records: its history, as GetExecutionHistory answers it, or only the count of its events.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

Json = dict[str, Any]
Details = Callable[[], tuple[str, Json]]
"""Makes an event's details and the name they have in it; called only if somebody keeps them."""


class Log(Protocol):
    """Where events go."""

    @property
    def count(self) -> int:
        """Events so far."""

    def add(self, kind: str, details: Details | None = None) -> None:
        """One event of the type ``kind``."""


class Count:
    """Counts events and keeps none: for thousands of executions."""

    def __init__(self) -> None:
        self.count = 0
        self.longest_document = 0
        """Characters of the document as JSON, at its longest."""

    def add(self, kind: str, details: Details | None = None) -> None:
        """One event."""
        self.count += 1
        if kind.endswith("StateEntered") and details is not None:
            self.longest_document = max(self.longest_document, len(details()[1]["input"]))


class History:
    """Keeps the events; ``heard`` gets each as it happens."""

    def __init__(self, now: Callable[[], float], heard: Callable[[Json], None] = lambda _event: None) -> None:
        self.events: list[Json] = []
        self._now, self._heard = now, heard

    @property
    def count(self) -> int:
        """Events so far."""
        return len(self.events)

    def add(self, kind: str, details: Details | None = None) -> None:
        """One event, with the time and the id that Step Functions would give it."""
        number = len(self.events) + 1
        event: Json = {
            "timestamp": datetime.fromtimestamp(self._now(), UTC),
            "type": kind,
            "id": number,
            # The first state is entered from nowhere, not from ExecutionStarted.
            "previousEventId": number - 1 if number > 2 else 0,
        }
        if details is not None:
            name, values = details()
            event[name] = values
        self.events.append(event)
        self._heard(event)


def text(value: Any) -> str:
    """JSON as it stands in an event."""
    return json.dumps(value, separators=(",", ":"))
