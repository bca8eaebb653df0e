"""The workload of the demo's cluster, and manifests for other worlds.

nginx behind a disruption budget, CoreDNS, and aws-node and kube-proxy on each node, as on
a new EKS cluster. All functions return ordinary manifests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from stepdrain_sandbox.kube.attach_controller import DETACHES_AFTER, DRIVER, DRIVER_LABEL
from stepdrain_sandbox.kube.kubelet import READY_AFTER

Manifest = dict[str, Any]
APPLICATION = "nginx-demo-deployment"


def cluster_workload(nodes: Sequence[str], *, replicas: int = 3, grace_s: int = 5) -> list[Manifest]:
    """All manifests for the named nodes: ``replicas`` nginx pods with ``grace_s`` seconds of grace."""
    return [
        # First, as on a real node: they run before anything is scheduled there.
        *daemonset("aws-node", nodes),
        *daemonset("kube-proxy", nodes),
        replica_set("default", f"{APPLICATION}-6b8f4c7d9", {"app": "nginx"}, replicas, grace_s),
        budget("default", "nginx", {"app": "nginx"}, max_unavailable=max(1, replicas // 3)),
        replica_set(
            "kube-system", "coredns-5d78c9869d", {"k8s-app": "kube-dns"}, 2, 3, "system-cluster-critical"
        ),
        budget("kube-system", "coredns", {"k8s-app": "kube-dns"}, max_unavailable=1),
    ]


def replica_set(
    namespace: str, name: str, labels: dict[str, str], replicas: int, grace_s: int, priority_class: str = ""
) -> Manifest:
    """A ReplicaSet; the cluster creates and schedules its pods."""
    spec: Manifest = {"terminationGracePeriodSeconds": grace_s, "containers": [_container(name)]}
    if priority_class:
        spec["priorityClassName"] = priority_class
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def deployment(
    namespace: str,
    name: str,
    labels: dict[str, str],
    replicas: int,
    grace_s: int,
    *,
    strategy: Manifest | None = None,
    ready_after_s: float | None = None,
    **spec: Any,
) -> Manifest:
    """A Deployment; the cluster creates its ReplicaSets and pods.

    ``strategy`` as in the manifest, by default a rolling update with 25 % surge and 25 % unavailable;
    ``ready_after_s``: seconds from a pod's arrival on a node until it is Ready; ``spec``: more fields of the
    spec (``paused`` …).
    """
    made = replica_set(namespace, name, labels, replicas, grace_s)
    if ready_after_s is not None:
        annotations = {READY_AFTER: str(ready_after_s)}
        made["spec"]["template"]["metadata"] = {"labels": labels, "annotations": annotations}
    return {
        **made,
        "kind": "Deployment",
        "spec": {**made["spec"], **({"strategy": strategy} if strategy else {}), **spec},
    }


def stateful_set(namespace: str, name: str, labels: dict[str, str], replicas: int, grace_s: int) -> Manifest:
    """A StatefulSet; its pods are named ``name-0``, ``name-1`` …"""
    made = replica_set(namespace, name, labels, replicas, grace_s)
    return {**made, "kind": "StatefulSet", "spec": {**made["spec"], "serviceName": name}}


def blocked_database(node: str, replicas: int, grace_s: int) -> list[Manifest]:
    """A ReplicaSet orders-db on ``node``, and a budget that lets none of its pods go."""
    labels = {"app": "orders-db"}
    database = replica_set("default", "orders-db", labels, replicas, grace_s)
    database["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": node}
    return [database, budget("default", "orders-db", labels, max_unavailable=0)]


def singleton_budget(namespace: str, name: str, labels: dict[str, str], min_available: int = 1) -> Manifest:
    """A PodDisruptionBudget that requires ``min_available`` (a count) of the labelled pods."""
    made = budget(namespace, name, labels, 0)
    spec = {"minAvailable": min_available, "selector": {"matchLabels": labels}}
    return {**made, "spec": spec}


def budget(namespace: str, name: str, labels: dict[str, str], max_unavailable: int) -> Manifest:
    """A PodDisruptionBudget that allows ``max_unavailable`` (a count) of the labelled pods to be down."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"maxUnavailable": max_unavailable, "selector": {"matchLabels": labels}},
    }


def daemonset(name: str, nodes: Sequence[str]) -> Iterable[Manifest]:
    """A DaemonSet in kube-system and its pod on each node, as its controller would create it."""
    yield {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"namespace": "kube-system", "name": name, "uid": f"{name}-uid"},
        "spec": {
            "selector": {"matchLabels": {"k8s-app": name}},
            "template": {
                "metadata": {"labels": {"k8s-app": name}},
                "spec": {"containers": [_container(name)]},
            },
        },
    }
    for number, node in enumerate(nodes):
        yield _daemonset_pod(name, node, number)


def _daemonset_pod(name: str, node: str, number: int) -> Manifest:
    owner = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "name": name,
        "uid": f"{name}-uid",
        "controller": True,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": "kube-system",
            "name": f"{name}-{number:05d}",
            "labels": {"k8s-app": name},
            "ownerReferences": [owner],
        },
        "spec": {
            "nodeName": node,
            "priorityClassName": "system-node-critical",
            "containers": [_container(name)],
        },
    }


def volume(name: str, detaches_after_s: float = 8) -> Iterable[Manifest]:
    """A PersistentVolume, and the claim that is bound to it, of the same name in the namespace default."""
    yield {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pv-{name}", "annotations": {DETACHES_AFTER: str(detaches_after_s)}},
        "spec": {
            "capacity": {"storage": "8Gi"},
            "accessModes": ["ReadWriteOnce"],
            "claimRef": {"namespace": "default", "name": name},
            "csi": {"driver": DRIVER, "volumeHandle": f"vol-{name}"},
        },
    }
    yield {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"namespace": "default", "name": name},
        "spec": {"volumeName": f"pv-{name}", "accessModes": ["ReadWriteOnce"]},
        "status": {"phase": "Bound"},
    }


def csi_driver(nodes: Sequence[str]) -> Iterable[Manifest]:
    """The EBS driver's DaemonSet; volumes are detached only from nodes with one of its pods."""
    for manifest in daemonset("ebs-csi-node", nodes):
        key, value = DRIVER_LABEL
        labels = {**manifest["metadata"].get("labels", {}), key: value}
        yield {**manifest, "metadata": {**manifest["metadata"], "labels": labels}}


def mounting(manifest: Manifest, claim: str) -> Manifest:
    """The manifest of a pod or ReplicaSet with this claim mounted in its pods."""
    mounted = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]}
    if manifest["kind"] == "Pod":
        return {**manifest, "spec": {**manifest["spec"], **mounted}}
    template = manifest["spec"]["template"]
    template = {**template, "spec": {**template["spec"], **mounted}}
    return {**manifest, "spec": {**manifest["spec"], "template": template}}


def lone_pod(name: str, node: str) -> Manifest:
    """A pod without a controller."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "default", "name": name},
        "spec": {"nodeName": node, "terminationGracePeriodSeconds": 2, "containers": [_container(name)]},
    }


def _container(name: str) -> Manifest:
    return {"name": name.rsplit("-", 1)[0], "image": f"registry.invalid/{name}:1"}
