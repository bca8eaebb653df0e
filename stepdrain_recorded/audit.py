"""The cluster's audit log: audit.k8s.io/v1 Events, and what Stepdrain wrote to nodes and pods.

https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from stepdrain.clock import to_epoch_s
from stepdrain.rules.reasons import counted

from stepdrain_recorded.unreadable import Unreadable

AuditEvent = Mapping[str, Any]
EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
CHANGED = ("nodes", "pods")
ROLLED = ("deployments", "statefulsets")
REVIEWS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews")
"""Resources whose create requests are answered, but store nothing."""
WRITING = ("create", "update", "patch", "delete", "deletecollection")


@dataclass(frozen=True)
class Change:
    """A write of Stepdrain to a node or a pod, as the audit log has it."""

    at: str
    kind: str
    """``label``, ``cordon``, ``uncordon``, ``evict``, ``delete``; else the verb and the resource."""
    object: str
    """The node's name or the pod's ``namespace/name``."""
    status: int
    user_agent: str


def writes(audit: Iterable[AuditEvent], user_agent: str = "stepdrain/") -> list[AuditEvent]:
    """Write requests from ``user_agent`` (a prefix), in order, without dry runs and access reviews."""
    return [
        event
        for event in audit
        if event.get("userAgent", "").startswith(user_agent)
        and event["verb"] in WRITING
        and event["objectRef"]["resource"] not in REVIEWS
        and not is_dry_run(event)
    ]


def is_dry_run(event: AuditEvent) -> bool:
    """Whether the request was a dry run, by its query or by the DeleteOptions in its body.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run
    """
    body = event.get("requestObject") or {}
    options = body.get("deleteOptions") or body if isinstance(body, dict) else {}
    query = parse_qs(urlsplit(event.get("requestURI", "")).query)
    return "All" in query.get("dryRun", ()) or "All" in (options.get("dryRun") or ())


def changes(audit: Iterable[AuditEvent], user_agent: str = "stepdrain/") -> list[Change]:
    """Writes of ``user_agent`` (a prefix) to nodes and pods, in order."""
    return [
        _change(event) for event in writes(audit, user_agent) if event["objectRef"]["resource"] in CHANGED
    ]


def rolled(audit: Iterable[AuditEvent], user_agent: str = "stepdrain/") -> dict[str, float]:
    """Workloads that ``user_agent`` rolled (``deployments default/web``), and when it first did (epoch s).

    Any patch of a Deployment or StatefulSet counts: Stepdrain patches them for nothing else.
    """
    first: dict[str, float] = {}
    for event in writes(audit, user_agent):
        reference = event["objectRef"]
        done = event["verb"] == "patch" and event["responseStatus"]["code"] < 300
        if done and reference["resource"] in ROLLED and not reference.get("subresource"):
            workload = f"{reference['resource']} {reference['namespace']}/{reference['name']}"
            first.setdefault(workload, to_epoch_s(event["requestReceivedTimestamp"]))
    return first


def _change(event: AuditEvent) -> Change:
    reference = event["objectRef"]
    name = "/".join(filter(None, (reference.get("namespace"), reference.get("name"))))
    return Change(
        at=event["requestReceivedTimestamp"],
        kind=_kind(event),
        object=name,
        status=event["responseStatus"]["code"],
        user_agent=event["userAgent"],
    )


def _kind(event: AuditEvent) -> str:
    reference, body = event["objectRef"], event.get("requestObject") or {}
    match reference["resource"], reference.get("subresource"), event["verb"]:
        case "pods", "eviction", "create":
            return "evict"
        case "pods", None, "delete":
            return "delete"
        case "nodes", None, "patch" if (body.get("metadata", {}).get("labels") or {}).get(EXCLUDE_LABEL):
            return "label"
        case "nodes", None, "patch" if body.get("spec", {}).get("unschedulable"):
            return "cordon"
        case "nodes", None, "patch" if body.get("spec", {"unschedulable": None}) == {"unschedulable": None}:
            return "uncordon"
    return f"{event['verb']} {reference['resource']}"


def parsed(text: str, source: str) -> list[dict[str, Any]]:
    """The Events of a text, one on each line. Raises Unreadable with the number of the first bad line."""
    events = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
            _ = event["verb"], event["requestReceivedTimestamp"]
        except (ValueError, KeyError, TypeError):
            raise Unreadable(f"{source}, line {number} is not an event of a Kubernetes audit log.") from None
        events.append(event)
    return events


def trail(written: Sequence[Change], completed_with: str) -> list[str]:
    """The drain in four steps, as the audit log of a managed node group's scale-in shows it."""
    started = {kind: next((c for c in written if c.kind == kind), None) for kind in ("label", "cordon")}
    evictions = [change for change in written if change.kind == "evict" and change.status < 300]
    label, cordon = started["label"], started["cordon"]
    lines = []
    if label:
        lines.append(f"1. PATCH node {label.object}: excluded from external load balancers")
    if cordon and label:
        later = to_epoch_s(cordon.at) - to_epoch_s(label.at)
        lines.append(f"2. PATCH node {cordon.object}, {later:.2f} s later: unschedulable")
    named = ", ".join(change.object for change in evictions)
    lines.append(f"3. POST eviction of {counted(len(evictions), 'pod')}: {named}")
    lines.append(f"4. CompleteLifecycleAction {completed_with}: the instance is let go")
    return lines
