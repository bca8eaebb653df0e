"""The ReplicaSet controller: as many pods as asked for; one that terminates does not count any more.

kubernetes/kubernetes pkg/controller/replicaset/replica_set.go
"""

from __future__ import annotations

from typing import Any

from stepdrain_sandbox.kube import admission
from stepdrain_sandbox.kube.evictions import ready
from stepdrain_sandbox.kube.owned_pods import (
    OwnedPods,
    active,
    end,
    owner_reference,
    ready_since,
    terminating,
)
from stepdrain_sandbox.kube.reconciler import Reconciler
from stepdrain_sandbox.kube.resources import BY_KIND
from stepdrain_sandbox.kube.store import Change, Store

Json = dict[str, Any]
REPLICA_SET, POD = BY_KIND["ReplicaSet"], BY_KIND["Pod"]


class ReplicaSetController:
    """Makes the pods that are missing, ends those that are too many, and counts them in the status."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reconciler = Reconciler(store, self._sets, self._fill)
        self._pods = OwnedPods(store, "ReplicaSet", self._reconciler.mark)

    def _sets(self, change: Change) -> list[str]:
        if change.resource is not REPLICA_SET or change.type == "DELETED":
            return []
        return [f"{change.object['metadata']['namespace']}/{change.object['metadata']['name']}"]

    def _fill(self, key: str) -> None:
        owner = self._store.get(REPLICA_SET, *key.split("/"))
        if owner is None:
            return
        counted = active(self._pods.of(owner))
        missing = int(owner["spec"].get("replicas", 1)) - len(counted)
        for _ in range(missing):
            pod = _pod_of(owner)
            self._store.create(POD, admission.admit(self._store, POD, owner["metadata"]["namespace"], pod))
        if missing < 0:
            for pod in sorted(counted, key=_worth)[:-missing]:
                end(self._store, pod)
        self._count(key, owner)

    def _count(self, key: str, owner: Json) -> None:
        pods = self._pods.of(owner)
        counted = active(pods)
        up = [since for pod in counted if (since := ready_since(pod)) is not None]
        wait_s = float(owner["spec"].get("minReadySeconds", 0))
        now = self._store.clock.now()
        young = [since + wait_s for since in up if since + wait_s > now]
        if young:
            self._store.clock.call_at(min(young), lambda: self._reconciler.mark(key))
        counts = {
            "fullyLabeledReplicas": len(counted),
            "readyReplicas": len(up),
            "availableReplicas": len(up) - len(young),
        }
        status = {
            "replicas": len(counted),
            **{name: count for name, count in counts.items() if count},
            "terminatingReplicas": sum(map(terminating, pods)),
            "observedGeneration": owner["metadata"].get("generation", 1),
        }
        self._store.replace(REPLICA_SET, owner, {**owner, "status": status})


def _worth(pod: Json) -> tuple[bool, bool, float]:
    """What goes first when there are too many: without a node, not ready, young (ActivePodsWithRanks)."""
    return bool(pod["spec"].get("nodeName")), ready(pod), -(ready_since(pod) or 0)


def _pod_of(owner: Json) -> Json:
    template = owner["spec"]["template"]
    metadata = {
        **(template.get("metadata") or {}),
        "generateName": f"{owner['metadata']['name']}-",
        "ownerReferences": [owner_reference(owner)],
    }
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": template.get("spec") or {}}
