"""The message about a drain that ended: enough to act on at 3 a.m., without another tool.

Built from the event ``Step Functions Execution Status Change`` and the execution's last
state (https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from stepdrain.clock import to_epoch_s, to_rfc3339
from stepdrain.document.progress import recorded
from stepdrain.document.step import NodeRef
from stepdrain.reporting import links, next_steps
from stepdrain.reporting.chat_message import custom_notification
from stepdrain.rules.reasons import counted

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


class Message(NamedTuple):
    """A notification in its two forms, for mail and for chat applications."""

    subject: str
    """Of the mail: one line of less than 100 characters."""
    body: str
    """The mail's text."""
    chat: str
    """JSON text (reporting.chat_message)."""


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


def failure(detail: Mapping[str, Any], last: LastState | None, now: float, runbook: str = "") -> Message:
    """The message for an execution that failed, timed out or was stopped.

    ``detail`` is the event's; ``now`` is in epoch seconds; ``runbook`` the URL of the installation's own.
    """
    document = last.document if last else json.loads(detail.get("input") or "{}")
    node = document.get("node", {}).get("name", "not found yet")
    error, arn = detail.get("error") or detail["status"], detail["executionArn"]
    facts = [*_facts(document, last), ("Error", error), ("Why", _why(detail))]
    facts.append(("Pods", _pods(recorded(document) or {})))
    facts.append(("Time left", _time_left(document, last, error, now)))
    who = (
        document.get("node", {}).get("name") or document.get("instanceId") or document.get("nodeName") or arn
    )
    steps = next_steps.after(error, who, next_steps.flags(arn))
    instance = document.get("instanceId") or "none"
    headline = f"The drain of node {node} (instance {instance}) ended as {detail['status']}."
    subject = f"Stepdrain: drain of {node} {detail['status']} ({error})"
    others = next_steps.without_the_command_line(error, arn)
    where = next_steps.where(error, arn, runbook)
    return _message(subject, headline, facts, steps, others, where, detail.get("name", arn))


def loss(detail: Mapping[str, Any], runbook: str = "") -> Message | None:
    """The message for a drain that succeeded at a price; None if it had none.

    A price: it let go with pods left, never found a node, or deleted pods past their budgets.
    """
    document = json.loads(detail.get("output") or "{}")
    completed = document.get("completed") or {}
    outcome, reason = completed.get("outcome", ""), completed.get("reason", "")
    if outcome not in ("released", "never joined") and not reason:
        return None
    return _success(detail, document, outcome, f"{outcome}, {reason or 'no node was found'}", runbook)


def success(detail: Mapping[str, Any], runbook: str = "") -> Message:
    """The message for a drain that succeeded, whatever it cost."""
    document = json.loads(detail.get("output") or "{}")
    completed = document.get("completed") or {}
    outcome = completed.get("outcome", "")
    end = ", ".join(filter(None, (outcome, completed.get("reason"))))
    return _success(detail, document, outcome, end or "its output is too long for the event", runbook)


def trial(stack: str, region: str, runbook: str = "") -> Message:
    """A message that says that messages arrive."""
    facts = [("Stack", stack), ("Region", region)]
    headline = "This is a test: messages of this installation arrive here."
    where = [("Runbook", links.runbook("", runbook))]
    return _message(f"Stepdrain: test message of {stack}", headline, facts, [], [], where, stack)


def _success(
    detail: Mapping[str, Any], document: Mapping[str, Any], outcome: str, end: str, runbook: str
) -> Message:
    node, instance = document.get("node", {}).get("name"), document.get("instanceId")
    facts = [*_facts(document, None), ("End", end)]
    facts.append(("Pods", _pods(recorded(document) or {}, none="none was evicted")))
    who = f"node {node} (instance {instance or 'none'})" if node else f"instance {instance or detail['name']}"
    section = outcome if outcome in links.OUTCOMES else ""
    where = next_steps.where(section, detail["executionArn"], runbook)
    headline = f"The drain of {who} is over."
    subject = f"Stepdrain: drain of {node or instance or detail['name']} is over ({end})"
    return _message(subject, headline, facts, [], [], where, detail["name"])


def _message(
    subject: str,
    headline: str,
    facts: Sequence[tuple[str, str]],
    steps: next_steps.Steps,
    others: next_steps.Steps,
    where: next_steps.Steps,
    thread: str,
) -> Message:
    listed = [f"{f'{name}:':<12}{value}" for name, value in facts]
    commands = [line for text, command in [*steps, *others] for line in (text, f"  {command}")]
    linked = [f"{f'{name}:':<12}{link}" for name, link in where]
    body = "\n".join([headline, "", *listed, "", *commands, *([""] if commands else []), *linked])
    shown = [f"{text} `{command}`" for text, command in steps]
    shown += [f"{name}: {link}" for name, link in where]
    chat = custom_notification(headline, facts, shown, thread=thread, kind="stepdrain")
    return Message(subject[:SUBJECT_CHARACTERS], body, chat)


def _facts(document: Mapping[str, Any], last: LastState | None) -> list[tuple[str, str]]:
    lifecycle = document.get("lifecycle")
    group = lifecycle["group"] if lifecycle else "none: no lifecycle action"
    facts = [("Group", group), ("Cluster", document.get("cluster") or "unknown")]
    return [*facts, ("State", last.name)] if last else facts


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


def _pods(record: Mapping[str, Any], none: str = "none was evicted yet") -> str:
    """The last record of the drain: older than the error's own sentence, and complete."""
    if "evicted" not in record:
        return none
    counts = f"{record['evicted']} evicted, {record['leaving']} leaving, {record['blocked']} blocked"
    if (record.get("foundAgainIn") or 0) > 0 or record.get("foundAgainIn") == 0:
        counts += (
            " (the node lost its cordon, was registered anew or fell silent meanwhile: Event CordonLost)"
        )
    given_up = [*record.get("stuckPods", ()), *record.get("unendedPods", ())]
    return "; ".join([counts, *record["blockers"], *given_up])


def _time_left(document: Mapping[str, Any], last: LastState | None, error: str, now: float) -> str:
    lifecycle = document.get("lifecycle")
    if "lifecycle" not in document:
        return "unknown: a manual start fails before it is known whether a hook holds the instance"
    if lifecycle is None or last is None:
        return "no instance is held"
    # Heartbeat sends one also when it then ends the drain at its deadline (states.lifecycle_action).
    since = max(last.heartbeat_at, last.entered_at) if error == "DrainTimedOut" else last.heartbeat_at
    until = since + lifecycle["heartbeatTimeout"]
    if until <= now:
        return f"none: Auto Scaling went on at {to_rfc3339(until)}"
    minutes = int((until - now) // 60)
    left = counted(minutes, "minute")
    return f"{left}: at {to_rfc3339(until)} Auto Scaling goes on with the instance anyway"
