"""What a drain waits for: pods on a node, something that holds them, and the moment at which it gives way.

The pods are bound to their node and belong to a ReplicaSet, which makes others elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stepdrain_sandbox.kube.cluster import Cluster
from stepdrain_sandbox.kube.dynamic_admission import ALLOWED, Verdict
from stepdrain_sandbox.kube.kubelet import EXITS_AFTER, READY_AFTER
from stepdrain_sandbox.workload import Manifest, budget

Json = dict[str, Any]
GRACE_S = 5
LABELS = {"app": "web"}
SPREAD_S = (0.5, 1.5, 2.5, 3.5, 4.5)
"""Added to an instant, so that no polling phase fits by luck."""


@dataclass(frozen=True)
class Scene:
    """``pods`` with ``grace_s`` of grace; ``after_s`` is what the scene is about, in seconds."""

    kind: str
    after_s: float
    pods: int = 1
    grace_s: int = GRACE_S
    budget: int | None = None
    """maxUnavailable of a budget on the pods."""
    ready_after_s: float = 1.0
    """Of replacements."""
    exits_after_s: float | None = None
    changes_at_s: float | None = None
    """Seconds from the beginning of the drain until ``change``."""
    change: Callable[[Cluster, str], None] | None = None
    prepare: Callable[[Cluster, str], None] | None = None

    @property
    def due_s(self) -> float:
        """When the drain could be done at best, in seconds from its beginning; or the change, if any.

        Behind a tight budget each pod but the last waits for a replacement.
        """
        if self.changes_at_s is not None:
            return self.changes_at_s
        if self.exits_after_s is not None:
            return self.exits_after_s
        return (self.pods - 1) * self.ready_after_s + self.grace_s

    def manifests(self, namespace: str, node: str, spare: str) -> list[Manifest]:
        """The pods on ``node`` with their ReplicaSet, whose other pods come to ``spare``, and the budget."""
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": f"web-of-{namespace}"}
        annotations = {} if self.exits_after_s is None else {EXITS_AFTER: str(self.exits_after_s)}
        spec = {
            "terminationGracePeriodSeconds": self.grace_s,
            "containers": [{"name": "web", "image": "registry.invalid/web:1"}],
        }
        bound = [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "namespace": namespace,
                    "name": f"web-{number}",
                    "labels": LABELS,
                    "annotations": annotations,
                    "ownerReferences": [{**owner, "controller": True}],
                },
                "spec": {**spec, "nodeName": node},
            }
            for number in range(self.pods)
        ]
        selector = {"kubernetes.io/hostname": spare}
        template = {
            "metadata": {"labels": LABELS, "annotations": {READY_AFTER: str(self.ready_after_s)}},
            "spec": {**spec, "nodeSelector": selector},
        }
        replica_set = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {"namespace": namespace, "name": "web", "uid": owner["uid"]},
            "spec": {"replicas": self.pods, "selector": {"matchLabels": LABELS}, "template": template},
        }
        held = [] if self.budget is None else [budget(namespace, "web", LABELS, self.budget)]
        return [*bound, replica_set, *held]


TIGHT, FREED, LONG_GRACE, WEBHOOK = "tight budget", "freed budget", "long grace", "webhook's 429"


def tight_budget(ready_after_s: float) -> Scene:
    """8 pods, of which one at a time may be down; replacements are Ready after so many seconds."""
    return Scene(TIGHT, ready_after_s, pods=8, budget=1, ready_after_s=ready_after_s)


def freed_budget(after_s: float) -> Scene:
    """A pod whose budget gives way after so many seconds."""

    def change(cluster: Cluster, namespace: str) -> None:
        cluster.change("PodDisruptionBudget", "web", namespace, {"spec": {"maxUnavailable": 1}})

    return Scene(FREED, after_s, budget=0, changes_at_s=after_s, change=change)


def long_grace(ends_after_s: float, grace_s: int = 1800) -> Scene:
    """A pod with a long grace that ends so many seconds after it was asked to."""
    return Scene(LONG_GRACE, ends_after_s, grace_s=grace_s, exits_after_s=ends_after_s)


def refusing_webhook(for_s: float) -> Scene:
    """8 pods whose evictions a webhook answers with 429 for so many seconds."""

    def prepare(cluster: Cluster, namespace: str) -> None:
        refusal = Verdict(allowed=False, message="being moved", code=429)
        cluster.admission.add_webhook(
            lambda request: refusal if request["namespace"] == namespace else ALLOWED, name=_guard(namespace)
        )

    return Scene(
        WEBHOOK,
        for_s,
        pods=8,
        changes_at_s=for_s,
        change=lambda cluster, namespace: cluster.admission.remove(_guard(namespace)),
        prepare=prepare,
    )


def _guard(namespace: str) -> str:
    return f"{namespace}.guard.example.com"


def spread(scene: Callable[[float], Scene], after_s: float) -> Sequence[Scene]:
    """The scene at instants spread over five seconds; each is about ``after_s``."""
    return [replace(scene(after_s + more), after_s=after_s) for more in SPREAD_S]
