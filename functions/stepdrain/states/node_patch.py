"""A change of the drain's node, and of no other that has got its name meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from stepdrain.document.step import NodeRef
from stepdrain.errors import KubeConflict


@dataclass(frozen=True)
class Patched:
    """A Node that was changed, or was as the change says already."""

    at: float | None
    """When the API server answered, by its own clock, in epoch seconds; None if it did not say."""


class Cluster(Protocol):
    """What is asked of the Kubernetes adapter; nodes are core/v1 Node JSON."""

    def patch_node(self, name: str, body: Mapping[str, Any]) -> Patched | None: ...


def patch(cluster: Cluster, node: NodeRef, change: Mapping[str, Any]) -> Patched | None:
    """Merge ``change`` into the Node; None if it is gone, or another one has its name."""
    # The UID is a precondition: a successor of the same name must not be cordoned in its stead
    # (kubernetes/apiserver, rest.DefaultUpdatedObjectInfo.Preconditions).
    body = {**change, "metadata": {**change.get("metadata", {}), "uid": node.uid}}
    try:
        return cluster.patch_node(node.name, body)
    except KubeConflict as conflict:
        if "UID in precondition" in str(conflict):
            return None
        raise
