"""What a person is told when a drain fails: enough to act on, at 3 a.m., without another tool.

Built from the event ``Step Functions Execution Status Change`` and the execution's last
state (https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stepdrain.clock import to_epoch_s, to_rfc3339
from stepdrain.document.progress import recorded
from stepdrain.document.step import NodeRef
from stepdrain.reporting import links

SUBJECT_CHARACTERS = 99
"""SNS takes less than 100 (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html)."""


@dataclass(frozen=True)
class LastState:
    """The state an execution stood in when it ended, and the document that had gone in."""

    name: str
    document: Mapping[str, Any]
    heartbeat_at: float
    """Epoch seconds at which Auto Scaling last began to count: start, redrive or heartbeat."""
    entered_at: float
    """Epoch seconds at which the state was entered."""


@dataclass(frozen=True)
class Message:
    """A notification as SNS takes it."""

    subject: str
    body: str


@dataclass(frozen=True)
class NodeReport:
    """The same on the Node: which one, of which cluster, and what its Event says."""

    cluster: str
    node: NodeRef
    message: str
    occasion: str
    """Tells this failure from that of an earlier run of the same drain."""


def last_state(history: Sequence[Mapping[str, Any]], started_at: float) -> LastState | None:
    """The last state that was entered, from GetExecutionHistory's events in any order."""
    entered = [event for event in history if "stateEnteredEventDetails" in event]
    if not entered:
        return None
    newest = max(entered, key=lambda event: event["id"])
    details = newest["stateEnteredEventDetails"]
    document = json.loads(details.get("input") or "{}")
    heartbeat_at = (recorded(document) or {}).get("heartbeatAt")
    counting_since = to_epoch_s(heartbeat_at) if heartbeat_at else started_at
    return LastState(details["name"], document, counting_since, newest["timestamp"].timestamp())


def failure(detail: Mapping[str, Any], last: LastState | None, region: str, now: float) -> Message:
    """The message for an execution that failed, timed out or was stopped.

    ``detail`` is the event's; ``now`` is in epoch seconds.
    """
    document = last.document if last else json.loads(detail.get("input") or "{}")
    node = document.get("node", {}).get("name", "not found yet")
    instance, lifecycle = document.get("instanceId") or "none", document.get("lifecycle")
    error = detail.get("error") or detail["status"]
    lines = [
        f"The drain of node {node} (instance {instance}) ended as {detail['status']}.",
        "",
        f"Group:      {lifecycle['group'] if lifecycle else 'none: no lifecycle action'}",
        f"Cluster:    {document.get('cluster') or 'unknown'}",
        f"State:      {last.name if last else 'none was entered'}",
        f"Error:      {error}",
        f"Why:        {_why(detail)}",
        f"Pods:       {_pods(recorded(document) or {})}",
        f"Time left:  {_time_left(lifecycle, last, error, now)}",
        "",
        f"What to do: {links.runbook(error)}",
        "Mend the cause, then redrive; the drain goes on from this state:",
        f"  aws stepfunctions redrive-execution --region {region} --execution-arn {detail['executionArn']}",
        *([f"Look at it: {link}"] if (link := links.execution(region, detail["executionArn"])) else []),
    ]
    subject = f"Stepdrain: drain of {node} {detail['status']} ({error})"
    return Message(subject[:SUBJECT_CHARACTERS], "\n".join(lines))


def on_the_node(detail: Mapping[str, Any], last: LastState | None) -> NodeReport | None:
    """What the Node's Event says about the same failure; None if no node was found, or nobody knows."""
    document = last.document if last else {}
    node = document.get("node")
    if last is None or not node:
        return None
    error = detail.get("error") or detail["status"]
    message = f"Drain {detail['name']} ended as {detail['status']} at {last.name}: {error}: {_why(detail)}"
    occasion = f"{detail['name']}/{detail.get('redriveCount', 0)}"
    return NodeReport(document["cluster"], NodeRef(node["name"], node["uid"]), message, occasion)


def _why(detail: Mapping[str, Any]) -> str:
    cause = detail.get("cause") or "no cause was recorded"
    try:
        return str(json.loads(cause)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        return str(cause)


def _pods(record: Mapping[str, Any]) -> str:
    """The last record of the drain: older than the error's own sentence, and complete."""
    if "evicted" not in record:
        return "none was evicted yet"
    counts = f"{record['evicted']} evicted, {record['leaving']} leaving, {record['blocked']} blocked"
    return "; ".join([counts, *record["blockers"]])


def _time_left(lifecycle: Mapping[str, Any] | None, last: LastState | None, error: str, now: float) -> str:
    if lifecycle is None or last is None:
        return "no instance is held"
    # Heartbeat sends one also when it then ends the drain at its deadline (states.lifecycle_action).
    since = max(last.heartbeat_at, last.entered_at) if error == "DrainTimedOut" else last.heartbeat_at
    until = since + lifecycle["heartbeatTimeout"]
    if until <= now:
        return f"none: Auto Scaling went on at {to_rfc3339(until)}"
    minutes = int((until - now) // 60)
    return f"{minutes} minutes: at {to_rfc3339(until)} Auto Scaling goes on with the instance anyway"
