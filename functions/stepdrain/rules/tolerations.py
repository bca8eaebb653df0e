"""Whether a pod tolerates a taint; a cordon is a taint, too."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

Json = Mapping[str, Any]
CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
"""The taint that a cordon puts on a node
(https://kubernetes.io/docs/reference/labels-annotations-taints/#node-kubernetes-io-unschedulable)."""


def tolerates(tolerations: Collection[Json], taint: Json) -> bool:
    """Whether any of a pod's ``spec.tolerations`` matches a taint from a node's ``spec.taints``.

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
