"""The kubelets of all nodes: pods start after a while, and leave when their grace is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stepdrain_sandbox.kube import deletion
from stepdrain_sandbox.kube.audit import kubelet_deletion
from stepdrain_sandbox.kube.deletion import Options
from stepdrain_sandbox.kube.resources import BY_KIND
from stepdrain_sandbox.kube.store import Change, Store

Json = dict[str, Any]
POD, NODE = BY_KIND["Pod"], BY_KIND["Node"]
READY_AFTER = "sandbox.stepdrain/ready-after"
"""Annotation on a pod: seconds from its arrival on a node until it is Ready."""
EXITS_AFTER = "sandbox.stepdrain/exits-after"
"""Annotation on a pod: seconds from its eviction until its containers have ended, if before its grace."""
UNKILLABLE = "sandbox.stepdrain/unkillable"
"""Annotation on a pod, "true": its process hangs in the kernel, and no signal ends it."""
DEAD = "sandbox.stepdrain/kubelet-dead"
"""Annotation on a node, "true": its kubelet does not answer; no pod of it starts or leaves."""
READY_AFTER_S = 2.0


class Kubelets:
    """Reacts to changes in the store, with timers on the clock; ``audit`` gets the kubelets' audit events."""

    def __init__(self, store: Store, audit: Callable[[Json], None]) -> None:
        self._store, self._audit = store, audit
        store.subscribe(self._on_change)

    def _on_change(self, change: Change) -> None:
        if change.resource is NODE and change.type == "ADDED":
            self._later(0.0, lambda: self._report(change.object["metadata"]["name"]))
        if change.resource is NODE and change.type == "MODIFIED" and self._turned(change):
            self._later(0.0, lambda: self._report(change.object["metadata"]["name"]))
            self._later(0.0, lambda: self._catch_up(change.object["metadata"]["name"]))
        if change.resource is POD and change.type != "DELETED":
            self._on_pod(change.object, change.before)

    def _on_pod(self, pod: Json, before: Json | None) -> None:
        if not pod["spec"].get("nodeName"):
            return
        metadata, uid = pod["metadata"], pod["metadata"]["uid"]
        key = (metadata["namespace"], metadata["name"])
        arrived = before is None or not before["spec"].get("nodeName")
        if arrived and pod["status"].get("phase") == "Pending":
            self._later(_seconds(pod, READY_AFTER, READY_AFTER_S), lambda: self._start(key, uid))
        grace = metadata.get("deletionGracePeriodSeconds")
        if grace and (before is None or before["metadata"].get("deletionGracePeriodSeconds") != grace):
            leaves = min(_seconds(pod, EXITS_AFTER, float(grace)), float(grace))
            self._later(leaves, lambda: self._end(key, uid))

    def _later(self, seconds: float, action: Any) -> None:
        self._store.clock.call_at(self._store.clock.now() + seconds, action)

    def _report(self, name: str) -> None:
        """The kubelet reports that the node is ready, or the node controller that the kubelet is silent."""
        with self._store.lock:
            node = self._store.get(NODE, "", name)
            if node is None:
                return
            alive = not self._dead(node)
            taints = [
                t for t in node["spec"].get("taints") or () if t["key"] != "node.kubernetes.io/not-ready"
            ]
            spec = {key: value for key, value in node["spec"].items() if key != "taints"}
            condition = {
                "type": "Ready",
                "status": "True" if alive else "Unknown",
                "reason": "KubeletReady" if alive else "NodeStatusUnknown",
                "message": "kubelet is posting ready status"
                if alive
                else "Kubelet stopped posting node status.",
                "lastTransitionTime": self._store.timestamp(),
            }
            status = {**(node.get("status") or {}), "conditions": [condition]}
            changed = {**node, "spec": {**spec, **({"taints": taints} if taints else {})}, "status": status}
            self._store.replace(NODE, node, changed)

    def _start(self, key: tuple[str, str], uid: str) -> None:
        with self._store.lock:
            pod = self._same(key, uid)
            if pod is None or not self._answers(pod) or pod["status"].get("phase") != "Pending":
                return
            others = [c for c in pod["status"].get("conditions") or () if c["type"] != "Ready"]
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": self._store.timestamp()}
            containers = [
                {"name": c["name"], "ready": True, "restartCount": 0, "image": c.get("image", "")}
                for c in pod["spec"].get("containers", ())
            ]
            status = {
                **pod["status"],
                "phase": "Running",
                "conditions": [*others, ready],
                "containerStatuses": containers,
                "startTime": self._store.timestamp(),
            }
            self._store.replace(POD, pod, {**pod, "status": status})

    def _end(self, key: tuple[str, str], uid: str) -> None:
        """All containers have ended: the kubelet deletes the pod with grace 0, by its UID."""
        with self._store.lock:
            pod = self._same(key, uid)
            if pod is not None and self._answers(pod) and not _unkillable(pod):
                deletion.delete(self._store, POD, pod, Options(grace_s=0, uid=uid))
                self._audit(kubelet_deletion(pod, self._store.clock.now()))

    def _turned(self, change: Change) -> bool:
        """The kubelet has died, or come back."""
        return change.before is not None and self._dead(change.object) != self._dead(change.before)

    def _catch_up(self, name: str) -> None:
        """A kubelet that comes back ends the pods whose grace is over."""
        for pod in self._store.pods_on(name):
            metadata = pod["metadata"]
            if metadata.get("deletionTimestamp", "9") <= self._store.timestamp():
                self._end((metadata["namespace"], metadata["name"]), metadata["uid"])

    def _same(self, key: tuple[str, str], uid: str) -> Json | None:
        pod = self._store.get(POD, *key)
        return pod if pod is not None and pod["metadata"]["uid"] == uid else None

    def _answers(self, pod: Json) -> bool:
        node = self._store.get(NODE, "", pod["spec"]["nodeName"])
        return node is not None and not self._dead(node)

    @staticmethod
    def _dead(node: Json) -> bool:
        return (node["metadata"].get("annotations") or {}).get(DEAD) == "true"


def _unkillable(pod: Json) -> bool:
    return (pod["metadata"].get("annotations") or {}).get(UNKILLABLE) == "true"


def _seconds(pod: Json, annotation: str, default: float) -> float:
    return float((pod["metadata"].get("annotations") or {}).get(annotation, default))
