"""The disruption controller: what each budget still allows, counted from its pods.

kubernetes/kubernetes pkg/controller/disruption/disruption.go: healthy is a ready pod that
is not terminating and not in ``disruptedPods`` (evictions of the last two minutes).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from stepdrain_sandbox.kube.evictions import covers, ready
from stepdrain_sandbox.kube.reconciler import Reconciler
from stepdrain_sandbox.kube.resources import BY_KIND
from stepdrain_sandbox.kube.store import Change, Store

Json = dict[str, Any]
BUDGET, POD = BY_KIND["PodDisruptionBudget"], BY_KIND["Pod"]
FORGOTTEN_AFTER_S = 120


class DisruptionController:
    """Keeps the status of all budgets."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reconciler = Reconciler(store, self._namespaces, self._count)

    def _namespaces(self, change: Change) -> Iterable[str]:
        kinds = ("pods", "poddisruptionbudgets", "replicasets")
        return [change.object["metadata"]["namespace"]] if change.resource.plural in kinds else []

    def _count(self, namespace: str) -> None:
        budgets = self._store.all(BUDGET, namespace)
        if not budgets:
            return
        pods = self._store.all(POD, namespace)
        for budget in budgets:
            covered = [pod for pod in pods if covers(budget, pod)]
            self._store.replace(BUDGET, budget, {**budget, "status": self._status(budget, covered)})

    def _status(self, budget: Json, pods: list[Json]) -> Json:
        disrupted = self._still_disrupted(budget, pods)
        healthy = [p for p in pods if ready(p) and not _leaving(p) and p["metadata"]["name"] not in disrupted]
        expected = self._expected(budget, pods)
        desired = _desired(budget["spec"], expected)
        status: Json = {
            "observedGeneration": budget["metadata"].get("generation", 1),
            "disruptionsAllowed": max(0, len(healthy) - desired) if expected else 0,
            "currentHealthy": len(healthy),
            "desiredHealthy": desired,
            "expectedPods": expected,
        }
        if disrupted:
            status["disruptedPods"] = disrupted
            self._store.clock.call_at(
                self._store.clock.now() + FORGOTTEN_AFTER_S,
                lambda: self._reconciler.mark(budget["metadata"]["namespace"]),
            )
        return status

    def _still_disrupted(self, budget: Json, pods: list[Json]) -> dict[str, str]:
        staying = {pod["metadata"]["name"] for pod in pods if not _leaving(pod)}
        limit = self._store.clock.now() - FORGOTTEN_AFTER_S
        noted = (budget.get("status") or {}).get("disruptedPods") or {}
        return {name: at for name, at in noted.items() if name in staying and _epoch(at) > limit}

    def _expected(self, budget: Json, pods: list[Json]) -> int:
        if isinstance(budget["spec"].get("minAvailable"), int):
            return len(pods)
        owners = {owner["uid"]: owner for pod in pods for owner in _controllers(pod)}
        unowned = sum(not list(_controllers(pod)) for pod in pods)
        return unowned + sum(self._replicas(owner, pods) for owner in owners.values())

    def _replicas(self, owner: Json, pods: list[Json]) -> int:
        namespace = pods[0]["metadata"]["namespace"]
        resource = BY_KIND.get(owner["kind"])
        found = self._store.get(resource, namespace, owner["name"]) if resource else None
        if found is not None and "replicas" in found.get("spec", {}):
            return int(found["spec"]["replicas"])
        return sum(any(one["uid"] == owner["uid"] for one in _controllers(pod)) for pod in pods)


def _desired(spec: Json, expected: int) -> int:
    if "maxUnavailable" in spec:
        return max(0, expected - _scaled(spec["maxUnavailable"], expected))
    return _scaled(spec.get("minAvailable", 1), expected)


def _scaled(value: int | str, total: int) -> int:
    """A count, or a percentage of ``total`` rounded up, as Kubernetes rounds both kinds."""
    return math.ceil(int(value.rstrip("%")) * total / 100) if isinstance(value, str) else value


def _controllers(pod: Json) -> Iterable[Json]:
    return (one for one in pod["metadata"].get("ownerReferences") or () if one.get("controller"))


def _leaving(pod: Json) -> bool:
    return "deletionTimestamp" in pod["metadata"] or pod["status"].get("phase") in ("Succeeded", "Failed")


def _epoch(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()
