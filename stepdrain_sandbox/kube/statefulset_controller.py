"""The StatefulSet controller: pods with names that stay, one after the other, and replaced from the last.

https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/: OrderedReady, RollingUpdate and
OnDelete. A pod's successor has its name, so that it is made when the pod is gone: an outage.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from stepdrain_sandbox.kube import admission
from stepdrain_sandbox.kube.evictions import ready
from stepdrain_sandbox.kube.owned_pods import OwnedPods, active, end, owner_reference, terminating
from stepdrain_sandbox.kube.reconciler import Reconciler
from stepdrain_sandbox.kube.resources import BY_KIND
from stepdrain_sandbox.kube.store import Change, Store

Json = dict[str, Any]
STATEFUL_SET, POD = BY_KIND["StatefulSet"], BY_KIND["Pod"]
REVISION = "controller-revision-hash"


class StatefulSetController:
    """Keeps the pods and the status of all StatefulSets."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reconciler = Reconciler(store, self._keys, self._sync)
        self._pods = OwnedPods(store, "StatefulSet", self._reconciler.mark)

    def _keys(self, change: Change) -> list[str]:
        if change.resource is not STATEFUL_SET or change.type == "DELETED":
            return []
        return [f"{change.object['metadata']['namespace']}/{change.object['metadata']['name']}"]

    def _sync(self, key: str) -> None:
        owner = self._store.get(STATEFUL_SET, *key.split("/"))
        if owner is None:
            return
        pods = {pod["metadata"]["name"]: pod for pod in self._pods.of(owner)}
        self._step(owner, pods)
        self._count(owner)

    def _step(self, owner: Json, pods: dict[str, Json]) -> None:
        """At most one pod made or ended: the next step follows when it is Ready, or gone."""
        wanted = [f"{owner['metadata']['name']}-{number}" for number in range(_replicas(owner))]
        for name in wanted:
            if name not in pods:
                self._create(owner, name)
                return
            if not ready(pods[name]) or terminating(pods[name]):
                if not terminating(pods[name]) and _outdated(owner, pods[name]):
                    end(self._store, pods[name])
                return
        for name in sorted(pods.keys() - set(wanted), reverse=True):
            if not terminating(pods[name]):
                end(self._store, pods[name])
            return
        strategy = (owner["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate")
        outdated = [name for name in reversed(wanted) if _outdated(owner, pods[name])]
        if outdated and strategy == "RollingUpdate":
            end(self._store, pods[outdated[0]])

    def _create(self, owner: Json, name: str) -> None:
        template = owner["spec"]["template"]
        metadata = template.get("metadata") or {}
        labels = {
            **(metadata.get("labels") or {}),
            REVISION: revision(owner),
            "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": name.rpartition("-")[2],
        }
        own = {**metadata, "name": name, "labels": labels, "ownerReferences": [owner_reference(owner)]}
        pod = {"kind": "Pod", "apiVersion": "v1", "metadata": own, "spec": template.get("spec") or {}}
        self._store.create(POD, admission.admit(self._store, POD, owner["metadata"]["namespace"], pod))

    def _count(self, owner: Json) -> None:
        pods = self._pods.of(owner)
        counted = active(pods)
        before, update = owner.get("status") or {}, revision(owner)
        up = sum(map(ready, counted))
        updated = [pod for pod in pods if not _outdated(owner, pod)]
        done = len(updated) == len(pods) == _replicas(owner) == up
        current = update if done else before.get("currentRevision", update)
        status = {
            "observedGeneration": owner["metadata"]["generation"],
            "replicas": len(pods),
            "readyReplicas": up,
            "availableReplicas": up,
            "currentReplicas": sum(pod["metadata"]["labels"][REVISION] == current for pod in pods),
            "updatedReplicas": len(updated),
            "currentRevision": current,
            "updateRevision": update,
        }
        self._store.replace(STATEFUL_SET, owner, {**owner, "status": status})


def revision(owner: Json) -> str:
    """The name of the pods' template as it is now."""
    text = json.dumps(owner["spec"]["template"], sort_keys=True)
    return f"{owner['metadata']['name']}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def _outdated(owner: Json, pod: Json) -> bool:
    return bool(pod["metadata"]["labels"].get(REVISION) != revision(owner))


def _replicas(owner: Json) -> int:
    return int(owner["spec"].get("replicas", 1))
