"""Uncordon: what drains that are over had set on the node is undone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from stepdrain.document.step import NodeRef
from stepdrain.errors import KubeForbidden
from stepdrain.rules import node_marks
from stepdrain.states import node_patch


class Cluster(node_patch.Cluster, Protocol):
    """What is asked of the Kubernetes adapter; nodes are core/v1 Node JSON."""

    def node(self, name: str) -> Mapping[str, Any] | None: ...
    def patch_node_status(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any] | None: ...


def undo(
    cluster: Cluster, node: NodeRef, standing: Callable[[Collection[str]], Collection[str]]
) -> tuple[list[str], str]:
    """What was undone, of ``label``, ``cordon`` and ``conditions``; and the drain that forbids it.

    ``standing`` says which of some drains (names) still count: what such a one has set must stand
    (stepdrain.rules.node_marks). It may begin just now, so a node that has changed since it was read is left:
    KubeConflict.
    """
    now = cluster.node(node.name)
    if now is None:
        return [], ""
    owners = node_marks.marks_of(now).owners
    alive = standing(owners) if owners else ()
    if held := node_marks.held_by(now, alive):
        return [], held
    return _carry_out(node_marks.undo(now, alive), cluster, node, now), ""


def _carry_out(plan: node_marks.Undo, cluster: Cluster, node: NodeRef, now: Mapping[str, Any]) -> list[str]:
    if plan.node:
        unchanged = {"resourceVersion": now["metadata"].get("resourceVersion")}
        change = {**plan.node, "metadata": {**plan.node.get("metadata", {}), **unchanged}}
        if not node_patch.patch(cluster, node, change):
            return []
    try:
        if plan.status:
            cluster.patch_node_status(node.name, plan.status)
    except KubeForbidden:
        # Conditions only report, and their right goes with NodeConditions: a node must serve without it.
        return [what for what in plan.what if what != "conditions"]
    return list(plan.what)
