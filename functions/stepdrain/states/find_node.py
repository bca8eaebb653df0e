"""FindNode: which node of the cluster is the instance?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from stepdrain.document.step import NodeRef
from stepdrain.errors import NodeNotRegistered, NothingToDo
from stepdrain.rules import nodes
from stepdrain.rules.fields import mapping
from stepdrain.rules.node_marks import CORDONED_BY, EXCLUDE_LABEL, LABELLED_BY
from stepdrain.rules.nodes import Instance

LISTED_EVERY = 3
"""Attempts of FindNode for one list of all nodes; the last attempt (statemachine/retriers.py) must list."""
LAST_ATTEMPT = 12
"""Behind it an instance without a node counts as one that never joined (statemachine/retriers.py)."""
Json = Mapping[str, Any]


class Cluster(Protocol):
    """What is asked of the Kubernetes adapter; nodes are core/v1 Node JSON."""

    def node(self, name: str) -> Json | None: ...
    def nodes(self) -> Iterable[Json]: ...


def find_node(cluster: Cluster, instance: Instance, attempt: int = 0, *, warm: bool = False) -> list[Json]:
    """The Nodes of the instance, the one to drain first (``nodes_of``); raises NodeNotRegistered if none is.

    All nodes are listed at every third ``attempt`` (0 is the first) only, for an instance that
    never joined is asked for ten times.
    ``warm``: the instance leaves a warm pool, where most are stopped. Without a node that is Ready
    there is nothing to drain and nothing to wait for: NothingToDo.
    """
    found = nodes_of(cluster, instance, listed=warm or attempt % LISTED_EVERY == 0)
    if warm and not (found and nodes.ready(found[0])):
        raise NothingToDo(f"{instance.id} leaves a warm pool, and no node of it is running.")
    if not found:
        raise NodeNotRegistered(missing(instance))
    return found


def missing(instance: Instance) -> str:
    """The sentence about an instance that has no node."""
    if not instance.addresses:
        return f"No node of the cluster has the providerID of {instance.id}."
    bearings = ", ".join([instance.private_dns_name or instance.id, *sorted(instance.addresses)])
    return (
        f"No node of the cluster has the providerID of {instance.id}, and none without a providerID has its "
        f"name and address ({bearings})."
    )


def nodes_of(cluster: Cluster, instance: Instance, *, listed: bool) -> list[Json]:
    """The instance's Nodes (stepdrain.rules.nodes.of_instance), with as few requests as the API allows.

    A GET of each usual name of its Node is enough, and a cluster of 5,000 nodes need not be listed: the
    API selects nodes by labels and names alone, and no label holds the instance id (aws/containers-roadmap
    #1395). Only if none of them is Ready by the first proof, all nodes are listed where ``listed`` says so.
    One that was Ready and falls silent later may be a name that its kubelet has given up just before: then
    the drain comes back (states.protection).
    """
    known = []
    for name in instance.guesses:
        node = cluster.node(name)
        if node is not None:
            known.append(node)
            if nodes.instance_of(node) == instance.id and not nodes.silent(node):
                return [node]
    return nodes.of_instance([*known, *cluster.nodes()] if listed else known, instance)


def named_node(cluster: Cluster, name: str) -> NodeRef:
    """The node called ``name``, for a drain that was started without an instance; else NodeNotRegistered."""
    node = cluster.node(name)
    if node is None:
        raise NodeNotRegistered(f"The cluster has no node called {name}.")
    return reference(node)


def reference(node: Json) -> NodeRef:
    """Name and UID of a Node, and what others had set on it."""
    metadata = node["metadata"]
    ours = mapping(metadata.get("annotations"))
    return NodeRef(
        metadata["name"],
        metadata["uid"],
        excluded=EXCLUDE_LABEL in mapping(metadata.get("labels")) and LABELLED_BY not in ours,
        cordoned=bool(mapping(node.get("spec")).get("unschedulable")) and CORDONED_BY not in ours,
        silent=nodes.silent(node),
    )
