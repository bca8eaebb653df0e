"""A toy scheduler: the schedulable node with the fewest pods, if its labels fit the nodeSelector.

A pod that fits nowhere stays Pending, with the reason in its conditions, worded as in kubernetes/kubernetes
pkg/scheduler/framework/types.go (FitError). A node has room for as many pods as its
``status.allocatable.pods`` says, if it says so.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from stepdrain_sandbox.kube.evictions import ready
from stepdrain_sandbox.kube.reconciler import Reconciler
from stepdrain_sandbox.kube.resources import BY_KIND
from stepdrain_sandbox.kube.store import Change, Store

Json = dict[str, Any]
POD, NODE = BY_KIND["Pod"], BY_KIND["Node"]
CORDONED = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
"""The taint of a cordon."""
SILENT = {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}
"""What a node with a silent kubelet bears; here its condition Ready stands for it."""


class Scheduler:
    """Binds pods that have no node."""

    def __init__(self, store: Store) -> None:
        self._store = store
        Reconciler(store, self._concerns, lambda _key: self._place_all())

    def _concerns(self, change: Change) -> Iterable[str]:
        if change.type == "DELETED":
            # The room that a pod has left is looked at only if somebody waits for room.
            waits = change.resource is POD and bool(self._store.pods_on(""))
            return ["all"] if waits else []
        unbound = change.resource is POD and not change.object["spec"].get("nodeName")
        return ["all"] if unbound or change.resource is NODE else []

    def _place_all(self) -> None:
        unbound = [pod for pod in self._store.pods_on("") if "deletionTimestamp" not in pod["metadata"]]
        if not unbound:
            return
        loads, nodes = Counter(self._store.loads()), self._store.all(NODE)
        rooms = {node["metadata"]["name"]: _room(node) for node in nodes}
        known: dict[str, dict[str, str]] = {}
        for pod in unbound:
            wanted = json.dumps([pod["spec"].get("tolerations"), pod["spec"].get("nodeSelector")])
            if wanted not in known:
                known[wanted] = {node["metadata"]["name"]: _obstacle(pod, node) for node in nodes}
            open_to = [name for name, obstacle in known[wanted].items() if not obstacle]
            fitting = [name for name in open_to if loads[name] < rooms[name]]
            if fitting:
                chosen = min(fitting, key=lambda name: (loads[name], name))
                loads[chosen] += 1
                placed = self._scheduled(pod, {"status": "True"})
                self._store.replace(POD, pod, {**placed, "spec": {**pod["spec"], "nodeName": chosen}})
            else:
                sentence = _sentence({**known[wanted], **dict.fromkeys(open_to, "Too many pods")})
                said = {"status": "False", "reason": "Unschedulable", "message": sentence}
                self._store.replace(POD, pod, self._scheduled(pod, said))

    def _scheduled(self, pod: Json, said: Json) -> Json:
        """The pod with its condition PodScheduled."""
        conditions = pod["status"].get("conditions") or ()
        before = next((condition for condition in conditions if condition["type"] == "PodScheduled"), {})
        others = [condition for condition in conditions if condition is not before]
        turned = before.get("status") != said["status"]
        at = self._store.timestamp() if turned else before["lastTransitionTime"]
        condition = {"type": "PodScheduled", **said, "lastTransitionTime": at}
        return {**pod, "status": {**pod["status"], "conditions": [*others, condition]}}


def _obstacle(pod: Json, node: Json) -> str:
    """Why the pod cannot go to the node, "" if it can, if there is room: what the first filter says that
    refuses it. It depends on the pod's tolerations and node selector alone."""
    if node["spec"].get("unschedulable") and not tolerated(pod, CORDONED):
        return "node(s) were unschedulable"
    for taint in _taints(node):
        if not tolerated(pod, taint):
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    selector = (pod["spec"].get("nodeSelector") or {}).items()
    if not selector <= (node["metadata"].get("labels") or {}).items():
        return "node(s) didn't match Pod's node affinity/selector"
    status = node.get("status") or {}
    return "" if ready({"status": status}) else f"node(s) had untolerated taint {{{SILENT['key']}: }}"


def _room(node: Json) -> float:
    """How many pods the node takes, a count."""
    return float((node.get("status") or {}).get("allocatable", {}).get("pods", "inf"))


def _sentence(obstacles: dict[str, str]) -> str:
    total = len(obstacles)
    if not total:
        return "no nodes available to schedule pods"
    none = f"0/{total} nodes are available"
    reasons = sorted(f"{count} {why}" for why, count in Counter(obstacles.values()).items())
    preemption = f"preemption: {none}: {total} Preemption is not helpful for scheduling."
    return f"{none}: {', '.join(reasons)}. {preemption}"


def _taints(node: Json) -> list[Json]:
    """The taints that keep pods away; a cordon is checked separately, whoever set it.

    https://kubernetes.io/docs/concepts/architecture/nodes/#manual-node-administration
    """
    return [taint for taint in node["spec"].get("taints") or () if taint["effect"] != "PreferNoSchedule"]


def tolerated(pod: Json, taint: Json) -> bool:
    """Whether the pod tolerates the taint.

    Implemented again on purpose: a check that used rules.tolerations would share its bugs.
    """
    return any(
        toleration.get("key") in (None, "", taint["key"])
        and (toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", ""))
        and toleration.get("effect") in (None, "", taint["effect"])
        for toleration in pod["spec"].get("tolerations") or ()
    )
