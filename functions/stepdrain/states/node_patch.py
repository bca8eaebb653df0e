"""A change of the drain's node, and of no other that has got its name meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from stepdrain.document.step import NodeRef
from stepdrain.errors import KubeConflict


class Cluster(Protocol):
    """What is asked of the Kubernetes adapter; nodes are core/v1 Node JSON."""

    def patch_node(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any] | None: ...


def patch(cluster: Cluster, node: NodeRef, change: Mapping[str, Any]) -> bool:
    """Merge ``change`` into the Node; False if it is gone, or another one has its name."""
    # The UID is a precondition: a successor of the same name must not be cordoned in its stead
    # (kubernetes/apiserver, rest.DefaultUpdatedObjectInfo.Preconditions).
    body = {**change, "metadata": {**change.get("metadata", {}), "uid": node.uid}}
    try:
        return cluster.patch_node(node.name, body) is not None
    except KubeConflict as conflict:
        if "UID in precondition" in str(conflict):
            return False
        raise
