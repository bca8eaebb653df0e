"""The pods of each controller: their owners, and which of them count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

from stepdrain_sandbox.kube import deletion
from stepdrain_sandbox.kube.deletion import Options
from stepdrain_sandbox.kube.evictions import ready
from stepdrain_sandbox.kube.resources import BY_KIND
from stepdrain_sandbox.kube.store import Change, Key, Store

Json = dict[str, Any]
POD = BY_KIND["Pod"]


def controller_of(obj: Json) -> Json | None:
    """The owner reference of the controller; None for an object without a controller."""
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


def owner_reference(owner: Json) -> Json:
    """The reference by which what ``owner`` makes is its own."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


class OwnedPods:
    """An index of the pods by their controller's UID: to search all 15,000 for each would take too long."""

    def __init__(self, store: Store, kind: str, changed: Callable[[str], None]) -> None:
        """``changed`` gets ``namespace/name`` of each controller of this kind one of whose pods changed."""
        self._store, self._kind, self._changed = store, kind, changed
        self._pods: dict[str, dict[Key, Json]] = defaultdict(dict)
        store.subscribe(self._on_change, POD)

    def of(self, owner: Json) -> list[Json]:
        """All pods of a controller, those that terminate among them, the one that was made first ahead."""
        return list(self._pods[owner["metadata"]["uid"]].values())

    def _on_change(self, change: Change) -> None:
        pod = change.object
        owner = controller_of(pod)
        if owner is None or owner["kind"] != self._kind:
            return
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        if change.type == "DELETED":
            self._pods[owner["uid"]].pop(key, None)
        else:
            self._pods[owner["uid"]][key] = pod
        self._changed(f"{key[0]}/{owner['name']}")


def active(pods: list[Json]) -> list[Json]:
    """The pods that count: neither terminating nor finished."""
    return [pod for pod in pods if not terminating(pod) and not _finished(pod)]


def terminating(pod: Json) -> bool:
    """Whether the pod is being deleted."""
    return "deletionTimestamp" in pod["metadata"]


def _finished(pod: Json) -> bool:
    return pod["status"].get("phase") in ("Succeeded", "Failed")


def ready_since(pod: Json) -> float | None:
    """Since when the pod is Ready, in epoch seconds; None if it is not."""
    if not ready(pod):
        return None
    condition = next(c for c in pod["status"]["conditions"] if c["type"] == "Ready")
    return datetime.fromisoformat(condition["lastTransitionTime"].replace("Z", "+00:00")).timestamp()


def end(store: Store, pod: Json) -> None:
    """Delete a pod with its own grace, as a controller does."""
    deletion.delete(store, POD, pod, Options())
