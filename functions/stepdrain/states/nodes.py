"""Which node an instance is, and what a drain writes on it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Protocol

from stepdrain.document.step import NodeRef
from stepdrain.errors import KubeConflict, KubeForbidden, NodeNotRegistered, NothingToDo
from stepdrain.rules import node_marks
from stepdrain.rules.node_marks import CORDONED_BY, EXCLUDE_LABEL, LABELLED_BY

EC2_INSTANCE = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html"""
LISTED_EVERY = 3
"""Attempts of FindNode for one list of all nodes; the last attempt (statemachine/pace.py) must list."""


class Cluster(Protocol):
    """What is asked of the Kubernetes adapter; nodes are core/v1 Node JSON."""

    def node(self, name: str) -> Mapping[str, Any] | None: ...
    def nodes(self) -> Iterable[Mapping[str, Any]]: ...
    def patch_node(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any] | None: ...
    def patch_node_status(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any] | None: ...


def instance_of(node: Mapping[str, Any]) -> str:
    """The instance id in ``spec.providerID`` (aws:///<az>/<id>, aws:////<id> or <id>); "" if none.

    The last path segment, as kubernetes/cloud-provider-aws reads it.
    """
    return str(node.get("spec", {}).get("providerID", "")).rsplit("/", 1)[-1]


def ec2_instance_of(node: Mapping[str, Any]) -> str | None:
    """As ``instance_of``; None if that is no id of an EC2 instance."""
    found = instance_of(node)
    return found if EC2_INSTANCE.fullmatch(found) else None


def find_node(
    cluster: Cluster, instance_id: str, guess: str | None, attempt: int = 0, *, warm: bool = False
) -> NodeRef:
    """The node of the instance (``node_of``); raises NodeNotRegistered if no node is.

    All nodes are listed at every third ``attempt`` (0 is the first) only, for an instance that
    never joined is asked for ten times.
    ``warm``: the instance leaves a warm pool, where most are stopped. Without a node that is Ready
    there is nothing to drain and nothing to wait for: NothingToDo.
    """
    node = node_of(cluster, instance_id, guess, listed=warm or attempt % LISTED_EVERY == 0)
    if warm and (node is None or not ready(node)):
        raise NothingToDo(f"{instance_id} leaves a warm pool, and no node of it is running.")
    if node is None:
        raise NodeNotRegistered(f"No node of the cluster has the providerID of {instance_id}.")
    return reference(node)


def node_of(
    cluster: Cluster, instance_id: str, guess: str | None, *, listed: bool
) -> Mapping[str, Any] | None:
    """The Node whose providerID names ``instance_id``, None if there is none.

    ``guess`` is the instance's private DNS name, mostly the node's name; on nodes that nodeadm
    set up with InstanceIdNodeName it is the instance id
    (https://awslabs.github.io/amazon-eks-ami/nodeadm/doc/examples/). One GET each tells, and a
    cluster of 5,000 nodes need not be listed. A guess is never believed by itself, since host
    names can be chosen freely (aws/aws-node-termination-handler #618, #857).

    If both fail, all nodes are listed where ``listed`` says so: the API selects nodes by labels
    and names alone, and no label holds the instance id (aws/containers-roadmap #1395).
    """
    candidates = _candidates(cluster, filter(None, (guess, instance_id)), listed)
    return next((node for node in candidates if node is not None and instance_of(node) == instance_id), None)


def _candidates(cluster: Cluster, guesses: Iterable[str], listed: bool) -> Iterator[Mapping[str, Any] | None]:
    # One by one, so that nothing is asked after the node is found.
    yield from map(cluster.node, guesses)
    if listed:
        yield from cluster.nodes()


def ready(node: Mapping[str, Any]) -> bool:
    """Whether the Node's condition Ready is True."""
    conditions = node.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def named_node(cluster: Cluster, name: str) -> NodeRef:
    """The node called ``name``, for a drain that was started without an instance; else NodeNotRegistered."""
    node = cluster.node(name)
    if node is None:
        raise NodeNotRegistered(f"The cluster has no node called {name}.")
    return reference(node)


def reference(node: Mapping[str, Any]) -> NodeRef:
    """Name and UID of a Node, and what others had set on it."""
    metadata = node["metadata"]
    ours = metadata.get("annotations") or {}
    return NodeRef(
        metadata["name"],
        metadata["uid"],
        excluded=EXCLUDE_LABEL in (metadata.get("labels") or {}) and LABELLED_BY not in ours,
        cordoned=bool(node.get("spec", {}).get("unschedulable")) and CORDONED_BY not in ours,
    )


def exclude_from_load_balancers(cluster: Cluster, node: NodeRef, by: str) -> bool:
    """Label the node out of its load balancers; False if it is gone. Doing it twice changes nothing.

    ``by`` is the drain's name.
    """
    own = {} if node.excluded else {"annotations": {LABELLED_BY: by}}
    return _patch(cluster, node, {"metadata": {"labels": {EXCLUDE_LABEL: "true"}, **own}})


def cordon(cluster: Cluster, node: NodeRef, by: str) -> bool:
    """Mark the node unschedulable; False if it is gone. Doing it twice changes nothing.

    ``by`` is the drain's name.
    """
    own = {} if node.cordoned else {"metadata": {"annotations": {CORDONED_BY: by}}}
    return _patch(cluster, node, {"spec": {"unschedulable": True}, **own})


def undo(cluster: Cluster, node: NodeRef, running: Collection[str] = ()) -> list[str]:
    """Undo what drains of ours had set on the node: which of ``label``, ``cordon`` and ``conditions``.

    Nothing while a drain of ``running`` (names) has marks on it (stepdrain.rules.node_marks).
    """
    now = cluster.node(node.name)
    plan = node_marks.undo(now, running) if now else None
    if plan is None or (plan.node and not _patch(cluster, node, plan.node)):
        return []
    try:
        if plan.status:
            cluster.patch_node_status(node.name, plan.status)
    except KubeForbidden:
        # Conditions only report, and their right goes with NodeConditions: a node must serve without it.
        return [one for one in plan.what if one != "conditions"]
    return list(plan.what)


def _patch(cluster: Cluster, node: NodeRef, change: Mapping[str, Any]) -> bool:
    # The UID is a precondition: a successor of the same name must not be cordoned in its stead
    # (kubernetes/apiserver, rest.DefaultUpdatedObjectInfo.Preconditions).
    body = {**change, "metadata": {**change.get("metadata", {}), "uid": node.uid}}
    try:
        return cluster.patch_node(node.name, body) is not None
    except KubeConflict as conflict:
        if "UID in precondition" in str(conflict):
            return False
        raise
