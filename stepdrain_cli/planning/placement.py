"""Where pods could go instead: siblings that serve meanwhile, and room on other nodes. Pure.

What is said here is a hint: selectors, taints and requests are compared, affinities and volumes are not,
and a cluster autoscaler may bring another node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from kubernetes.utils import parse_quantity
from stepdrain.rules.pods import Pod
from stepdrain.rules.tolerations import tolerates

Json = Mapping[str, Any]
RESOURCES = ("cpu", "memory")


def lone(leaving: Sequence[Pod], raw: Mapping[str, Json]) -> Iterable[str]:
    """A sentence for each pod that is the only one of its controller; ``raw``: all pods by their UID."""
    siblings: dict[str, int] = defaultdict(int)
    for manifest in raw.values():
        siblings[_owner_uid(manifest)] += 1
    for pod in leaving:
        owner = _owner_uid(raw[pod.uid]) if pod.uid in raw else ""
        if owner and siblings[owner] == 1 and pod.owner is not None:
            only = f"{pod.key} is the only pod of {pod.owner.kind} {pod.owner.name}"
            yield f"{only}: nothing serves until it is replaced"


def _owner_uid(pod: Json) -> str:
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")


def homeless(leaving: Sequence[Json], others: Sequence[Json], pods: Sequence[Json]) -> Iterable[str]:
    """A sentence for each pod that none of the ``others`` (nodes) would take; ``pods``: all there are."""
    used: dict[str, dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys(RESOURCES, Decimal(0)))
    for pod in pods:
        if pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            for resource, amount in _requests(pod).items():
                used[pod["spec"].get("nodeName", "")][resource] += amount
    for pod in leaving:
        reasons = {_refusal(pod, node, used[node["metadata"]["name"]]) for node in others}
        if "" not in reasons:
            key = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            why = ", ".join(sorted(reasons)) or "there is none"
            yield f"no other node would take {key}: {why}"


def _requests(pod: Json) -> dict[str, Decimal]:
    total = dict.fromkeys(RESOURCES, Decimal(0))
    for container in pod["spec"].get("containers", ()):
        for resource, amount in ((container.get("resources") or {}).get("requests") or {}).items():
            if resource in total:
                total[resource] += _quantity(amount)
    return total


def _quantity(amount: Any) -> Decimal:
    # A hint must not crash on a quantity that somebody wrote in their own way.
    try:
        return Decimal(parse_quantity(amount))
    except (ValueError, TypeError, ArithmeticError):
        return Decimal(0)


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
        if resource in room and amount > _quantity(room[resource]) - used[resource]:
            return f"its {resource} request does not fit"
    return ""
