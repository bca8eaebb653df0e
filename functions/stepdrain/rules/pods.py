"""What a drain does with a pod, and why: every pod of the node gets a verdict with a reason.

The table is kubectl drain's (kubernetes/kubectl, pkg/drain/filters.go), read for a
machine that is about to die: what kubectl stops at, this project evicts by default,
because the pod is lost either way and an eviction at least gives it its grace.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any, Protocol

from stepdrain.clock import to_epoch_s
from stepdrain.rules.policy import Policy
from stepdrain.rules.tolerations import CORDON, tolerates

MIRROR_ANNOTATION = "kubernetes.io/config.mirror"


class Action(StrEnum):
    """What becomes of a pod."""

    EVICT = "evict"
    WAIT = "wait"
    """It is going already; the drain waits until it is gone."""
    LEAVE = "leave"
    REFUSE = "refuse"
    """The policy forbids its eviction, so the drain stops before the first eviction."""


@dataclass(frozen=True)
class Verdict:
    """An action and the reason for it, a phrase that a person can read."""

    action: Action
    reason: str


@dataclass(frozen=True)
class Owner:
    """A pod's controller, e.g. apps/v1 ReplicaSet web-5d9."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True)
class Pod:
    """What the decisions need of a pod. Times are epoch seconds, graces seconds."""

    namespace: str
    name: str
    uid: str
    phase: str
    ready: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    priority_class: str
    owner: Owner | None
    local_storage: bool
    grace_s: int
    created_at: float
    deletion_at: float | None
    """When its grace ends (deletionTimestamp), None while nobody has asked it to go."""
    claims: tuple[str, ...] = ()
    """Names of the PersistentVolumeClaims that it mounts, in its own namespace."""
    tolerates_cordon: bool = False

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @property
    def finished(self) -> bool:
        """Its containers have all ended for good."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def of_daemonset(self) -> bool:
        """Its controller is an apps/v1 DaemonSet."""
        return self.owner is not None and (self.owner.kind, self.owner.api_version) == (
            "DaemonSet",
            "apps/v1",
        )


class Listing(Protocol):
    """A node's pods at one moment."""

    @property
    def pods(self) -> list[Pod]: ...


def parse(raw: Mapping[str, Any]) -> Pod:
    """A pod from its JSON as the API lists it (core/v1 Pod)."""
    metadata, spec, status = raw["metadata"], raw.get("spec", {}), raw.get("status", {})
    deletion = metadata.get("deletionTimestamp")
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        phase=status.get("phase", ""),
        ready=any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ()),
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        priority_class=spec.get("priorityClassName", ""),
        owner=_controller(metadata.get("ownerReferences") or ()),
        local_storage=any("emptyDir" in volume for volume in spec.get("volumes") or ()),
        grace_s=spec.get("terminationGracePeriodSeconds", 30),
        created_at=to_epoch_s(metadata["creationTimestamp"]) if "creationTimestamp" in metadata else 0.0,
        deletion_at=to_epoch_s(deletion) if deletion else None,
        claims=tuple(_claims(metadata["name"], spec.get("volumes") or ())),
        tolerates_cordon=tolerates(spec.get("tolerations") or (), CORDON),
    )


def _claims(pod: str, volumes: Collection[Mapping[str, Any]]) -> Iterator[str]:
    for volume in volumes:
        if "persistentVolumeClaim" in volume:
            yield volume["persistentVolumeClaim"]["claimName"]
        elif "ephemeral" in volume:
            # https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/#persistentvolumeclaim-naming
            yield f"{pod}-{volume['name']}"


def _controller(references: Collection[Mapping[str, Any]]) -> Owner | None:
    for reference in references:
        if reference.get("controller"):
            return Owner(reference["apiVersion"], reference["kind"], reference["name"])
    return None


def verdict(pod: Pod, policy: Policy, *, orphan: bool = False, since: float = inf) -> Verdict:
    """What becomes of ``pod``; the first rule that fits decides.

        static (mirror) pod                          leave
        DaemonSet's, the DaemonSet exists            leave, or evict if the policy asks for it
                                                     and it was there before ``since``
        finished (Succeeded, Failed)                 leave: nothing of it runs any more
        terminating already                          wait
        returned past the cordon (``returned``)      leave: it would come back for ever
        DaemonSet's, the DaemonSet is gone           as an unmanaged pod    (``orphan``)
        emptyDir volume, deleteEmptydirData off      refuse
        no controller, evictUnmanaged off            refuse
        otherwise                                    evict

    kubectl deletes finished pods; here they stay, so that their logs can be read until
    the machine goes.
    """
    if MIRROR_ANNOTATION in pod.annotations:
        return Verdict(Action.LEAVE, "static pod, run by the kubelet from a file")
    if pod.of_daemonset and not orphan:
        if not policy.evict_daemonsets:
            return Verdict(Action.LEAVE, f"{_owner_text(pod)} would put it back")
        if pod.created_at >= since:
            return Verdict(Action.LEAVE, f"{_owner_text(pod)} has put it back")
    if pod.finished:
        return Verdict(Action.LEAVE, f"finished ({pod.phase})")
    if pod.deletion_at is not None:
        return Verdict(Action.WAIT, "terminating already")
    if returned(pod, since):
        return Verdict(Action.LEAVE, f"tolerates the cordon, and {_owner_text(pod)} has put it back")
    return _verdict_on_running(pod, policy, orphan)


def returned(pod: Pod, since: float) -> bool:
    """Whether the pod came to the node since ``since`` (epoch seconds), past a cordon that it tolerates.

    Evicting it again and again would never end: the emptiest node is where its replacement is put. So
    Karpenter leaves such pods out of a drain, too (kubernetes-sigs/karpenter, IsDrainable in
    pkg/utils/pod/scheduling.go).
    """
    lasting = pod.owner is not None and not pod.of_daemonset and not pod.finished
    return lasting and pod.tolerates_cordon and pod.created_at >= since


def _verdict_on_running(pod: Pod, policy: Policy, orphan: bool) -> Verdict:
    if pod.local_storage and not policy.delete_emptydir_data:
        return Verdict(Action.REFUSE, "has an emptyDir volume, and deleteEmptydirData is false")
    unmanaged = orphan or pod.owner is None
    why = f"{_owner_text(pod)} is gone" if orphan else "no controller would put it back"
    if unmanaged and not policy.evict_unmanaged:
        return Verdict(Action.REFUSE, f"{why}, and evictUnmanaged is false")
    lost = "; its emptyDir data is lost" if pod.local_storage else ""
    return Verdict(Action.EVICT, (why if unmanaged else f"{_owner_text(pod)} replaces it") + lost)


def _owner_text(pod: Pod) -> str:
    return f"{pod.owner.kind} {pod.owner.name}" if pod.owner else "nobody"


def sort(
    pods: Collection[Pod], policy: Policy, orphans: Collection[str] = (), since: float = inf
) -> dict[Action, list[Pod]]:
    """The node's pods by what becomes of them.

    ``orphans`` holds UIDs of orphaned DaemonSet pods; ``since`` is when the node was
    cordoned (epoch seconds): a DaemonSet's pod that is younger has been evicted once and came back.
    """
    sorted_pods: dict[Action, list[Pod]] = {action: [] for action in Action}
    for pod in pods:
        judged = verdict(pod, policy, orphan=pod.uid in orphans, since=since)
        sorted_pods[judged.action].append(pod)
    return sorted_pods
