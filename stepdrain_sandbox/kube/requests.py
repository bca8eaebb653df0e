"""A request as the API server understands it: which resource, which verb, by whom.

https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from stepdrain_sandbox.kube import selectors
from stepdrain_sandbox.kube.rbac import Attempt, User
from stepdrain_sandbox.kube.resources import BY_PATH, GROUPS, REVIEWS, VERSIONS, Resource
from stepdrain_sandbox.kube.status import method_not_allowed, unknown_path, unknown_resource

MUTATING = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True)
class Target:
    """What a path addresses; ``name`` and ``subresource`` are "" where absent."""

    resource: Resource
    namespace: str
    name: str
    subresource: str


@dataclass(frozen=True)
class Request:
    """One request, with its body as bytes."""

    method: str
    path: str
    query: dict[str, str]
    content_type: str
    body: bytes
    user: User
    user_agent: str
    target: Target
    verb: str
    accept: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    verdicts: dict[str, Any] = field(default_factory=dict)
    """What webhooks have said: a request that had to wait is answered anew, and they are not asked twice."""

    @property
    def dry_run(self) -> bool:
        """Whether all is checked and nothing stored."""
        return self.query.get("dryRun") == "All"

    def attempt(self) -> Attempt:
        """What RBAC is asked. A list or a watch of one name counts as being about that object.

        kubernetes/apiserver pkg/endpoints/request/requestinfo.go
        """
        target = self.target
        plural = (
            f"{target.resource.plural}/{target.subresource}" if target.subresource else target.resource.plural
        )
        name = target.name or selectors.name_of(self.query.get("fieldSelector", ""))
        return Attempt(self.verb, target.resource.group, plural, target.namespace, name)


def target_of(path: str) -> Target:
    """The target of /api/v1/… or /apis/GROUP/VERSION/…; 404 in the server's two forms."""
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            if group not in GROUPS:
                raise unknown_path()
        case _:
            raise unknown_path()
    if (group, version) not in VERSIONS or not rest:
        raise unknown_resource()
    return _resource_target(group, version, rest)


def _resource_target(group: str, version: str, rest: list[str]) -> Target:
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    resource = BY_PATH.get((group, version, rest[0]))
    name, subresource = [*rest[1:], "", ""][:2]
    known = resource is not None and (not subresource or subresource in resource.subresources)
    if resource is None or not known or len(rest) > 3:
        raise unknown_resource()
    return Target(resource, namespace, name, subresource)


def verb_of(method: str, target: Target, query: dict[str, str]) -> str:
    """The RBAC verb; 405 where the target does not know the method."""
    if target.subresource in ("eviction", "token") or target.resource.plural == REVIEWS:
        if method != "POST":
            raise method_not_allowed()
        return "create"
    if method == "GET":
        if target.name:
            return "get"
        return "watch" if query.get("watch", "").lower() in ("true", "1", "t") else "list"
    if method == "DELETE":
        return "delete" if target.name else "deletecollection"
    if method not in MUTATING or (method == "POST") == bool(target.name):
        raise method_not_allowed()
    return MUTATING[method]
