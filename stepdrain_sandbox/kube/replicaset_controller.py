"""The ReplicaSet controller: as many pods as asked for; one that terminates does not count any more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stepdrain_sandbox.kube import admission
from stepdrain_sandbox.kube.reconciler import Reconciler
from stepdrain_sandbox.kube.resources import BY_KIND
from stepdrain_sandbox.kube.store import Change, Store

Json = dict[str, Any]
REPLICA_SET, POD = BY_KIND["ReplicaSet"], BY_KIND["Pod"]


class ReplicaSetController:
    """Makes the pods that are missing."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reconciler = Reconciler(store, self._sets, self._fill)

    def _sets(self, change: Change) -> Iterable[str]:
        metadata = change.object["metadata"]
        if change.resource is REPLICA_SET and change.type != "DELETED":
            return [f"{metadata['namespace']}/{metadata['name']}"]
        if change.resource is not POD or not _leaves(change):
            return []
        owners = metadata.get("ownerReferences") or ()
        return [f"{metadata['namespace']}/{one['name']}" for one in owners if one["kind"] == "ReplicaSet"]

    def _fill(self, key: str) -> None:
        owner = self._store.get(REPLICA_SET, *key.split("/"))
        if owner is None:
            return
        uid = owner["metadata"]["uid"]
        active = sum(
            "deletionTimestamp" not in pod["metadata"]
            for pod in self._store.pods()
            if any(one["uid"] == uid for one in pod["metadata"].get("ownerReferences") or ())
        )
        for _ in range(int(owner["spec"].get("replicas", 1)) - active):
            pod = _pod_of(owner)
            self._store.create(POD, admission.admit(self._store, POD, owner["metadata"]["namespace"], pod))


def _leaves(change: Change) -> bool:
    was = change.before is not None and "deletionTimestamp" in change.before["metadata"]
    return change.type == "DELETED" or ("deletionTimestamp" in change.object["metadata"] and not was)


def _pod_of(owner: Json) -> Json:
    template = owner["spec"]["template"]
    reference = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = {
        **(template.get("metadata") or {}),
        "generateName": f"{owner['metadata']['name']}-",
        "ownerReferences": [reference],
    }
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": template.get("spec") or {}}
