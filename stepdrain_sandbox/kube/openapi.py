"""As much of an OpenAPI v3 document as kubectl needs to leave validation to the server.

kubectl asks whether a kind's PATCH takes ``fieldValidation``; if it finds that nowhere, it wants
the schemas of all kinds as protobuf (kubernetes/client-go and kubernetes/cli-runtime,
pkg/resource/query_param_verifier_v3.go).
"""

from __future__ import annotations

from typing import Any

from stepdrain_sandbox.kube.resources import RESOURCES, Resource

Json = dict[str, Any]
ROOT = "/openapi/v3"
FIELD_VALIDATION = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}


def answer(path: str) -> Json | None:
    """The index, or the document of a group and version; None for any other path."""
    if path == ROOT:
        return {
            "paths": {
                _place(resource): {"serverRelativeURL": f"{ROOT}/{_place(resource)}"}
                for resource in RESOURCES
            }
        }
    here = [resource for resource in RESOURCES if path == f"{ROOT}/{_place(resource)}"]
    if not here:
        return None
    paths = {f"/{_place(resource)}/{resource.plural}/{{name}}": _operations(resource) for resource in here}
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.36.2"}, "paths": paths}


def _place(resource: Resource) -> str:
    return f"{'apis' if resource.group else 'api'}/{resource.api_version}"


def _operations(resource: Resource) -> Json:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    return {"patch": {"parameters": [FIELD_VALIDATION], "x-kubernetes-group-version-kind": kind}}
