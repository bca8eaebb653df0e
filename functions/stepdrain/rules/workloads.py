"""A pod's Deployment or StatefulSet, as far as a restart depends on it. Pure: objects are apps/v1 JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stepdrain.errors import DrainError
from stepdrain.rules.pods import Owner, Pod, ready

Json = Mapping[str, Any]
DEPLOYMENT, STATEFUL_SET = "Deployment", "StatefulSet"
DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
TEMPLATE_HASH = "pod-template-hash"
"""The label by which a ReplicaSet's template differs from the Deployment's it was made from."""
REVISION = "controller-revision-hash"
"""A StatefulSet's pod names in this label the template that it was made from."""


@dataclass(frozen=True)
class Workload:
    """A Deployment or a StatefulSet. Numbers are counts of pods, but for the two generations."""

    kind: str
    namespace: str
    name: str
    resource_version: str
    annotations: Mapping[str, str]
    template: Json
    replicas: int
    strategy: str
    max_surge: int
    max_unavailable: int
    paused: bool
    generation: int
    observed_generation: int
    updated: int
    total: int
    available: int
    progressing: tuple[str, str] = ("", "")
    """Reason and message of the condition Progressing; empty if it has none."""
    failure: str = ""
    """Why pods cannot be created, e.g. for a quota: the message of ReplicaFailure, or empty."""
    partition: int = 0
    """A StatefulSet's pods below this number keep their template."""
    revision: str = ""
    """A StatefulSet's present template, as its pods' labels name it."""
    selector: str = ""
    """Its pods, as a label selector of the API's."""

    @property
    def key(self) -> str:
        """``namespace/name``, which a drain remembers."""
        return f"{self.namespace}/{self.name}"

    @property
    def called(self) -> str:
        """``Deployment web``."""
        return f"{self.kind} {self.name}"

    @property
    def template_annotations(self) -> Mapping[str, str]:
        """What its next pods are annotated with."""
        found: Mapping[str, str] = (self.template.get("metadata") or {}).get("annotations") or {}
        return found

    @property
    def complete(self) -> bool:
        """Its last rollout is over, by the rule of ``kubectl rollout status``.

        kubernetes/kubectl, pkg/polymorphichelpers/rollout_status.go.
        """
        seen = self.observed_generation >= self.generation
        return seen and self.updated == self.replicas == self.total == self.available

    @property
    def overdue(self) -> bool:
        """A rollout of it has exceeded its progress deadline."""
        return self.progressing[0] == DEADLINE_EXCEEDED

    @property
    def hangs(self) -> bool:
        """A rollout of it does not end by itself."""
        return self.paused or self.overdue

    @property
    def replaces_by_itself(self) -> bool:
        """Its controller replaces pods whose template is an old one."""
        return self.kind == DEPLOYMENT or (self.strategy == "RollingUpdate" and self.partition == 0)


@dataclass(frozen=True)
class Controllers:
    """What controls a pod: the topmost controller, and what was read of it."""

    owner: Owner
    replica_set: Json | None = None
    workload: Workload | None = None
    """None where the controller is gone, or neither a Deployment nor a StatefulSet, or was not read."""
    error: DrainError | None = None
    """Why it could not be read."""


def parse(kind: str, raw: Json) -> Workload:
    """A Deployment or StatefulSet from its JSON. What is absent has the API's default.

    Raises KeyError, TypeError, ValueError or AttributeError if it cannot be read.
    """
    metadata, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    strategy = spec.get("strategy" if kind == DEPLOYMENT else "updateStrategy") or {}
    rolling, replicas = strategy.get("rollingUpdate") or {}, spec.get("replicas", 1)
    surge, unavailable = fenceposts(rolling, replicas) if kind == DEPLOYMENT else (0, 1)
    return Workload(
        kind=kind,
        namespace=metadata["namespace"],
        name=metadata["name"],
        resource_version=metadata.get("resourceVersion", ""),
        annotations=metadata.get("annotations") or {},
        template=spec.get("template") or {},
        replicas=replicas,
        strategy=strategy.get("type", "RollingUpdate"),
        max_surge=surge,
        max_unavailable=unavailable,
        paused=bool(spec.get("paused")),
        generation=metadata.get("generation", 0),
        observed_generation=status.get("observedGeneration", 0),
        updated=status.get("updatedReplicas", 0),
        total=status.get("replicas", 0),
        available=status.get("availableReplicas", 0),
        progressing=_condition(status, "Progressing"),
        failure=_condition(status, "ReplicaFailure")[1],
        partition=int(rolling.get("partition") or 0),
        revision=status.get("updateRevision", ""),
        selector=selector_text(spec.get("selector") or {}),
    )


