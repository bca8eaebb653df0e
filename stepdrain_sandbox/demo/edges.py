"""What lies at the edges of a drain: pods that leave early or late, a volume, a load balancer's target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stepdrain_recorded.audit import Change
from stepdrain_sandbox import workload
from stepdrain_sandbox.world import World

Json = dict[str, Any]
WAVE = "stepdrain/wave"
PARAMETERS = {"SettleTime": "2"}
DETACHES_AFTER_S, DEREGISTRATION_S = 7, 20
ORDER = ("queue-reader", "database", "coredns", "log-shipper")
"""Pods of the first node, in the order in which they leave it."""


def manifests(nodes: Sequence[str], usual: Iterable[Json]) -> Iterable[Json]:
    """On the first node: a pod that leaves first, one with a volume, CoreDNS, and a pod that leaves last.

    The ``usual`` workload stands on the last one: its graces would outlast the volume's detaching, by chance.
    """
    for manifest in usual:
        yield _kept_on(manifest, nodes[-1]) if manifest["kind"] == "ReplicaSet" else manifest
    yield from workload.csi_driver(nodes)
    yield from workload.volume("data", DETACHES_AFTER_S)
    yield in_wave(workload.lone_pod("queue-reader", nodes[0]), "0")
    yield workload.mounting(workload.lone_pod("database", nodes[0]), "data")
    yield on_node(in_wave(workload.lone_pod("log-shipper", nodes[0]), "9"), nodes[0])
    yield on_node(of_system(workload.lone_pod("coredns", nodes[0])), nodes[0])


def _kept_on(replica_set: Json, node: str) -> Json:
    template = replica_set["spec"]["template"]
    spec = {**template["spec"], "nodeSelector": {"kubernetes.io/hostname": node}}
    return {**replica_set, "spec": {**replica_set["spec"], "template": {**template, "spec": spec}}}


def in_wave(pod: Json, wave: str) -> Json:
    """The pod with an annotation that moves it to another wave."""
    return {**pod, "metadata": {**pod["metadata"], "annotations": {WAVE: wave}}}


def on_node(pod: Json, node: str) -> Json:
    """The pod, bound to the node."""
    return {**pod, "spec": {**pod["spec"], "nodeName": node}}


def of_system(pod: Json) -> Json:
    """The pod with the priority class that CoreDNS has."""
    return {**pod, "spec": {**pod["spec"], "priorityClassName": "system-cluster-critical"}}


def load_balancer(world: World) -> None:
    """A target group that holds every instance."""
    world.balancers.target_group("web", world.instances, DEREGISTRATION_S)


def broken(history: Sequence[Mapping[str, Any]], written: Sequence[Change]) -> list[str]:
    """What was not kept, in sentences: the order of the waves, and the waits before the end."""
    evicted = [change.object for change in written if change.kind == "evict" and change.status < 300]
    first = {
        name: next((k for k, pod in enumerate(evicted) if f"/{name}" in pod), len(evicted)) for name in ORDER
    }
    sentences = []
    if sorted(ORDER, key=first.__getitem__) != list(ORDER):
        sentences.append(f"Waves: pods were evicted in the order {', '.join(evicted)}.")
    details = [event.get("taskFailedEventDetails", {}) for event in history]
    for error in ("VolumesAttached", "TargetsDraining"):
        if not any(detail.get("error") == error for detail in details):
            sentences.append(f"The drain never waited for {error}.")
    return sentences
