"""What a drain does with a pod, and why: every pod on the node gets a verdict with a reason.

The table follows kubectl drain (kubernetes/kubectl, pkg/drain/filters.go), for an
instance that is about to terminate. Pods that kubectl refuses to evict are evicted by
default: they are lost either way, and an eviction at least gives them their grace.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any, Protocol

from stepdrain.clock import to_epoch_s
from stepdrain.rules.fields import mapping, mappings, texts
from stepdrain.rules.policy import Policy
from stepdrain.rules.tolerations import CORDON, tolerates

MIRROR_ANNOTATION = "kubernetes.io/config.mirror"


class Action(StrEnum):
    """What becomes of a pod."""

    EVICT = "evict"
    WAIT = "wait"
    """It is terminating already; the drain waits until it is gone."""
    LEAVE = "leave"
    """It stays on the node: a DaemonSet's or a static pod, or one that has finished."""
    REFUSE = "refuse"
    """The policy forbids its eviction, so the drain stops before the first eviction."""


@dataclass(frozen=True)
class Verdict:
    """An action and the reason for it, a phrase that a person can read."""

    action: Action
    reason: str


@dataclass(frozen=True)
class Owner:
    """A pod's controller, e.g. apps/v1 ReplicaSet web-5d9, in the pod's namespace."""

    api_version: str
    """Group and version, as in ``apiVersion``."""
    kind: str
    name: str


@dataclass(frozen=True)
class Pod:
    """What the decisions need to know about a pod. Times are epoch seconds, graces seconds."""

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
    """When its grace ends (deletionTimestamp); None if it is not being deleted."""
    claims: tuple[str, ...] = ()
    """Names of the PersistentVolumeClaims that it mounts, in its own namespace."""
    tolerates_cordon: bool = False
    bound_to_node: bool = False
    """Its node affinity names only the node that it runs on."""
    finalizers: tuple[str, ...] = ()
    """What must be done before it can go; ends with its controller's or an operator's doing only."""
    deletion_grace_s: int | None = None
    """The grace it was asked to go with (deletionGracePeriodSeconds), None while nobody has."""

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
        """It belongs to the node: its controller is a DaemonSet of any API group, or bound it to the node.

        Other projects have DaemonSets, too. They bind pods as Kubernetes does, by matchFields
        metadata.name (kubernetes/kubernetes pkg/controller/daemon/util).
        """
        return self.owner is not None and (self.owner.kind == "DaemonSet" or self.bound_to_node)

    @property
    def of_apps_daemonset(self) -> bool:
        """Its controller is a DaemonSet of Kubernetes itself, which a drain can look up."""
        owner = self.owner
        return owner is not None and (owner.kind, owner.api_version) == ("DaemonSet", "apps/v1")


class Listing(Protocol):
    """A node's pods at one moment."""

    @property
    def pods(self) -> list[Pod]: ...


def parse(raw: Mapping[str, Any]) -> Pod:
    """A pod from its JSON as the API lists it (core/v1 Pod).

    The API server guarantees the names and the UID. Any other field that is missing or malformed counts as
    not set: a pod that cannot be parsed in full is still on the node.
    """
    metadata, spec, status = raw["metadata"], mapping(raw.get("spec")), mapping(raw.get("status"))
    volumes = mappings(spec.get("volumes"))
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        phase=str(status.get("phase") or ""),
        ready=ready(status),
        labels=texts(metadata.get("labels")),
        annotations=texts(metadata.get("annotations")),
        priority_class=str(spec.get("priorityClassName") or ""),
        owner=_controller(mappings(metadata.get("ownerReferences"))),
        local_storage=any("emptyDir" in volume for volume in volumes),
        grace_s=_seconds(spec.get("terminationGracePeriodSeconds")),
        created_at=_time(metadata.get("creationTimestamp")) or 0.0,
        deletion_at=_time(metadata.get("deletionTimestamp")),
        claims=tuple(_claims(metadata["name"], volumes)),
        tolerates_cordon=tolerates(mappings(spec.get("tolerations")), CORDON),
        bound_to_node=_bound(spec),
        finalizers=tuple(map(str, _items(metadata.get("finalizers")))),
        deletion_grace_s=_whole(metadata.get("deletionGracePeriodSeconds")),
    )


