"""The discovery API, which clients read first: versions, groups, resources.

https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
"""

from __future__ import annotations

import base64
from typing import Any

from stepdrain_sandbox.kube import openapi
from stepdrain_sandbox.kube.resources import GROUPS, RESOURCES, REVIEWS, VERBS, Resource

Json = dict[str, Any]
VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.2-stepdrain-sandbox",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "go1.26",
    "compiler": "gc",
    "platform": "linux/amd64",
}
HEALTH = ("/healthz", "/readyz", "/livez")


def base64_of(text: str) -> str:
    """Base64 of a text, as kubeconfig files hold certificates."""
    return base64.b64encode(text.encode()).decode()


def answer(path: str, method: str) -> Json | None:
    """The answer if the path is about the API itself; None if it addresses a resource."""
    path = path.rstrip("/")
    if method != "GET":
        return None
    if path in HEALTH or path == "":
        return {"paths": [], "status": "ok"}
    if path == "/version":
        return VERSION
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        return {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group(group) for group in sorted(GROUPS)],
        }
    return openapi.answer(path) or _resources(path) or _one_group(path)


def _versions(group: str) -> list[str]:
    return sorted({resource.version for resource in RESOURCES if resource.group == group})


def _group(group: str) -> Json:
    versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in _versions(group)]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _one_group(path: str) -> Json | None:
    group = path.removeprefix("/apis/")
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(group)} if group in GROUPS else None


def _resources(path: str) -> Json | None:
    here = [r for r in RESOURCES if path == f"/api{'s' if r.group else ''}/{r.api_version}"]
    if not here:
        return None
    listed = [entry for resource in here for entry in _entries(resource)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": here[0].api_version,
        "resources": listed,
    }


def _entries(resource: Resource) -> list[Json]:
    entry: Json = {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": ["create"] if resource.plural == REVIEWS else list(VERBS),
    }
    if resource.short:
        entry["shortNames"] = list(resource.short)
    return [entry, *(_subresource(resource, name) for name in resource.subresources)]


def _subresource(resource: Resource, name: str) -> Json:
    entry = {"name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced}
    if name == "eviction":
        return {**entry, "kind": "Eviction", "group": "policy", "version": "v1", "verbs": ["create"]}
    if name == "token":
        return {
            **entry,
            "kind": "TokenRequest",
            "group": "authentication.k8s.io",
            "version": "v1",
            "verbs": ["create"],
        }
    return {**entry, "kind": resource.kind, "verbs": ["get", "patch", "update"]}
