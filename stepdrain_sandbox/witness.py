"""Watches the cluster during a drain, for the guarantees that no log can prove.

The audit log has the requests. How many healthy pods a budget had, and which pods were still
on a node when its machine went off, can be seen only in the cluster and at that moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stepdrain_sandbox.kube import scheduler
from stepdrain_sandbox.kube.store import Change

Json = Mapping[str, Any]
MIRROR = "kubernetes.io/config.mirror"


@dataclass
class Witness:
    """Is called for each change in the cluster, and for each machine that goes off."""

    budgets: list[str] = field(default_factory=list)
    """A sentence for each time the disruption controller counted too few healthy pods for a budget."""
    left: dict[str, list[str]] = field(default_factory=dict)
    """Instance id to the evictable pods (``namespace/name``) on it when it went off."""
    homes: dict[str, set[str]] = field(default_factory=dict)
    """Node to the pods (``namespace/name``) that it ever had."""
    returned: set[str] = field(default_factory=set)
    """UIDs of pods that came to a node after its cordon, which they tolerate."""
    staying: set[str] = field(default_factory=set)
    """All DaemonSet and static pods (``namespace/name``) that ever were there."""
    _cordoned: set[str] = field(default_factory=set)

    def see(self, change: Change) -> None:
        """A listener of stepdrain_sandbox.kube.store.Store."""
        if change.resource.plural == "poddisruptionbudgets" and change.before is not None:
            self._judge_budget(change.object, change.before)
        if change.resource.plural == "nodes":
            self._judge_node(change)
        node = change.object.get("spec", {}).get("nodeName")
        if change.resource.plural == "pods" and node:
            self.homes.setdefault(node, set()).add(key(change.object))
            arrived = change.before is None or not change.before["spec"].get("nodeName")
            if arrived and node in self._cordoned and scheduler.tolerated(change.object, scheduler.CORDONED):
                self.returned.add(change.object["metadata"]["uid"])
            if of_the_node(change.object):
                self.staying.add(key(change.object))

    def _judge_node(self, change: Change) -> None:
        name = change.object["metadata"]["name"]
        if change.type != "DELETED" and change.object["spec"].get("unschedulable"):
            self._cordoned.add(name)
        else:
            self._cordoned.discard(name)

    def _judge_budget(self, now: Json, before: Json) -> None:
        status, old = now.get("status") or {}, before.get("status") or {}
        healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
        # A budget that was tightened, or whose pods are just starting, is short through nobody's fault.
        fell = healthy < old.get("currentHealthy", 0) and desired <= old.get("desiredHealthy", 0)
        if healthy < desired and fell:
            self.budgets.append(f"{key(now)} needs {desired} healthy pods and has {healthy}")

    def machine_off(self, instance_id: str, pods: list[Json]) -> None:
        """Record that an instance went off with these pods on its node."""
        self.left[instance_id] = sorted(
            key(pod) for pod in pods if evictable(pod) and pod["metadata"]["uid"] not in self.returned
        )


def key(obj: Json) -> str:
    """``namespace/name``."""
    return f"{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"


def evictable(pod: Json) -> bool:
    """Whether a drain must not leave this pod by default; terminating pods count, finished pods do not.

    kubectl drain's rules (kubernetes/kubectl, pkg/drain/filters.go), implemented again on
    purpose: a check that used stepdrain.rules.pods would share its bugs.
    """
    return not (of_the_node(pod) or pod.get("status", {}).get("phase") in ("Succeeded", "Failed"))


def of_the_node(pod: Json) -> bool:
    """Whether it is a DaemonSet's pod or a static pod, which belong to the node."""
    owners = pod["metadata"].get("ownerReferences") or ()
    daemon = any(owner["kind"] == "DaemonSet" and owner.get("controller") for owner in owners)
    return daemon or MIRROR in (pod["metadata"].get("annotations") or {})
