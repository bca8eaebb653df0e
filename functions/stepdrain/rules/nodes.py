"""Which Node is an instance's, and whether it still is what a drain has made of it. Nodes are core/v1 JSON.

Two proofs, in this order. The Node's ``spec.providerID`` ends in the instance's id; or the Node has no
providerID, its name or hostname is the instance's, and so is its address. A name alone proves nothing, since
host names can be chosen freely (aws/aws-node-termination-handler #618, #857), and an address alone neither,
since addresses are used again: the Node of an earlier instance carries the other's providerID.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stepdrain.rules import pods
from stepdrain.rules.fields import mapping, mappings
from stepdrain.rules.node_marks import EXCLUDE_LABEL

Json = Mapping[str, Any]
EC2_INSTANCE = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html"""
HOSTNAME = "kubernetes.io/hostname"
"""https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetesiohostname"""


@dataclass(frozen=True)
class Instance:
    """What EC2 says of an instance; without name and addresses if it no longer knows it."""

    id: str
    private_dns_name: str = ""
    """Lower case, as a kubelet makes its node's name of it."""
    addresses: frozenset[str] = frozenset()
    """Private IPv4 addresses and IPv6 addresses, in their shortest form."""

    @property
    def guesses(self) -> list[str]:
        """Names that its Node mostly has: the private DNS name or, by nodeadm's InstanceIdNodeName, its id.

        https://awslabs.github.io/amazon-eks-ami/nodeadm/doc/examples/
        """
        return [name for name in (self.private_dns_name, self.id) if name]


def described(instance_id: str, raw: Json | None) -> Instance:
    """The instance from its JSON as EC2 describes it; None: EC2 does not know it."""
    if raw is None:
        return Instance(instance_id)
    interfaces = raw.get("NetworkInterfaces") or ()
    found = [raw.get("PrivateIpAddress"), raw.get("Ipv6Address")]
    for interface in interfaces:
        found += [address.get("PrivateIpAddress") for address in interface.get("PrivateIpAddresses") or ()]
        found += [address.get("Ipv6Address") for address in interface.get("Ipv6Addresses") or ()]
    addresses = {address for text in found if (address := _address(text))}
    return Instance(instance_id, str(raw.get("PrivateDnsName") or "").lower(), frozenset(addresses))


def _address(text: object) -> str:
    try:
        return str(ipaddress.ip_address(str(text)))
    except ValueError:
        return ""


def instance_of(node: Json) -> str:
    """The instance id in ``spec.providerID`` (aws:///<az>/<id>, aws:////<id> or <id>); "" if none.

    The last path segment, as kubernetes/cloud-provider-aws reads it.
    """
    return str(mapping(node.get("spec")).get("providerID") or "").rpartition("/")[2]


def ec2_instance_of(node: Json) -> str | None:
    """As ``instance_of``; None if that is no id of an EC2 instance."""
    found = instance_of(node)
    return found if EC2_INSTANCE.fullmatch(found) else None


def name_of(node: Json) -> str:
    """The Node's name."""
    return str(node["metadata"]["name"])


def ready(node: Json) -> bool:
    """Whether the Node's condition Ready is True."""
    return pods.ready(mapping(node.get("status")))


def silent(node: Json) -> bool:
    """Whether the Node has a condition Ready that is not True: its kubelet reports nothing, or trouble."""
    conditions = mappings(mapping(node.get("status")).get("conditions"))
    return any(c.get("type") == "Ready" for c in conditions) and not ready(node)


def bears(node: Json, instance: Instance) -> bool:
    """The second proof: no providerID, the instance's name or id as name or hostname, and its address."""
    if instance_of(node) or not _addresses(node) & instance.addresses:
        return False
    labels = mapping(node["metadata"].get("labels"))
    names = {_host(name_of(node)), _host(str(labels.get(HOSTNAME) or ""))}
    return bool(names & {_host(name) for name in instance.guesses})


def _host(name: str) -> str:
    # A DHCP option set gives another domain than EC2's own, or none; capitals are the kubelet's to lower.
    return name.lower().partition(".")[0]


def _addresses(node: Json) -> set[str]:
    listed = mappings(mapping(node.get("status")).get("addresses"))
    internal = [address.get("address") for address in listed if address.get("type") == "InternalIP"]
    return {address for text in internal if (address := _address(text))}


def of_instance(nodes: Iterable[Json], instance: Instance) -> list[Json]:
    """The instance's Nodes among ``nodes``, the one that is its node first, then what else claims to be.

    Those by the first proof if there are any, else those by the second; Ready before not Ready, and the
    younger first: a kubelet that took another name left the older one behind.
    """
    seen = {name_of(node): node for node in nodes}
    by_provider = [node for node in seen.values() if instance_of(node) == instance.id]
    found = by_provider or [node for node in seen.values() if bears(node, instance)]
    return sorted(found, key=lambda node: (ready(node), _created(node)), reverse=True)


def _created(node: Json) -> str:
    return str(node["metadata"].get("creationTimestamp") or "")


def others(found: Sequence[Json], instance: Instance) -> str:
    """A sentence about the Nodes of the instance that are not drained; "" if there are none."""
    if len(found) < 2:
        return ""
    names = ", ".join(name_of(node) for node in found[1:])
    is_ready = "is Ready" if ready(found[0]) else "is the youngest; none is Ready"
    return (
        f"Instance {instance.id} has {len(found)} Nodes. {name_of(found[0])} {is_ready} and is drained; left "
        f"alone: {names}. If nothing runs there: kubectl delete node {' '.join(names.split(', '))}"
    )


def unproven(node: Json, instance: Instance) -> str:
    """A sentence about a Node that only the second proof connects with the instance; "" for the first."""
    if instance_of(node) == instance.id:
        return ""
    return (
        f"Node {name_of(node)} has no providerID; by its name and its address it is instance {instance.id}, "
        "and is drained. The cloud controller manager of the cluster should have set it."
    )


def unprotected(node: Json | None, name: str, uid: str) -> str:
    """Why the drain's node of that name and UID is not what Label and Cordon have left; "" if it is.

    ``node`` is the Node of that name now, None if there is none.
    """
    if node is None:
        return f"Node {name} is gone"
    if node["metadata"].get("uid") != uid:
        return f"Node {name} was registered anew, without cordon and label"
    missing = []
    if not mapping(node.get("spec")).get("unschedulable"):
        missing.append("its cordon was lifted")
    if EXCLUDE_LABEL not in mapping(node["metadata"].get("labels")):
        missing.append(f"its label {EXCLUDE_LABEL} is missing")
    return f"Node {name}: {' and '.join(missing)}" if missing else ""
