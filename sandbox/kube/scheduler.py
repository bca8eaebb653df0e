"""A toy scheduler: the schedulable node with the fewest pods, if its labels fit the nodeSelector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sandbox.kube.evictions import ready
from sandbox.kube.reconciler import Reconciler
from sandbox.kube.resources import BY_KIND
from sandbox.kube.store import Change, Store

Json = dict[str, Any]
POD, NODE = BY_KIND["Pod"], BY_KIND["Node"]


class Scheduler:
    """Binds the pods that have no node."""

    def __init__(self, store: Store) -> None:
        self._store = store
        Reconciler(store, self._concerns, lambda _key: self._place_all())

    def _concerns(self, change: Change) -> Iterable[str]:
        unbound = change.resource is POD and not change.object["spec"].get("nodeName")
        return ["all"] if change.type != "DELETED" and (unbound or change.resource is NODE) else []

    def _place_all(self) -> None:
        unbound = [pod for pod in self._store.pods_on("") if "deletionTimestamp" not in pod["metadata"]]
        if not unbound:
            return
        loads = Counter(self._store.loads())
        nodes = [node for node in self._store.all(NODE) if _schedulable(node)]
        for pod in unbound:
            selector = (pod["spec"].get("nodeSelector") or {}).items()
            fitting = [n for n in nodes if selector <= (n["metadata"].get("labels") or {}).items()]
            if fitting:
                chosen = min((n["metadata"]["name"] for n in fitting), key=lambda name: (loads[name], name))
                loads[chosen] += 1
                self._store.replace(POD, pod, {**pod, "spec": {**pod["spec"], "nodeName": chosen}})


def _schedulable(node: Json) -> bool:
    tainted = any(t["effect"] in ("NoSchedule", "NoExecute") for t in node["spec"].get("taints") or ())
    alive = ready({"status": node.get("status") or {}})
    return alive and not tainted and not node["spec"].get("unschedulable")
