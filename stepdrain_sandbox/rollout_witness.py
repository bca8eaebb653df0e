"""Watches rollouts: which budget fell below its requirement while which rollout was ending pods.

No log has what a rollout does to a budget. The audit log has whether Stepdrain started the rollout;
guarantees.rolled_below combines both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stepdrain_sandbox.kube.evictions import covers
from stepdrain_sandbox.kube.store import Change
from stepdrain_sandbox.witness import key

Json = Mapping[str, Any]
ROLLED = {"Deployment": "deployments", "StatefulSet": "statefulsets"}
"""Kinds that roll their pods, with their plurals."""


@dataclass(frozen=True)
class Fall:
    """A budget fell below its requirement while a controller was ending pods that it covers."""

    at: float
    """Epoch seconds."""
    workload: str
    """``deployments default/web``."""
    consented: bool
    """The owner allowed the outage: a StatefulSet with the annotation ``stepdrain/roll: "true"``."""
    pods: tuple[str, ...]
    """``namespace/name`` of the pods that the controller ended and that are not gone yet."""
    sentence: str


@dataclass
class RolloutWitness:
    """Is called for each change in the cluster; ``now`` returns epoch seconds."""

    now: Callable[[], float]
    falls: list[Fall] = field(default_factory=list)
    _above: dict[str, str] = field(default_factory=dict)
    """UID of each ReplicaSet to its Deployment (``namespace/name``)."""
    _consented: set[str] = field(default_factory=set)
    _ended: dict[str, tuple[str, Json, float]] = field(default_factory=dict)
    """Key of each pod to its workload, the pod, and when its controller ended it."""

    def see(self, change: Change) -> None:
        """A listener of stepdrain_sandbox.kube.store.Store."""
        match change.resource.kind:
            case "ReplicaSet":
                self._note_owner(change.object)
            case "StatefulSet":
                self._note_consent(change.object)
            case "Pod":
                self._see_pod(change)
            case "PodDisruptionBudget" if change.type == "MODIFIED" and change.before is not None:
                self._judge(change.object, change.before)

    def _note_owner(self, replica_set: Json) -> None:
        owner = _controller(replica_set)
        if owner is not None and owner["kind"] == "Deployment":
            namespace = replica_set["metadata"]["namespace"]
            self._above[replica_set["metadata"]["uid"]] = f"{namespace}/{owner['name']}"

    def _note_consent(self, stateful_set: Json) -> None:
        annotations = stateful_set["metadata"].get("annotations") or {}
        if annotations.get("stepdrain/roll") == "true":
            self._consented.add(f"statefulsets {key(stateful_set)}")

    def _see_pod(self, change: Change) -> None:
        pod, before = change.object, change.before
        if change.type == "DELETED":
            _, _, at = self._ended.get(key(pod), ("", pod, 0.0))
            # A pod that went at this very moment still explains the current count.
            if at < self.now():
                self._ended.pop(key(pod), None)
            return
        ends = "deletionTimestamp" in pod["metadata"]
        began = ends and (before is None or "deletionTimestamp" not in before["metadata"])
        workload = self._workload(pod)
        if began and workload and not _evicted(pod):
            self._ended[key(pod)] = (workload, pod, self.now())

    def _workload(self, pod: Json) -> str:
        owner = _controller(pod) or {}
        if owner.get("kind") == "StatefulSet":
            return f"statefulsets {pod['metadata']['namespace']}/{owner['name']}"
        above = self._above.get(owner.get("uid", ""))
        return f"deployments {above}" if above else ""

    def _judge(self, budget: Json, before: Json) -> None:
        status, old = budget.get("status") or {}, before.get("status") or {}
        healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
        fell = healthy < old.get("currentHealthy", 0) and desired <= old.get("desiredHealthy", 0)
        if healthy >= desired or not fell:
            return
        by_workload: dict[str, list[str]] = {}
        for name, (workload, pod, _) in self._ended.items():
            if pod["metadata"]["namespace"] == budget["metadata"]["namespace"] and covers(
                dict(budget), dict(pod)
            ):
                by_workload.setdefault(workload, []).append(name)
        sentence = f"{key(budget)} needs {desired} healthy pods and has {healthy}"
        for workload, pods in by_workload.items():
            consented = workload in self._consented
            self.falls.append(Fall(self.now(), workload, consented, tuple(sorted(pods)), sentence))


def _controller(obj: Json) -> Json | None:
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


def _evicted(pod: Json) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(
        condition["type"] == "DisruptionTarget" and condition["status"] == "True" for condition in conditions
    )
