"""Which node of a cluster a person means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stepdrain.adapters.kube import Kube
from stepdrain.rules import nodes

from stepdrain_cli.terminal.exits import CommandError


def named_node(cluster: Kube, text: str) -> Mapping[str, Any] | None:
    """The node called ``text``, or the only one whose first label, instance id or host name that is.

    CommandError if several are meant; raises Kube… errors.
    """
    exact = cluster.node(text)
    if exact is not None:
        return exact
    found = [one for one in cluster.nodes() if text in _names(one)]
    if len(found) > 1:
        meant = ", ".join(sorted(one["metadata"]["name"] for one in found))
        raise CommandError(f"{text} can mean {meant}: give the whole name.")
    return found[0] if found else None


def _names(node: Mapping[str, Any]) -> tuple[str, ...]:
    metadata = node["metadata"]
    host = (metadata.get("labels") or {}).get("kubernetes.io/hostname", "")
    return metadata["name"].split(".")[0], nodes.instance_of(node), host
