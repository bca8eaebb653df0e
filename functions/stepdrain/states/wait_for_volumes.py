"""WaitForVolumes: are the volumes of the pods that have left detached from the instance?

A StatefulSet's replacement cannot start while its volume is attached elsewhere, and a
machine that vanishes with volumes attached keeps them for six minutes and more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from stepdrain.document import progress
from stepdrain.document.progress import Progress, Timing
from stepdrain.document.step import Step
from stepdrain.rules.pods import Action, Listing, Pod
from stepdrain.rules.reasons import Reason
from stepdrain.states import after_pods


@dataclass(frozen=True)
class Attachment:
    """A persistent volume that a CSI driver has attached to a node."""

    node: str
    volume: str
    attacher: str


def parse(raw: Mapping[str, Any]) -> Attachment | None:
    """An attachment from its JSON (storage.k8s.io/v1 VolumeAttachment); None for one without a volume's name.

    Such a one belongs to a volume that a pod defines by itself, without a PersistentVolume.
    """
    spec = raw["spec"]
    volume = spec["source"].get("persistentVolumeName")
    return Attachment(spec["nodeName"], volume, spec["attacher"]) if volume else None


class Cluster(Protocol):
    """What WaitForVolumes asks of the Kubernetes adapter."""

    def attachments(self) -> list[Attachment]: ...
    def pods_on(self, node: str) -> Listing: ...
    def volume_of(self, namespace: str, claim: str) -> str | None: ...


def wait_for_volumes(step: Step, cluster: Cluster, now: float) -> Progress:
    """The record with the state that comes next.

        evictable pods are on the node again                   EvictBatch
        volumes of pods that have left are attached            ask again, unless a heartbeat presses
        none; DaemonSets' pods are still to be evicted         EvictBatch
        none                                                   what else is waited for

    One list of all attachments; if the node has any or had some, one list of its pods, and one GET for each
    claim of a pod that stays: its volume stays attached, whoever else mounts it.
    Raises VolumesAttached (or VolumesStillAttached) naming the volumes.
    """
    timing, node = step.aftermath(now), step.node.name
    attached = [one for one in cluster.attachments() if one.node == node]
    over = after_pods.over(timing) or not attached
    if over and not step.attempt:
        return _detached(step, timing)
    sorted_pods = after_pods.sort(cluster.pods_on(node).pods, step)
    if after_pods.occupied(sorted_pods, step, now):
        return replace(step.progress, next=progress.EVICT_BATCH)
    if over:
        return _detached(step, timing)
    kept = _volumes_of(sorted_pods[Action.LEAVE], cluster)
    awaited = [Reason(one.volume, f"held by {one.attacher}") for one in attached if one.volume not in kept]
    if not awaited:
        return _detached(step, timing)
    what = f"{len(awaited)} volumes of pods that have left are attached to the node"
    return after_pods.wait(step, timing, awaited, what, progress.ATTACHED)


def _volumes_of(staying: Collection[Pod], cluster: Cluster) -> set[str | None]:
    claims = {(pod.namespace, claim) for pod in staying if not pod.finished for claim in pod.claims}
    return {cluster.volume_of(*claim) for claim in sorted(claims)}


def _detached(step: Step, timing: Timing) -> Progress:
    record = replace(step.progress, detached=True, blockers=())
    if step.policy.evict_daemonsets:
        return replace(record, next=progress.EVICT_BATCH)
    return replace(record, next=after_pods.following(step, record, timing))
