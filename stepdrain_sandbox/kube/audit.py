"""The audit log: an audit.k8s.io/v1 Event for each answered request.

https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/: level Metadata, and level
Request (with the body) for writes.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from stepdrain_sandbox.kube.requests import Request
from stepdrain_sandbox.kube.store import rfc3339

Json = dict[str, Any]


def event(request: Request, status: int, received_at: float, answered_at: float) -> Json:
    """The Event of a request; times in epoch seconds."""
    target = request.target
    reference = {
        "resource": target.resource.plural,
        "namespace": target.namespace,
        "name": target.name,
        "apiGroup": target.resource.group,
        "apiVersion": target.resource.version,
        "subresource": target.subresource,
    }
    logged: Json = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": str(uuid.uuid4()),
        "stage": "ResponseComplete",
        "requestURI": request.path,
        "verb": request.verb,
        "user": {"username": request.user.name, "groups": list(request.user.groups)},
        "sourceIPs": ["127.0.0.1"],
        "userAgent": request.user_agent,
        "objectRef": {key: value for key, value in reference.items() if value},
        "responseStatus": {"metadata": {}, "code": status},
        "requestReceivedTimestamp": rfc3339(received_at, micro=True),
        "stageTimestamp": rfc3339(answered_at, micro=True),
    }
    return {**logged, **_body(request)}


def kubelet_deletion(pod: Json, at: float) -> Json:
    """The Event of a kubelet's DELETE of a pod whose containers have ended."""
    metadata, node = pod["metadata"], pod["spec"]["nodeName"]
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": str(uuid.uuid4()),
        "stage": "ResponseComplete",
        "requestURI": f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}",
        "verb": "delete",
        "user": {"username": f"system:node:{node}", "groups": ["system:nodes", "system:authenticated"]},
        "sourceIPs": ["127.0.0.1"],
        "userAgent": "kubelet/v1.36.2",
        "objectRef": {
            "resource": "pods",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "apiVersion": "v1",
        },
        "responseStatus": {"metadata": {}, "code": 200},
        "requestReceivedTimestamp": rfc3339(at, micro=True),
        "stageTimestamp": rfc3339(at, micro=True),
    }


def _body(request: Request) -> Json:
    if not request.body or request.target.resource.plural in ("secrets", "configmaps"):
        return {}
    try:
        return {"level": "Request", "requestObject": json.loads(request.body)}
    except ValueError:
        return {}
