"""Turns a history into visits to states, their attempts, and the runs between redrives. Pure.

Events: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
All times are epoch seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stepdrain.document.progress import recorded

from stepdrain_recorded.history_lines import message

Json = dict[str, Any]
ENDS = {
    "ExecutionSucceeded": "SUCCEEDED",
    "ExecutionFailed": "FAILED",
    "ExecutionTimedOut": "TIMED_OUT",
    "ExecutionAborted": "ABORTED",
}
ATTEMPT_ENDS = ("TaskFailed", "TaskTimedOut", "TaskSucceeded", "TaskStartFailed", "TaskSubmitFailed")


@dataclass
class Attempt:
    """One attempt of a Task; ``error`` is "" if it succeeded or still runs."""

    at: float
    ended: float | None = None
    error: str = ""
    cause: str = ""


@dataclass
class Visit:
    """One visit to a state, with all attempts; ``left`` is None if the execution is or ended there."""

    state: str
    entered: float
    attempts: list[Attempt] = field(default_factory=list)
    left: float | None = None
    blockers: list[str] = field(default_factory=list)
    """Pods that were still blocked when EvictBatch had evicted others, each with its reason."""

    @property
    def retries(self) -> int:
        """Attempts after the first."""
        return max(0, len(self.attempts) - 1)

    @property
    def error(self) -> str:
        """The last attempt's error; if the execution went on, a Catch took it."""
        return self.attempts[-1].error if self.attempts else ""


@dataclass
class Timeline:
    """One execution. ``redriven`` has the times of its redrives, ``ended`` is the last event's time."""

    started: float = 0.0
    ended: float = 0.0
    status: str = "RUNNING"
    error: str = ""
    cause: str = ""
    arn: str = ""
    visits: list[Visit] = field(default_factory=list)
    redriven: list[float] = field(default_factory=list)
    failures: list[tuple[float, str, str]] = field(default_factory=list)
    """(time, error, message) of each time the execution ended without success."""
    events: int = 0
    document: Json = field(default_factory=dict)
    """The document as it last passed between two states."""

    @property
    def node(self) -> str:
        """The node's name, "" before FindNode."""
        return str(self.document.get("node", {}).get("name", "") or self.document.get("nodeName", ""))

    @property
    def instance(self) -> str:
        """The instance id, "" for a drain without an instance."""
        return str(self.document.get("instanceId", ""))

    @property
    def retries(self) -> int:
        """The number of retries in all visits."""
        return sum(visit.retries for visit in self.visits)

    @property
    def transitions(self) -> int:
        """What Step Functions bills: each execution of a state, and each retry, is one transition.

        https://aws.amazon.com/step-functions/pricing/
        """
        return len(self.visits) + self.retries

    @property
    def working_s(self) -> float:
        """Seconds in which attempts ran: functions are billed for at least this."""
        attempts = [attempt for visit in self.visits for attempt in visit.attempts]
        return sum((attempt.ended or attempt.at) - attempt.at for attempt in attempts)

    @property
    def last_state(self) -> str:
        """The state that the execution is in or ended in."""
        return self.visits[-1].state if self.visits else ""

    def until(self, visit: Visit) -> float:
        """When the visit ended; for an open visit, when the execution next failed or ended."""
        if visit.left is not None:
            return visit.left
        stops = [at for at, _, _ in self.failures if at >= visit.entered]
        return min(stops, default=self.ended)


def timeline(events: Sequence[Mapping[str, Any]]) -> Timeline:
    """The timeline of events from stepdrain_recorded.history (sorted, times in epoch seconds)."""
    line, document = Timeline(events=len(events)), ""
    for event in events:
        line.ended = event["timestamp"]
        _take(line, event)
        document = _document(event) or document
    try:
        line.document = json.loads(document or "{}")
    except ValueError:
        # Step Functions cuts texts at 256 KiB; a cut document cannot be parsed.
        line.document = {}
    return line


def _document(event: Mapping[str, Any]) -> str:
    started = event.get("executionStartedEventDetails")
    if started:
        return str(started.get("input", ""))
    exited = event.get("stateExitedEventDetails") or event.get("executionSucceededEventDetails")
    entered = event.get("stateEnteredEventDetails")
    return str((exited or {}).get("output") or (entered or {}).get("input") or "")


def _take(line: Timeline, event: Mapping[str, Any]) -> None:
    kind, at = event["type"], event["timestamp"]
    if kind == "ExecutionStarted":
        line.started = at
    elif kind.endswith("StateEntered"):
        line.visits.append(Visit(event["stateEnteredEventDetails"]["name"], at))
    elif kind.endswith("StateExited") and line.visits:
        _leave(line.visits[-1], event, at)
    elif kind == "TaskScheduled":
        _schedule(line, event, at)
    elif kind in ATTEMPT_ENDS:
        _end_attempt(line, event, at)
    elif kind == "ExecutionRedriven":
        line.status, line.error, line.cause = "RUNNING", "", ""
        line.redriven.append(at)
    elif kind in ENDS:
        _end(line, event, at)


def _leave(visit: Visit, event: Mapping[str, Any], at: float) -> None:
    visit.left = at
    if visit.state == "EvictBatch" and not visit.error:
        try:
            output = json.loads(event["stateExitedEventDetails"]["output"])
            visit.blockers = list((recorded(output) or {})["blockers"])
        except (KeyError, TypeError, ValueError):
            visit.blockers = []


def _schedule(line: Timeline, event: Mapping[str, Any], at: float) -> None:
    if line.redriven and line.visits and line.visits[-1].entered < line.redriven[-1]:
        # On a redrive AWS schedules the failed task again without entering its state.
        line.visits.append(Visit(line.visits[-1].state, at))
    if line.visits:
        line.visits[-1].attempts.append(Attempt(at))
    if not line.arn:
        line.arn = _arn(event)


def _arn(event: Mapping[str, Any]) -> str:
    try:
        parameters = json.loads(event["taskScheduledEventDetails"]["parameters"])
        return str(parameters["Payload"]["execution"]["Id"])
    except (KeyError, TypeError, ValueError):
        return ""


def _end_attempt(line: Timeline, event: Mapping[str, Any], at: float) -> None:
    if not line.visits or not line.visits[-1].attempts:
        return
    attempt, kind = line.visits[-1].attempts[-1], event["type"]
    attempt.ended = at
    if kind != "TaskSucceeded":
        details = event.get(f"{kind[0].lower()}{kind[1:]}EventDetails") or {}
        attempt.error = details.get("error") or kind
        attempt.cause = message(details.get("cause") or "")


def _end(line: Timeline, event: Mapping[str, Any], at: float) -> None:
    kind = event["type"]
    line.status = ENDS[kind]
    details = event.get(f"e{kind[1:]}EventDetails") or {}
    line.error, line.cause = details.get("error") or "", message(details.get("cause") or "")
    if line.status != "SUCCEEDED":
        line.failures.append((at, line.error or line.status, line.cause))
