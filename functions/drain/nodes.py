"""Which node an instance is, and what a drain writes on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from drain.errors import KubeConflict, NodeNotRegistered
from drain.invocation import NodeRef

# Every load balancer controller takes the label's mere existence, the cloud provider's
# service controller parses it as a boolean: "true" satisfies both
# (kubernetes-sigs/aws-load-balancer-controller pkg/backend/endpoint_utils.go, kubernetes/cloud-provider).
EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
LISTED_EVERY = 3
"""Attempts of FindNode for one list of all nodes; the last attempt (statemachine/pace.py) must list."""


class Cluster(Protocol):
    """What is asked of the Kubernetes adapter; nodes are core/v1 Node JSON."""

    def node(self, name: str) -> Mapping[str, Any] | None: ...
    def nodes(self) -> Iterable[Mapping[str, Any]]: ...
    def patch_node(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any] | None: ...


def instance_of(node: Mapping[str, Any]) -> str:
    """The instance id in ``spec.providerID`` (aws:///<az>/<id>, aws:////<id> or <id>); "" if none.

    The last path segment, as kubernetes/cloud-provider-aws reads it.
    """
    return str(node.get("spec", {}).get("providerID", "")).rsplit("/", 1)[-1]


def find_node(cluster: Cluster, instance_id: str, guess: str | None, attempt: int = 0) -> NodeRef:
    """The node whose providerID names ``instance_id``; raises NodeNotRegistered if there is none.

    ``guess`` is the instance's private DNS name, mostly the node's name; on nodes that nodeadm
    set up with InstanceIdNodeName it is the instance id
    (https://awslabs.github.io/amazon-eks-ami/nodeadm/doc/examples/). One GET each tells, and a
    cluster of 5,000 nodes need not be listed. A guess is never believed by itself, since host
    names can be chosen freely (aws/aws-node-termination-handler #618, #857).

    If both fail, all nodes are listed: the API selects nodes by labels and names alone, and no
    label holds the instance id (aws/containers-roadmap #1395). At every third ``attempt`` (0 is
    the first) only, for an instance that never joined is asked for ten times.
    """
    for name in filter(None, (guess, instance_id)):
        node = cluster.node(name)
        if node is not None and instance_of(node) == instance_id:
            return reference(node)
    for node in cluster.nodes() if attempt % LISTED_EVERY == 0 else ():
        if instance_of(node) == instance_id:
            return reference(node)
    raise NodeNotRegistered(f"No node of the cluster has the providerID of {instance_id}.")


def named_node(cluster: Cluster, name: str) -> NodeRef:
    """The node called ``name``, for a drain that was started without an instance; else NodeNotRegistered."""
    node = cluster.node(name)
    if node is None:
        raise NodeNotRegistered(f"The cluster has no node called {name}.")
    return reference(node)


def reference(node: Mapping[str, Any]) -> NodeRef:
    """Name and UID of a Node."""
    return NodeRef(node["metadata"]["name"], node["metadata"]["uid"])


def exclude_from_load_balancers(cluster: Cluster, node: NodeRef) -> bool:
    """Label the node out of its load balancers; False if it is gone. Doing it twice changes nothing."""
    return _patch(cluster, node, {"metadata": {"labels": {EXCLUDE_LABEL: "true"}}})


def cordon(cluster: Cluster, node: NodeRef) -> bool:
    """Mark the node unschedulable; False if it is gone. Doing it twice changes nothing."""
    return _patch(cluster, node, {"spec": {"unschedulable": True}})


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