def fenceposts(rolling: Json, replicas: int) -> tuple[int, int]:
    """maxSurge and maxUnavailable in pods, as the controller reads them.

    Percentages are rounded up for the surge and down for the other; both zero means that one pod may be
    unavailable (kubernetes/kubernetes, pkg/controller/deployment/util, ResolveFenceposts).
    """
    surge = _scaled(rolling.get("maxSurge", "25%"), replicas, math.ceil)
    unavailable = min(_scaled(rolling.get("maxUnavailable", "25%"), replicas, math.floor), replicas)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def _scaled(value: int | str, replicas: int, rounded: Callable[[float], int]) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return rounded(int(value[:-1]) * replicas / 100)
    return int(value)


def _condition(status: Json, kind: str) -> tuple[str, str]:
    for condition in status.get("conditions") or ():
        if condition.get("type") == kind:
            return condition.get("reason") or "", condition.get("message") or ""
    return "", ""


def selector_text(selector: Json) -> str:
    """A LabelSelector as the API takes it in a query (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/)."""
    equal = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    return ",".join([*equal, *map(_expression, selector.get("matchExpressions") or ())])


def _expression(expression: Json) -> str:
    key, values = expression["key"], ",".join(expression.get("values") or ())
    match expression["operator"]:
        case "Exists":
            return str(key)
        case "DoesNotExist":
            return f"!{key}"
        case operator:
            return f"{key} {operator.lower()} ({values})"


def owner_of(raw: Json) -> Owner | None:
    """The controller of an object that is no pod, e.g. a ReplicaSet's Deployment; None without one."""
    for reference in raw["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            version, kind, name = (str(reference.get(key) or "") for key in ("apiVersion", "kind", "name"))
            return Owner(version, kind, name)
    return None


def current(workload: Workload, pod: Pod, replica_set: Json | None = None) -> bool:
    """Whether the pod was made from the workload's present template.

    For a Deployment's pod the template of its ReplicaSet is compared, as the controller does it: all but
    the label that the controller adds (kubernetes/kubernetes, pkg/controller/deployment/util,
    EqualIgnoreHash). Revisions would lag: they are counted only when the controller has seen a change.
    """
    if workload.kind == STATEFUL_SET:
        seen = workload.observed_generation >= workload.generation
        return seen and pod.labels.get(REVISION) == workload.revision
    made_from = ((replica_set or {}).get("spec") or {}).get("template") or {}
    return _without_hash(made_from) == _without_hash(workload.template)


def _without_hash(template: Json) -> Json:
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != TEMPLATE_HASH}
    kept = {key: value for key, value in metadata.items() if key not in ("labels", "creationTimestamp")}
    return {**template, "metadata": {**kept, "labels": labels}}


def why_not_ready(pod: Json) -> str:
    """Why a pod (core/v1 JSON) is not Ready, in the cluster's own words; "" if it is.

    The scheduler's sentence for one that fits nowhere, else what its containers wait for, else the kubelet's.
    """
    status = pod.get("status") or {}
    if ready(status):
        return ""
    for condition in status.get("conditions") or ():
        if (condition.get("type"), condition.get("status")) == ("PodScheduled", "False"):
            return str(condition.get("message") or condition.get("reason") or "it is not scheduled")
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason"):
            said = [waiting["reason"], waiting.get("message", "")]
            return f"container {container.get('name')}: {': '.join(filter(None, said))}"
    return _condition(status, "Ready")[1] or "it has just started"
