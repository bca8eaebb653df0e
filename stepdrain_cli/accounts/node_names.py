"""Which node of a cluster, or which instance, a person means by a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stepdrain.adapters.kube import Kube
from stepdrain.rules import nodes

from stepdrain_cli.terminal.exits import CommandError

if TYPE_CHECKING:
    from stepdrain_cli.accounts.account import Account

ALIVE = ("pending", "running", "stopping", "stopped")
"""States of an instance that has not ended (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html)."""


def with_private_name(account: Account, text: str) -> list[str]:
    """Ids of the instances that live whose private DNS name is ``text``, or begins with it and a dot.

    That is a node's name as a rule. Raises what botocore raises.
    """
    filters = [
        {"Name": "private-dns-name", "Values": [text, f"{text}.*"]},
        {"Name": "instance-state-name", "Values": list(ALIVE)},
    ]
    pages = account.client("ec2").get_paginator("describe_instances").paginate(Filters=filters)
    reservations = [reservation for page in pages for reservation in page["Reservations"]]
    return [instance["InstanceId"] for reservation in reservations for instance in reservation["Instances"]]


def named_node(cluster: Kube, text: str) -> Mapping[str, Any] | None:
    """The node called ``text``, or the only one whose first label, instance id or host name that is.

    CommandError if several are meant; raises Kube… errors.
    """
    exact = cluster.node(text)
    if exact is not None:
        return exact
    found = [node for node in cluster.nodes() if text in _names(node)]
    if len(found) > 1:
        meant = ", ".join(sorted(node["metadata"]["name"] for node in found))
        raise CommandError(f"{text} can mean {meant}: give the whole name.")
    return found[0] if found else None


def _names(node: Mapping[str, Any]) -> tuple[str, ...]:
    metadata = node["metadata"]
    host = (metadata.get("labels") or {}).get("kubernetes.io/hostname", "")
    return metadata["name"].split(".")[0], nodes.instance_of(node), host
