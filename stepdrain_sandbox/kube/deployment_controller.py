"""The Deployment controller: one ReplicaSet for each pod template, and a rollout from the old to the new.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/; order and wording are those of
kubernetes/kubernetes pkg/controller/deployment. Not here: revisions, rollback, the limit of the
history, proportional scaling in the middle of a rollout, and quotas.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from stepdrain_sandbox.kube import admission, rollout
from stepdrain_sandbox.kube.owned_pods import OwnedPods, controller_of, end, owner_reference
from stepdrain_sandbox.kube.reconciler import Reconciler
from stepdrain_sandbox.kube.resources import BY_KIND
from stepdrain_sandbox.kube.store import Change, Store

Json = dict[str, Any]
DEPLOYMENT, REPLICA_SET = BY_KIND["Deployment"], BY_KIND["ReplicaSet"]
HASH = "pod-template-hash"
DEADLINE_S = 600
"""The default of progressDeadlineSeconds."""


class DeploymentController:
    """Maintains the ReplicaSets and the status of all Deployments."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reconciler = Reconciler(store, self._deployments, self._roll)
        self._pods = OwnedPods(store, "ReplicaSet", lambda _key: None)

    def _deployments(self, change: Change) -> list[str]:
        metadata = change.object["metadata"]
        if change.resource is DEPLOYMENT:
            if change.type == "DELETED":
                self._collect(change.object)
            return [f"{metadata['namespace']}/{metadata['name']}"]
        owner = controller_of(change.object) if change.resource is REPLICA_SET else None
        if owner is None or owner["kind"] != "Deployment":
            return []
        return [f"{metadata['namespace']}/{owner['name']}"]

    def _collect(self, deployment: Json) -> None:
        """Delete the ReplicaSets of a deleted Deployment (background cascading deletion)."""
        for replica_set in self._sets(deployment):
            self._store.remove(REPLICA_SET, replica_set)
            for pod in self._pods.of(replica_set):
                end(self._store, pod)

    def _sets(self, deployment: Json) -> list[Json]:
        """The ReplicaSets of a Deployment, oldest first."""
        uid, namespace = deployment["metadata"]["uid"], deployment["metadata"]["namespace"]
        owned = [
            replica_set
            for replica_set in self._store.all(REPLICA_SET, namespace)
            if (owner := controller_of(replica_set)) is not None and owner["uid"] == uid
        ]
        return sorted(
            owned,
            key=lambda replica_set: int(replica_set["metadata"]["annotations"]["sandbox.stepdrain/number"]),
        )

    def _roll(self, key: str) -> None:
        deployment = self._store.get(DEPLOYMENT, *key.split("/"))
        if deployment is None:
            return
        new = self._new_set(deployment)
        if new is not None and not deployment["spec"].get("paused"):
            self._step(deployment, new)
        elif not deployment["spec"].get("paused"):
            self._create_set(deployment)
        self._count(key)

    def _new_set(self, deployment: Json) -> Json | None:
        wanted = template_hash(deployment)
        sets = self._sets(deployment)
        return next(
            (replica_set for replica_set in sets if replica_set["metadata"]["labels"][HASH] == wanted), None
        )

    def _create_set(self, deployment: Json) -> None:
        old = self._sets(deployment)
        made = _set_of(deployment, len(old))
        if rollout.recreates(deployment):
            made["spec"]["replicas"] = 0
        else:
            made["spec"]["replicas"] = rollout.scaled_up(deployment, made, [*old, made])
        namespace = deployment["metadata"]["namespace"]
        self._store.create(REPLICA_SET, admission.admit(self._store, REPLICA_SET, namespace, made))

    def _step(self, deployment: Json, new: Json) -> None:
        """One step of the rollout: up, or down; the next one follows what comes of it."""
        old = [
            replica_set
            for replica_set in self._sets(deployment)
            if replica_set["metadata"]["uid"] != new["metadata"]["uid"]
        ]
        if rollout.recreates(deployment):
            for replica_set in old:
                self._scale(replica_set, 0)
            if not any(self._pods.of(replica_set) for replica_set in old):
                self._scale(new, rollout.replicas(deployment))
            return
        if self._scale(new, rollout.scaled_up(deployment, new, [*old, new])):
            return
        kept = rollout.scaled_down(deployment, new, old)
        for replica_set in old:
            self._scale(replica_set, kept[replica_set["metadata"]["name"]])

    def _scale(self, replica_set: Json, replicas: int) -> bool:
        """Give a ReplicaSet this many replicas; True if that is a change."""
        if rollout.replicas(replica_set) == replicas:
            return False
        spec = {**replica_set["spec"], "replicas": replicas}
        self._store.replace(REPLICA_SET, replica_set, {**replica_set, "spec": spec})
        return True

    def _count(self, key: str) -> None:
        deployment = self._store.get(DEPLOYMENT, *key.split("/"))
        if deployment is None:
            return
        sets, new = self._sets(deployment), self._new_set(deployment)
        available = sum(rollout.count(replica_set, "availableReplicas") for replica_set in sets)
        counts = {
            "replicas": sum(rollout.count(replica_set, "replicas") for replica_set in sets),
            "updatedReplicas": rollout.count(new, "replicas"),
            "readyReplicas": sum(rollout.count(replica_set, "readyReplicas") for replica_set in sets),
            "availableReplicas": available,
            "unavailableReplicas": max(0, sum(map(rollout.replicas, sets)) - available),
        }
        status: Json = {
            "observedGeneration": deployment["metadata"]["generation"],
            **{name: count for name, count in counts.items() if count},
            "terminatingReplicas": sum(
                rollout.count(replica_set, "terminatingReplicas") for replica_set in sets
            ),
        }
        before = deployment.get("status") or {}
        progressing = self._progressing(deployment, before, status, new)
        conditions = [
            self._turned(before, condition) for condition in (_available(deployment, available), progressing)
        ]
        self._store.replace(
            DEPLOYMENT, deployment, {**deployment, "status": {**status, "conditions": conditions}}
        )
        self._wake_at_deadline(key, deployment, conditions[1])

    def _progressing(self, deployment: Json, before: Json, status: Json, new: Json | None) -> Json:
        last = _condition(before, "Progressing")
        if deployment["spec"].get("paused"):
            return _said("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
        if new is None:
            return _said("Progressing", "True", "NewReplicaSetCreated", "Created new replica set")
        name = f'ReplicaSet "{new["metadata"]["name"]}"'
        if rollout.complete(deployment, status):
            return _said(
                "Progressing", "True", "NewReplicaSetAvailable", f"{name} has successfully progressed."
            )
        if last is None or last["reason"] == "DeploymentPaused" or _progressed(before, status):
            return {
                **_said("Progressing", "True", "ReplicaSetUpdated", f"{name} is progressing."),
                "lastUpdateTime": self._store.timestamp(),
            }
        over = _epoch(last["lastUpdateTime"]) + _deadline_s(deployment) <= self._store.clock.now()
        if last["reason"] == "ProgressDeadlineExceeded" or (
            over and last["reason"] != "NewReplicaSetAvailable"
        ):
            message = f"{name} has timed out progressing."
            return _said("Progressing", "False", "ProgressDeadlineExceeded", message)
        return {key: value for key, value in last.items() if key != "lastTransitionTime"}

    def _turned(self, before: Json, condition: Json) -> Json:
        """The condition with its times: lastTransitionTime is that of its last change of status."""
        last = _condition(before, condition["type"]) or {}
        now = self._store.timestamp()
        same = all(last.get(name) == condition[name] for name in ("status", "reason", "message"))
        turned = last.get("lastTransitionTime") if last.get("status") == condition["status"] else None
        updated = condition.get("lastUpdateTime") or (last.get("lastUpdateTime") if same else None)
        return {**condition, "lastUpdateTime": updated or now, "lastTransitionTime": turned or now}

    def _wake_at_deadline(self, key: str, deployment: Json, progressing: Json) -> None:
        if progressing["status"] == "True" and progressing["reason"] != "NewReplicaSetAvailable":
            at = _epoch(progressing["lastUpdateTime"]) + _deadline_s(deployment)
            self._store.clock.call_at(at, lambda: self._reconciler.mark(key))


def template_hash(deployment: Json) -> str:
    """The hash of a pod template; equal templates have the same hash."""
    text = json.dumps(deployment["spec"]["template"], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _set_of(deployment: Json, number: int) -> Json:
    """A ReplicaSet for the Deployment's template, with no replicas yet."""
    name, template = template_hash(deployment), deployment["spec"]["template"]
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH: name}
    metadata = {
        "name": f"{deployment['metadata']['name']}-{name}",
        "namespace": deployment["metadata"]["namespace"],
        "labels": labels,
        "annotations": {"sandbox.stepdrain/number": str(number)},
        "ownerReferences": [owner_reference(deployment)],
    }
    selector = {"matchLabels": {**(deployment["spec"]["selector"].get("matchLabels") or {}), HASH: name}}
    pods = {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}}
    spec = {"replicas": 0, "selector": selector, "template": pods}
    if deployment["spec"].get("minReadySeconds"):
        spec["minReadySeconds"] = deployment["spec"]["minReadySeconds"]
    return {"kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": metadata, "spec": spec}


def _deadline_s(deployment: Json) -> int:
    return int(deployment["spec"].get("progressDeadlineSeconds", DEADLINE_S))


def _available(deployment: Json, available: int) -> Json:
    if available >= rollout.replicas(deployment) - rollout.unavailable(deployment):
        message = "Deployment has minimum availability."
        return _said("Available", "True", "MinimumReplicasAvailable", message)
    message = "Deployment does not have minimum availability."
    return _said("Available", "False", "MinimumReplicasUnavailable", message)


def _progressed(before: Json, status: Json) -> bool:
    """More new pods, fewer old ones, or more that are ready or available (DeploymentProgressing)."""

    def old(counts: Json) -> int:
        return int(counts.get("replicas", 0)) - int(counts.get("updatedReplicas", 0))

    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    more = any(status.get(name, 0) > before.get(name, 0) for name in grown)
    started = status["observedGeneration"] > before.get("observedGeneration", 0)
    return more or started or old(status) < old(before)


def _said(kind: str, status: str, reason: str, message: str) -> Json:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _condition(status: Json, kind: str) -> Json | None:
    return next(
        (condition for condition in status.get("conditions") or () if condition["type"] == kind), None
    )


def _epoch(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()
