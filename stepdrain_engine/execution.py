"""One execution of a state machine, and what it shows of itself in the context object."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from stepdrain_engine.history import Log

Json = dict[str, Any]
RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED = "RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"


@dataclass
class Execution:
    """RUNNING until it is something else; times in epoch seconds."""

    name: str
    arn: str
    input: Json
    started_at: float
    log: Log
    document: Any = None
    """What flows between the states now."""
    status: str = RUNNING
    error: str = ""
    cause: str = ""
    state: str = ""
    """The state it stands in, or ended in."""
    entered: list[str] = field(default_factory=list)
    redriven_at: float | None = None
    redrives: int = 0

    def started_details(self) -> Json:
        """The details of ExecutionStarted."""
        return {"input": json.dumps(self.input), "inputDetails": {"truncated": False}}

    @property
    def events(self) -> int:
        """Events of its history."""
        return self.log.count

    def context(self, entered_at: float, attempt: int) -> Json:
        """The context object, ``$$``.

        https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html
        """
        execution: Json = {
            "Id": self.arn,
            "Input": self.input,
            "Name": self.name,
            "StartTime": _time(self.started_at),
        }
        if self.redriven_at is not None:
            execution |= {"RedriveCount": self.redrives, "RedriveTime": _time(self.redriven_at)}
        state = {"EnteredTime": _time(entered_at), "Name": self.state, "RetryCount": attempt}
        return {"Execution": execution, "State": state}


def _time(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
