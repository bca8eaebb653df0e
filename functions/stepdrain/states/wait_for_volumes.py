"""WaitForVolumes: are the volumes of the pods that have left detached from the instance?

A StatefulSet's replacement cannot start while its volume is attached elsewhere, and a
machine that vanishes with volumes attached keeps them for six minutes and more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from stepdrain.clock import Clock
from stepdrain.document import progress
from stepdrain.document.progress import Progress
from stepdrain.document.step import Step
from stepdrain.document.timing import Timing
from stepdrain.errors import VolumesAttached
from stepdrain.rules import fields, reasons
from stepdrain.rules.pods import Action, Listing, Pod
from stepdrain.rules.reasons import Reason, counted
from stepdrain.states import remaining_pods, routes, waiting


class Attachment(NamedTuple):
    """A persistent volume that a CSI driver has attached to a node."""

    node: str
    volume: str
    """The PersistentVolume's name."""
    attacher: str
    """The CSI driver's name."""


@dataclass(frozen=True)
class Attachments:
    """All attachments by the names of their objects, and the version from which a watch goes on."""

    by_name: Mapping[str, Attachment]
    version: str


def parse(raw: Mapping[str, Any]) -> Attachment | None:
    """An attachment from its JSON (storage.k8s.io/v1 VolumeAttachment); None for one without a volume's name.

    Such a one belongs to a volume that a pod defines by itself, without a PersistentVolume. One whose names
    are no texts is none either.
    """
    spec = fields.mapping(raw.get("spec"))
    node, volume = spec.get("nodeName"), fields.mapping(spec.get("source")).get("persistentVolumeName")
    if not (isinstance(node, str) and isinstance(volume, str) and volume):
        return None
    return Attachment(node, volume, str(spec.get("attacher") or "no driver"))


class Cluster(Protocol):
    """What WaitForVolumes asks of the Kubernetes adapter."""

    def attachments(self) -> Attachments: ...
    def follow_attachments(
        self, listed: Attachments, seconds: float, done: Callable[[list[Attachment]], bool]
    ) -> tuple[list[Attachment], str]: ...
    def pods_on(self, node: str) -> Listing: ...
    def volume_of(self, namespace: str, claim: str) -> str | None: ...


def wait_for_volumes(
    step: Step, cluster: Cluster, clock: Clock, until: float, unwatched: str = ""
) -> Progress:
    """The record with the state that comes next (states.routes); waits until there is one.

    One list of all attachments; if the node has any or had some, one list of its pods, and one GET for each
    claim of a pod that stays, or was given up: its volume stays attached, whoever else mounts it. Then a
    watch on the attachments, no longer than ``until`` (epoch seconds), and not where ``unwatched`` says why.
    Raises VolumesAttached after a watch, else WatchUnavailable, naming the volumes.
    """
    now, node = clock.now(), step.node.name
    listed = cluster.attachments()
    attached, timing = _of(node, listed.by_name.values()), step.timing(now)
    over = timing.waits_over or not attached
    if over and not step.attempt:
        return _detached(step)
    sorted_pods = remaining_pods.sort(cluster.pods_on(node).pods, step)
    if remaining_pods.occupied(sorted_pods, step, now):
        return replace(step.progress, next=progress.EVICT_BATCH)
    kept = _volumes_of(sorted_pods[Action.LEAVE] + remaining_pods.given_up(sorted_pods, step, now), cluster)
    awaited = _awaited(attached, kept)
    if over or not awaited:
        return _detached(step)
    if routes.heartbeat_needed(timing):
        return routes.to_heartbeat(step.progress, progress.WAIT_FOR_VOLUMES, awaited)
    why = unwatched or step.progress.unwatched
    if not why and step.wait_s:
        seconds = waiting.seconds_left(_moments(timing), clock.now(), until)
        found, why = cluster.follow_attachments(
            listed, seconds, lambda all_: not _awaited(_of(node, all_), kept)
        )
        awaited, timing = _awaited(_of(node, found), kept), step.timing(clock.now())
        if not awaited or timing.waits_over:
            return _detached(step)
        if routes.heartbeat_needed(timing):
            return routes.to_heartbeat(step.progress, progress.WAIT_FOR_VOLUMES, awaited)
    raise waiting.not_yet(VolumesAttached, _sentence(awaited), timing, why)


def _moments(timing: Timing) -> list[float]:
    coming = [timing.heartbeat_at, timing.ends_at, *([timing.deadline] if timing.forces else [])]
    return [moment for moment in coming if moment > timing.now]


def _of(node: str, attachments: Iterable[Attachment]) -> list[Attachment]:
    return [attachment for attachment in attachments if attachment.node == node]


def _awaited(attached: Iterable[Attachment], kept: Collection[str | None]) -> list[Reason]:
    return [
        Reason(attachment.volume, f"held by {attachment.attacher}")
        for attachment in attached
        if attachment.volume not in kept
    ]


def _sentence(awaited: list[Reason]) -> str:
    what = f"{counted(len(awaited), 'volume', 'are')} still attached to the node, of pods that have left"
    return f"{what}: {'; '.join(reasons.phrases(awaited))}."


def _volumes_of(staying: Collection[Pod], cluster: Cluster) -> set[str | None]:
    claims = {(pod.namespace, claim) for pod in staying if not pod.finished for claim in pod.claims}
    return {cluster.volume_of(*claim) for claim in sorted(claims)}


def _detached(step: Step) -> Progress:
    record = replace(step.progress, detached=True, blockers=())
    if step.policy.evict_daemonsets:
        return replace(record, next=progress.EVICT_BATCH)
    return replace(record, next=routes.after_last_pod(step, record))
