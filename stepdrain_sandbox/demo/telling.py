"""What the demo says: histories and audit logs in the words of an operator. Pure, one line for one event."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from stepdrain_sandbox.guarantees import Change

HistoryEvent = Mapping[str, Any]


def state_line(event: HistoryEvent) -> str | None:
    """What an event of GetExecutionHistory means to an operator; None if it is only plumbing."""
    kind = event["type"]
    if kind.endswith("StateEntered"):
        return f"-> {event['stateEnteredEventDetails']['name']}"
    if kind in ("TaskFailed", "TaskTimedOut"):
        details = event["taskFailedEventDetails" if kind == "TaskFailed" else "taskTimedOutEventDetails"]
        return f"   not yet: {details.get('error')}: {sentence(details.get('cause', ''))}"
    if kind == "TaskStateExited":
        return f"<- {event['stateExitedEventDetails']['name']}"
    if kind.startswith("Execution"):
        return f"== {kind.removeprefix('Execution')}{_why(event)}"
    return None


def _why(event: HistoryEvent) -> str:
    details = event.get("executionFailedEventDetails")
    return f": {details.get('error')}: {sentence(details.get('cause', ''))}" if details else ""


def sentence(cause: str) -> str:
    """What a Cause says: the errorMessage of Lambda's JSON, or the text itself."""
    try:
        return str(json.loads(cause)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        return cause


def pod_lines(before: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What became of the pods between two looks; both map ``namespace/name`` to Pod JSON."""
    lines = []
    for key in sorted(before.keys() - now.keys()):
        lines.append(f"   pod {key} is gone from {_node(before[key])}")
    for key, pod in sorted(now.items()):
        lines += _changes_of(key, before.get(key), pod)
    return lines


def edges(
    attachments: Sequence[Mapping[str, Any]], targets: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """What holds on to instances, each with its state: attached volumes, and load balancer targets.

    ``attachments`` is VolumeAttachment JSON; ``targets`` maps instances to states by target group.
    """
    volumes = {
        f"volume {one['spec']['source'].get('persistentVolumeName')} on {one['spec']['nodeName']}": "attached"
        for one in attachments
    }
    held = {
        f"target {instance} of {name}": state
        for instance, states in targets.items()
        for name, state in states.items()
    }
    return {**volumes, **held}


def edge_lines(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What became of the volumes and targets between two looks; what was there at the first is left out."""
    ended = {"attached": "detached", "draining": "drained"}
    gone = [f"   {what} is {ended.get(before[what], 'gone')}" for what in sorted(before.keys() - now.keys())]
    changed = [
        f"   {what} is {state}" for what, state in sorted(now.items()) if before and before.get(what) != state
    ]
    return gone + changed


def _changes_of(key: str, old: Mapping[str, Any] | None, pod: Mapping[str, Any]) -> list[str]:
    if "deletionTimestamp" in pod["metadata"] and (old is None or "deletionTimestamp" not in old["metadata"]):
        return [f"   pod {key} terminates, grace {pod['metadata'].get('deletionGracePeriodSeconds')} s"]
    if _ready(pod) and (old is None or not _ready(old)):
        return [f"   pod {key} is ready on {_node(pod)}"]
    return []


def _node(pod: Mapping[str, Any]) -> str:
    return str(pod["spec"].get("nodeName", "no node"))


def _ready(pod: Mapping[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or ())


def audit_trail(written: Sequence[Change], completed_with: str) -> list[str]:
    """The drain as four points, in the form of the audit log of a managed node group's scale-in."""
    started = {kind: next((c for c in written if c.kind == kind), None) for kind in ("label", "cordon")}
    evictions = [change for change in written if change.kind == "evict" and change.status < 300]
    label, cordon = started["label"], started["cordon"]
    lines = []
    if label:
        lines.append(f"1. PATCH node {label.object}: excluded from external load balancers")
    if cordon and label:
        later = _seconds(label.at, cordon.at)
        lines.append(f"2. PATCH node {cordon.object}, {later:.2f} s later: unschedulable")
    lines.append(f"3. POST eviction of {len(evictions)} pods: {', '.join(c.object for c in evictions)}")
    lines.append(f"4. CompleteLifecycleAction {completed_with}: the instance is let go")
    return lines


def _seconds(earlier: str, later: str) -> float:
    first, second = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (earlier, later))
    return (second - first).total_seconds()
