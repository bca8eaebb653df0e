"""Why a drain would hang, before it begins: budgets, lone replicas, long graces, nowhere to go. Pure.

What is said of placement is a hint: selectors, taints and requests are compared, affinities and
volumes are not, and a cluster autoscaler may bring another node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kubernetes.utils import parse_quantity
from stepdrain.rules.budgets import Budget, covers
from stepdrain.rules.pods import Pod
from stepdrain.rules.policy import Policy
from stepdrain.rules.tolerations import tolerates

Json = Mapping[str, Any]
RESOURCES = ("cpu", "memory")


@dataclass(frozen=True)
class Hazard:
    """What may hold a drain up; ``hint``: it is likely, not certain."""

    what: str
    hint: bool = False

    def __str__(self) -> str:
        return f"{'hint: ' if self.hint else ''}{self.what}"


def hazards(
    leaving: Sequence[Pod],
    budgets: Sequence[Budget],
    pods: Sequence[Json],
    nodes: Sequence[Json],
    policy: Policy,
) -> list[Hazard]:
    """All hazards for the pods that would be evicted.

    ``pods`` and ``nodes`` are those of the whole cluster, as the API lists them.
    """
    raw = {one["metadata"]["uid"]: one for one in pods}
    here = {raw[pod.uid]["spec"].get("nodeName") for pod in leaving if pod.uid in raw}
    others = [node for node in nodes if node["metadata"]["name"] not in here]
    return [
        *_budgets(leaving, budgets),
        *(hazard for pod in leaving for hazard in _graces(pod, policy)),
        *_returning(leaving),
        *_lone(leaving, raw),
        *_homeless([raw[pod.uid] for pod in leaving if pod.uid in raw], others, pods),
    ]


def _budgets(leaving: Sequence[Pod], budgets: Sequence[Budget]) -> Iterable[Hazard]:
    for budget in budgets:
        held = sum(covers(budget, pod) for pod in leaving)
        if held and budget.allowed == 0:
            yield Hazard(
                f"disruption budget {budget.namespace}/{budget.name} allows no disruption now: it needs "
                f"{budget.desired} healthy pods and has {budget.current}; "
                f"{_pods(held)} of this node waits for it"
            )
    for pod in leaving:
        names = sorted(budget.name for budget in budgets if covers(budget, pod))
        if len(names) > 1:
            yield Hazard(
                f"{pod.key} is selected by {len(names)} budgets ({', '.join(names)}): "
                "the Eviction API refuses that until one is changed"
            )


def _pods(count: int) -> str:
    return "1 pod" if count == 1 else f"each of {count} pods"


def _graces(pod: Pod, policy: Policy) -> Iterable[Hazard]:
    grace = pod.grace_s if policy.grace_period < 0 else policy.grace_period
    if grace >= policy.drain_timeout:
        yield Hazard(
            f"{pod.key} has a grace of {grace} s, and the drain's deadline is after {policy.drain_timeout} s"
        )


def _returning(leaving: Sequence[Pod]) -> Iterable[Hazard]:
    for pod in leaving:
        if pod.tolerates_cordon and pod.owner is not None:
            yield Hazard(
                f"{pod.key} tolerates the cordon: its replacement may start on this node, and is left there",
                hint=True,
            )


def _lone(leaving: Sequence[Pod], raw: Mapping[str, Json]) -> Iterable[Hazard]:
    siblings: dict[str, int] = defaultdict(int)
    for one in raw.values():
        siblings[_owner_uid(one)] += 1
    for pod in leaving:
        owner = _owner_uid(raw[pod.uid]) if pod.uid in raw else ""
        if owner and siblings[owner] == 1 and pod.owner is not None:
            only = f"{pod.key} is the only pod of {pod.owner.kind} {pod.owner.name}"
            yield Hazard(f"{only}: nothing serves until it is replaced", hint=True)


def _owner_uid(pod: Json) -> str:
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(one["uid"]) for one in owners if one.get("controller")), "")


def _homeless(leaving: Sequence[Json], others: Sequence[Json], pods: Sequence[Json]) -> Iterable[Hazard]:
    used: dict[str, dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys(RESOURCES, Decimal(0)))
    for one in pods:
        if one.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            for resource, amount in _requests(one).items():
                used[one["spec"].get("nodeName", "")][resource] += amount
    for pod in leaving:
        reasons = {_refusal(pod, node, used[node["metadata"]["name"]]) for node in others}
        if "" not in reasons:
            key = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            why = ", ".join(sorted(reasons)) or "there is none"
            yield Hazard(f"no other node would take {key}: {why}", hint=True)


def _requests(pod: Json) -> dict[str, Decimal]:
    total = dict.fromkeys(RESOURCES, Decimal(0))
    for container in pod["spec"].get("containers", ()):
        for resource, amount in ((container.get("resources") or {}).get("requests") or {}).items():
            if resource in total:
                total[resource] += parse_quantity(amount)
    return total


def _refusal(pod: Json, node: Json, used: Mapping[str, Decimal]) -> str:
    """Why a node would not take a pod, "" if it would."""
    spec, labels = pod["spec"], node["metadata"].get("labels") or {}
    if node["spec"].get("unschedulable"):
        return "a node is cordoned"
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return "its nodeSelector does not fit"
    if any(not tolerates(spec.get("tolerations") or (), taint) for taint in node["spec"].get("taints") or ()):
        return "a taint is not tolerated"
    room = (node.get("status") or {}).get("allocatable") or {}
    for resource, amount in _requests(pod).items():
        if resource in room and amount > parse_quantity(room[resource]) - used[resource]:
            return f"its {resource} request does not fit"
    return ""