def ready(status: Mapping[str, Any]) -> bool:
    """Whether the condition Ready of a pod's or a node's ``status`` is True."""
    conditions = mappings(status.get("conditions"))
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _seconds(value: Any) -> int:
    # The API server's own default is 30.
    found = _whole(value)
    return 30 if found is None else found


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _time(value: Any) -> float | None:
    try:
        return to_epoch_s(value)
    except (AttributeError, TypeError, ValueError):
        return None


def _items(value: Any) -> Collection[Any]:
    return value if isinstance(value, list | tuple) else ()


def _bound(spec: Mapping[str, Any]) -> bool:
    """Whether every node selector term names the pod's own node by a matchField (the terms are ORed)."""
    affinity = mapping(mapping(spec.get("affinity")).get("nodeAffinity"))
    required = mapping(affinity.get("requiredDuringSchedulingIgnoredDuringExecution"))
    terms = mappings(required.get("nodeSelectorTerms"))
    own = {"key": "metadata.name", "operator": "In", "values": [spec.get("nodeName")]}
    return bool(terms) and all(own in mappings(term.get("matchFields")) for term in terms)


def _claims(pod: str, volumes: Collection[Mapping[str, Any]]) -> Iterator[str]:
    for volume in volumes:
        if "persistentVolumeClaim" in volume:
            if claim := mapping(volume["persistentVolumeClaim"]).get("claimName"):
                yield str(claim)
        elif "ephemeral" in volume:
            # https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/#persistentvolumeclaim-naming
            yield f"{pod}-{volume.get('name')}"


def _controller(references: Collection[Mapping[str, Any]]) -> Owner | None:
    for reference in references:
        if reference.get("controller"):
            version, kind, name = (str(reference.get(key) or "") for key in ("apiVersion", "kind", "name"))
            return Owner(version, kind, name)
    return None


def verdict(pod: Pod, policy: Policy, *, orphan: bool = False, since: float = inf) -> Verdict:
    """What becomes of ``pod``; the first rule that matches decides.

        static (mirror) pod                          leave
        DaemonSet's, or bound to the node            leave; evict if the policy asks for it
                                                     and it was there before ``since``
        finished (Succeeded, Failed)                 leave: its containers have all ended
        terminating already                          wait
        returned past the cordon (``returned``)      leave: it would return after every eviction
        DaemonSet's, the DaemonSet is gone           as an unmanaged pod    (``orphan``)
        emptyDir volume, deleteEmptydirData off      refuse
        no controller, evictUnmanaged off            refuse
        otherwise                                    evict

    kubectl deletes finished pods. A drain leaves them, so that their logs can be read until
    the instance terminates.
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
    """Whether the pod came to the node after ``since`` (epoch seconds), past a cordon that it tolerates.

    Evicting such pods would never end: the scheduler puts the replacement on the emptiest node, this one.
    Karpenter leaves them out of a drain, too (kubernetes-sigs/karpenter, IsDrainable in
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


def orphans(pods: Iterable[Pod], daemonsets: Collection[tuple[str, str]]) -> list[Pod]:
    """The pods whose DaemonSet is gone. ``daemonsets``: namespace and name of each apps/v1 DaemonSet.

    DaemonSets of other API groups are not looked up: their pods are never orphans.
    """
    return [
        pod
        for pod in pods
        if pod.of_apps_daemonset and pod.owner and (pod.namespace, pod.owner.name) not in daemonsets
    ]


def _owner_text(pod: Pod) -> str:
    return f"{pod.owner.kind} {pod.owner.name}" if pod.owner else "nobody"


def sort(
    pods: Collection[Pod], policy: Policy, orphans: Collection[str] = (), since: float = inf
) -> dict[Action, list[Pod]]:
    """The node's pods by what becomes of them.

    ``orphans`` holds the UIDs of orphaned DaemonSet pods. ``since`` is when the node was cordoned
    (epoch seconds): a younger DaemonSet pod replaces one that was evicted.
    """
    sorted_pods: dict[Action, list[Pod]] = {action: [] for action in Action}
    for pod in pods:
        judged = verdict(pod, policy, orphan=pod.uid in orphans, since=since)
        sorted_pods[judged.action].append(pod)
    return sorted_pods
