"""Which rights in the cluster each function uses, asked of the API server by the function itself.

A SelfSubjectAccessReview is open to every authenticated user and changes nothing
(https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from stepdrain.errors import DrainError
from stepdrain.verification.findings import Finding, Remedy, Result, refused


@dataclass(frozen=True)
class Right:
    """One verb on one resource. ``needed``: a drain stops without it; otherwise it goes on, worse."""

    verb: str
    resource: str
    """With subresource and group, as kubectl has them: ``pods/eviction``, ``daemonsets.apps``."""
    needed: bool = True

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"


def _needed(verbs: str, resource: str) -> list[Right]:
    return [Right(verb, resource) for verb in verbs.split()]


def _better(verbs: str, resource: str) -> list[Right]:
    return [Right(verb, resource, needed=False) for verb in verbs.split()]


THE_API = "the cluster's API"
"""What is checked where the cluster gives no answer, or does not know the function."""
EVENTS = _better("create", "events")
CONDITIONS = _better("patch", "nodes/status")
FORCE = [*_needed("delete", "pods"), *_better("patch", "pods/status")]
ROLL = [
    *_better("get", "replicasets.apps"),
    *_better("get patch", "deployments.apps"),
    *_better("get patch", "statefulsets.apps"),
]
BUDGETS, VOLUMES = "poddisruptionbudgets.policy", "volumeattachments.storage.k8s.io"
RIGHTS: dict[str, list[Right]] = {
    "FindNode": _needed("get list", "nodes"),
    "Label": _needed("patch", "nodes"),
    "Cordon": [*_needed("patch", "nodes"), *EVENTS],
    "EvictBatch": [
        *_needed("list", "pods"),
        *_needed("create", "pods/eviction"),
        *_needed("list", BUDGETS),
        *_better("list", "daemonsets.apps"),
        *EVENTS,
    ],
    "WaitForPods": [
        *_needed("list", "pods"),
        *_better("watch", "pods"),
        *_better("watch", BUDGETS),
        *_needed("get", "nodes"),
        *EVENTS,
    ],
    "WaitForVolumes": [
        *_needed("list", VOLUMES),
        *_better("watch", VOLUMES),
        *_needed("get", "persistentvolumeclaims"),
        *_needed("list", "pods"),
        *EVENTS,
    ],
    "WaitForTargets": [
        *_better("list", "targetgroupbindings.elbv2.k8s.aws"),
        *_needed("list", "pods"),
        *EVENTS,
    ],
    "WaitForNode": [*_needed("get list", "nodes"), *_better("watch", "nodes"), *_needed("list", "pods")],
    "Uncordon": [*_needed("get patch", "nodes"), *EVENTS],
    "Notify": EVENTS,
}
"""By function, as kubernetes/*.yaml grant them."""
SHOWS_CONDITIONS = ("Cordon", "EvictBatch", "WaitForPods", "WaitForVolumes", "WaitForTargets", "Notify")


class Cluster(Protocol):
    """What is asked of the Kubernetes adapter."""

    def may(self, verb: str, resource: str) -> bool: ...


def rights_of(function: str, *, force: bool, conditions: bool, rolls: bool = False) -> list[Right]:
    """What the function uses in an installation with these parameters."""
    rights = list(RIGHTS.get(function, ()))
    if force and function == "EvictBatch":
        rights += FORCE
    if rolls and function == "EvictBatch":
        rights += ROLL
    if conditions and function in SHOWS_CONDITIONS:
        rights += CONDITIONS
    return rights


def review(function: str, rights: Iterable[Right], cluster: Cluster) -> Iterator[Finding]:
    """A finding for each right; one alone if the cluster does not answer, or does not know the function."""
    for right in rights:
        try:
            allowed = cluster.may(right.verb, right.resource)
        except DrainError as error:
            yield refused(THE_API, function, error)
            return
        yield _finding(function, right, allowed)


def _finding(function: str, right: Right, allowed: bool) -> Finding:
    if allowed:
        return Finding(str(right), function, Result.OK)
    result = Result.MISSING if right.needed else Result.DEGRADED
    return Finding(
        str(right), function, result, "The API server says that the function may not.", Remedy.RBAC
    )
