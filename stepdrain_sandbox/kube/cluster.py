"""The cluster: a store, and, where asked for, kubelets and controllers."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable
from typing import Any

from stepdrain_sandbox.clock import Clock
from stepdrain_sandbox.kube import admission, patches
from stepdrain_sandbox.kube.attach_controller import AttachController
from stepdrain_sandbox.kube.deployment_controller import DeploymentController
from stepdrain_sandbox.kube.disruption_controller import DisruptionController
from stepdrain_sandbox.kube.dynamic_admission import DynamicAdmission
from stepdrain_sandbox.kube.kubelet import Kubelets
from stepdrain_sandbox.kube.replicaset_controller import ReplicaSetController
from stepdrain_sandbox.kube.resources import BY_KIND
from stepdrain_sandbox.kube.scheduler import Scheduler
from stepdrain_sandbox.kube.statefulset_controller import StatefulSetController
from stepdrain_sandbox.kube.store import Store

Json = dict[str, Any]
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


class Cluster:
    """The cluster from inside, for tests and the demo to set up and to inspect."""

    def __init__(
        self,
        clock: Clock,
        *,
        kubelet: bool = True,
        controllers: bool = True,
        audit: Callable[[Json], None] = lambda _event: None,
    ) -> None:
        self.store = Store(clock)
        self.admission = DynamicAdmission(self.store)
        """Webhooks and policies that refuse or delay requests of clients."""
        if kubelet:
            Kubelets(self.store, audit)
        if controllers:
            DisruptionController(self.store)
            ReplicaSetController(self.store)
            DeploymentController(self.store)
            StatefulSetController(self.store)
            Scheduler(self.store)
            AttachController(self.store)
        for name in NAMESPACES:
            self.create({"kind": "Namespace", "metadata": {"name": name}})

    def create(self, manifest: Json) -> Json:
        """Store a manifest as a POST would, without authorization."""
        resource = BY_KIND[manifest["kind"]]
        namespace = (
            (manifest.get("metadata") or {}).get("namespace", "default") if resource.namespaced else ""
        )
        return self.store.create(resource, admission.admit(self.store, resource, namespace, manifest))

    def load(self, manifests: Iterable[Json]) -> None:
        """Store manifests in their order; a List stands for its items, existing namespaces are skipped."""
        for manifest in manifests:
            items = manifest.get("items") if manifest["kind"].endswith("List") else None
            if items is not None:
                self.load(items)
            elif (
                manifest["kind"] != "Namespace" or self.get("Namespace", manifest["metadata"]["name"]) is None
            ):
                self._namespace_of(manifest)
                self.create(manifest)

    def _namespace_of(self, manifest: Json) -> None:
        """Create the manifest's namespace if it does not exist: a file need not begin with it."""
        name = (manifest.get("metadata") or {}).get("namespace", "default")
        if BY_KIND[manifest["kind"]].namespaced and self.get("Namespace", name) is None:
            self.create({"kind": "Namespace", "metadata": {"name": name}})

    def change(self, kind: str, name: str, namespace: str, merge_patch: Json) -> Json:
        """Change an object by a merge patch, as its owner would; raises KeyError if it does not exist."""
        with self.store.lock:
            before = self.get(kind, name, namespace)
            if before is None:
                raise KeyError(f"{kind} {namespace}/{name}")
            return self.store.replace(BY_KIND[kind], before, patches.merge(before, merge_patch))

    def remove(self, kind: str, name: str, namespace: str = "") -> None:
        """Remove an object at once, without grace; no-op if it does not exist."""
        with self.store.lock:
            obj = self.get(kind, name, namespace)
            if obj is not None:
                self.store.remove(BY_KIND[kind], obj)

    def get(self, kind: str, name: str, namespace: str = "") -> Json | None:
        """An object; None if it does not exist."""
        resource = BY_KIND[kind]
        return self.store.get(resource, (namespace or "default") if resource.namespaced else "", name)

    def list(self, kind: str) -> list[Json]:
        """All objects of a kind."""
        return self.store.all(BY_KIND[kind])

    def pods_on(self, node: str) -> builtins.list[Json]:
        """The pods bound to a node."""
        return self.store.all(BY_KIND["Pod"], node=node)

    def power_off(self, node: str) -> None:
        """The node's machine goes off: its pods and its Node vanish at once."""
        with self.store.lock:
            for pod in self.pods_on(node):
                self.store.remove(BY_KIND["Pod"], pod)
            self.remove("Node", node)
