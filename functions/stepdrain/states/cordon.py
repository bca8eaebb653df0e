"""Cordon: no new pod comes to the node."""

from __future__ import annotations

from stepdrain.document.step import NodeRef
from stepdrain.rules.node_marks import CORDONED_BY
from stepdrain.states.node_patch import Cluster, Patched, patch


def cordon(cluster: Cluster, node: NodeRef, by: str) -> Patched | None:
    """Mark the node unschedulable; None if it is gone. Doing it twice changes nothing.

    ``by`` is the drain's name.
    """
    own = {} if node.cordoned else {"metadata": {"annotations": {CORDONED_BY: by}}}
    return patch(cluster, node, {"spec": {"unschedulable": True}, **own})
