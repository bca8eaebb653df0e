"""The disruption controller: counts the pods of each budget, and what the budget still allows.

kubernetes/kubernetes pkg/controller/disruption/disruption.go: a pod is healthy if it is ready,
not terminating and not in ``disruptedPods`` (evictions of the last two minutes). The scale of
the pods' controllers says how many pods are expected. If a controller has no scale, the budget
cannot be counted, and allows nothing until it can (SyncFailed).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from stepdrain_sandbox.kube.evictions import SYNC_FAILED, covers, ready
from stepdrain_sandbox.kube.reconciler import Reconciler
from stepdrain_sandbox.kube.resources import BY_KIND
from stepdrain_sandbox.kube.store import Change, Store

Json = dict[str, Any]
BUDGET, POD = BY_KIND["PodDisruptionBudget"], BY_KIND["Pod"]
FORGOTTEN_AFTER_S = 120
SCALED = ("ReplicaSet", "StatefulSet", "Deployment")
"""Kinds of this cluster with a scale subresource."""
SCALES = tuple(BY_KIND[kind].plural for kind in SCALED)
COUNTED = ("pods", "poddisruptionbudgets", *SCALES)


class CannotCount(Exception):
    """A budget's pods cannot be counted; the message is the condition's."""


class DisruptionController:
    """Maintains the status of all budgets."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reconciler = Reconciler(store, self._namespaces, self._count)

    def _namespaces(self, change: Change) -> Iterable[str]:
        """Of controllers only the number they ask for counts, not what they write into their status."""
        if change.resource.plural not in COUNTED:
            return []
        same = change.before is not None and change.before.get("spec") == change.object.get("spec")
        if same and change.type == "MODIFIED" and change.resource.plural in SCALES:
            return []
        return [change.object["metadata"]["namespace"]]

    def _count(self, namespace: str) -> None:
        budgets = self._store.all(BUDGET, namespace)
        if not budgets:
            return
        pods = self._store.all(POD, namespace)
        for budget in budgets:
            covered = [pod for pod in pods if covers(budget, pod)]
            try:
                status = self._status(budget, covered)
            except CannotCount as error:
                status = {**budget["status"], "disruptionsAllowed": 0}
                status["conditions"] = self._conditions(budget, status, SYNC_FAILED, str(error))
            self._store.replace(BUDGET, budget, {**budget, "status": status})

    def _status(self, budget: Json, pods: list[Json]) -> Json:
        disrupted = self._still_disrupted(budget, pods)
        healthy = [p for p in pods if ready(p) and not _leaving(p) and p["metadata"]["name"] not in disrupted]
        expected = self._expected(budget, pods)
        desired = _desired(budget["spec"], expected)
        allowed = max(0, len(healthy) - desired) if expected else 0
        status: Json = {
            "observedGeneration": budget["metadata"].get("generation", 1),
            "disruptionsAllowed": allowed,
            "currentHealthy": len(healthy),
            "desiredHealthy": desired,
            "expectedPods": expected,
        }
        reason = "SufficientPods" if allowed else "InsufficientPods"
        status["conditions"] = self._conditions(budget, status, reason, "")
        if disrupted:
            status["disruptedPods"] = disrupted
            self._store.clock.call_at(
                self._store.clock.now() + FORGOTTEN_AFTER_S,
                lambda: self._reconciler.mark(budget["metadata"]["namespace"]),
            )
        return status

    def _conditions(self, budget: Json, status: Json, reason: str, message: str) -> list[Json]:
        """The condition DisruptionAllowed; the time is that of its last turn, not of its last look."""
        allowed = "True" if status["disruptionsAllowed"] > 0 else "False"
        before = next(iter((budget.get("status") or {}).get("conditions") or ()), {})
        turned = before.get("status") != allowed
        condition: Json = {
            "type": "DisruptionAllowed",
            "status": allowed,
            "reason": reason,
            "message": message,
            "lastTransitionTime": self._store.timestamp() if turned else before["lastTransitionTime"],
        }
        if "observedGeneration" in status:
            condition["observedGeneration"] = status["observedGeneration"]
        return [condition]

    def _still_disrupted(self, budget: Json, pods: list[Json]) -> dict[str, str]:
        staying = {pod["metadata"]["name"] for pod in pods if not _leaving(pod)}
        limit = self._store.clock.now() - FORGOTTEN_AFTER_S
        noted = (budget.get("status") or {}).get("disruptedPods") or {}
        return {name: at for name, at in noted.items() if name in staying and _epoch(at) > limit}

    def _expected(self, budget: Json, pods: list[Json]) -> int:
        if isinstance(budget["spec"].get("minAvailable"), int):
            return len(pods)
        # Pods without a controller do not count here: only an absolute minAvailable includes them.
        scales = dict(self._scale(owner, pod) for pod in pods for owner in _controllers(pod))
        return sum(scales.values())

    def _scale(self, owner: Json, pod: Json) -> tuple[str, int]:
        """UID and scale of the pod's controller; of the Deployment, where that controls the ReplicaSet."""
        if owner["kind"] not in SCALED:
            raise CannotCount(f"{_resource_of(owner)} does not implement the scale subresource")
        found = self._store.get(BY_KIND[owner["kind"]], pod["metadata"]["namespace"], owner["name"])
        if found is None or found["metadata"]["uid"] != owner["uid"]:
            raise CannotCount(f'found no controllers for pod "{pod["metadata"]["name"]}"')
        above = next(iter(_controllers(found)), None)
        if above is not None and above["kind"] == "Deployment":
            return self._scale(above, pod)
        return owner["uid"], int(found["spec"].get("replicas", 1))


def _resource_of(owner: Json) -> str:
    """``databases.example.io`` for a Database of example.io/v1."""
    group = owner.get("apiVersion", "").rpartition("/")[0]
    known = BY_KIND.get(owner["kind"])
    plural = known.plural if known is not None and known.group == group else f"{owner['kind'].lower()}s"
    return f"{plural}.{group}" if group else plural


def _desired(spec: Json, expected: int) -> int:
    if "maxUnavailable" in spec:
        return max(0, expected - _scaled(spec["maxUnavailable"], expected))
    return _scaled(spec.get("minAvailable", 1), expected)


def _scaled(value: int | str, total: int) -> int:
    """A count, or a percentage of ``total`` rounded up, as Kubernetes rounds both kinds."""
    return math.ceil(int(value.rstrip("%")) * total / 100) if isinstance(value, str) else value


def _controllers(pod: Json) -> Iterable[Json]:
    return (owner for owner in pod["metadata"].get("ownerReferences") or () if owner.get("controller"))


def _leaving(pod: Json) -> bool:
    return "deletionTimestamp" in pod["metadata"] or pod["status"].get("phase") in ("Succeeded", "Failed")


def _epoch(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()
