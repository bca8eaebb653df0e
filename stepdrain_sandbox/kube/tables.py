"""What ``kubectl get`` prints: Tables with the columns people know, where the client asks for them.

https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables;
the columns are those of kubernetes/kubernetes pkg/printers/internalversion/printers.go. The
last flag of a column says that it is shown with ``-o wide`` only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from stepdrain_sandbox.kube.requests import Request

Json = dict[str, Any]
Cell = Callable[[Json, float], Any]
Column = tuple[str, Cell, bool]


def _name(obj: Json, _now: float) -> str:
    return str(obj["metadata"]["name"])


def _age(obj: Json, now: float) -> str:
    created = datetime.fromisoformat(obj["metadata"]["creationTimestamp"].replace("Z", "+00:00"))
    return duration(max(0, int(now - created.timestamp())))


def duration(seconds: int) -> str:
    """``5s``, ``7m``, ``3h``, ``2d``: roughly as kubectl writes ages."""
    for unit, length, least in (("d", 86_400, 2), ("h", 3600, 2), ("m", 60, 2)):
        if seconds >= length * least:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _field(path: str, default: Any = "") -> Cell:
    def cell(obj: Json, _now: float) -> Any:
        value: Any = obj
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return default if value is None else value

    return cell


def _pod_ready(pod: Json, _now: float) -> str:
    containers = len(pod["spec"].get("containers") or ())
    up = sum(bool(container.get("ready")) for container in pod["status"].get("containerStatuses") or ())
    return f"{up}/{containers}"


def _pod_status(pod: Json, _now: float) -> str:
    return (
        "Terminating"
        if "deletionTimestamp" in pod["metadata"]
        else str(pod["status"].get("phase", "Unknown"))
    )


def _node_status(node: Json, _now: float) -> str:
    conditions = (node.get("status") or {}).get("conditions") or ()
    up = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    cordoned = ",SchedulingDisabled" if node["spec"].get("unschedulable") else ""
    return ("Ready" if up else "NotReady") + cordoned


def _event_object(event: Json, _now: float) -> str:
    concerned = event.get("involvedObject") or {}
    return f"{str(concerned.get('kind', '')).lower()}/{concerned.get('name', '')}"


def _nothing(_obj: Json, _now: float) -> str:
    return "<none>"


NAME: Column = ("Name", _name, False)
AGE: Column = ("Age", _age, False)
COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "pods": (
        NAME,
        ("Ready", _pod_ready, False),
        ("Status", _pod_status, False),
        ("Restarts", lambda _pod, _now: 0, False),
        AGE,
        ("IP", _field("status.podIP", "<none>"), True),
        ("Node", _field("spec.nodeName", "<none>"), True),
        ("Nominated Node", _nothing, True),
        ("Readiness Gates", _nothing, True),
    ),
    "nodes": (
        NAME,
        ("Status", _node_status, False),
        ("Roles", _nothing, False),
        AGE,
        ("Version", _field("status.nodeInfo.kubeletVersion", "v1.36.2"), False),
    ),
    "poddisruptionbudgets": (
        NAME,
        ("Min Available", _field("spec.minAvailable", "N/A"), False),
        ("Max Unavailable", _field("spec.maxUnavailable", "N/A"), False),
        ("Allowed Disruptions", _field("status.disruptionsAllowed", 0), False),
        AGE,
    ),
    "replicasets": (
        NAME,
        ("Desired", _field("spec.replicas", 1), False),
        ("Current", _field("status.replicas", 0), False),
        ("Ready", _field("status.readyReplicas", 0), False),
        AGE,
    ),
    "events": (
        ("Last Seen", _age, False),
        ("Type", _field("type"), False),
        ("Reason", _field("reason"), False),
        ("Object", _event_object, False),
        ("Message", _field("message"), False),
    ),
    "namespaces": (NAME, ("Status", _field("status.phase"), False), AGE),
    "volumeattachments": (
        NAME,
        ("Attacher", _field("spec.attacher"), False),
        ("PV", _field("spec.source.persistentVolumeName"), False),
        ("Node", _field("spec.nodeName"), False),
        ("Attached", _field("status.attached", False), False),
        AGE,
    ),
}
PLAIN = (NAME, AGE)


def shaped(request: Request, body: Json, now: float) -> Json:
    """The body as a Table if the request accepts one; otherwise as it is. ``now`` in epoch seconds."""
    if "as=Table" not in request.accept or request.verb not in ("get", "list"):
        return body
    columns = COLUMNS.get(request.target.resource.plural, PLAIN)
    objects = body["items"] if request.verb == "list" else [body]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": body["metadata"] if request.verb == "list" else {},
        "columnDefinitions": [
            {
                "name": name,
                "type": "string",
                "format": "name" if name == "Name" else "",
                "priority": int(wide),
            }
            for name, _, wide in columns
        ],
        "rows": [_row(obj, columns, now, request) for obj in objects],
    }


def _row(obj: Json, columns: tuple[Column, ...], now: float, request: Request) -> Json:
    resource = request.target.resource
    meta = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
    whole = {"kind": resource.kind, "apiVersion": resource.api_version, **obj}
    shown = whole if request.query.get("includeObject") == "Object" else meta
    return {"cells": [cell(obj, now) for _, cell, _ in columns], "object": shown}
