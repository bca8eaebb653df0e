"""Which taints a pod tolerates; a cordon is one of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

Json = Mapping[str, Any]
CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
"""What the scheduler makes of a cordon
(https://kubernetes.io/docs/reference/labels-annotations-taints/#node-kubernetes-io-unschedulable)."""


def tolerates(tolerations: Collection[Json], taint: Json) -> bool:
    """Whether one of a pod's ``spec.tolerations`` fits a taint of a node's ``spec.taints``.

    https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
    """
    return taint["effect"] == "PreferNoSchedule" or any(
        _fits(toleration, taint) for toleration in tolerations
    )


def _fits(toleration: Json, taint: Json) -> bool:
    same_key = toleration.get("key") in (None, "", taint["key"])
    any_value = toleration.get("operator") == "Exists"
    same_value = any_value or toleration.get("value", "") == taint.get("value", "")
    return same_key and same_value and toleration.get("effect") in (None, "", taint["effect"])
