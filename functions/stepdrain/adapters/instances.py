"""Names and addresses of a large group's instances, in the stack's cache.

FindNode needs them, EC2 grants 20 requests a second
(https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html), and a scale-in takes hundreds of
instances in one second. They never change while an instance exists, so Sweep reads them in advance, 200 in a
request. Instances that are younger than the last sweep are not in the cache: then FindNode asks EC2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from stepdrain.adapters import connections

FEWEST = 50
"""Instances of a group that is kept: for smaller ones EC2's quota does."""
KEPT_S, RENEWED_S = 86_400, 43_200
"""Seconds that a part of a group is kept, and after which it is written anew."""
FIELDS = {"privateDnsName": "PrivateDnsName", "privateIpAddress": "PrivateIpAddress"}


class Ec2(Protocol):
    """What is asked of the AWS adapter."""

    def instance_tags(self, ids: Iterable[str]) -> Mapping[str, Mapping[str, str]]: ...
    def address_of(self, instance_id: str) -> dict[str, str]: ...


def address(group: str, instance_id: str) -> dict[str, str]:
    """``PrivateDnsName`` and ``PrivateIpAddress``, as EC2 describes them; {} if they are not kept."""
    members = (connections.cached(_key(group, instance_id)) or {}).get("members", {})
    return dict(members.get(instance_id, {}))


def remember(group: str, ids: Iterable[str], ec2: Ec2, now: float) -> None:
    """Keep the addresses of a group's instances; EC2 is asked about those alone that are not kept yet.

    ``now`` is in epoch seconds. Raises an Aws… error if EC2 does not answer.
    """
    parts: dict[str, list[str]] = {}
    for instance in ids:
        parts.setdefault(_key(group, instance), []).append(instance)
    kept = {key: connections.cached(key) or {"writtenAt": 0, "members": {}} for key in parts}
    unknown = [
        instance for key, part in parts.items() for instance in part if instance not in kept[key]["members"]
    ]
    if unknown:
        ec2.instance_tags(unknown)
    for key, part in parts.items():
        members = {
            instance: kept[key]["members"].get(instance) or _described(ec2.address_of(instance))
            for instance in part
            if instance in kept[key]["members"] or len(ec2.address_of(instance)) == len(FIELDS)
        }
        if _outdated(kept[key], members, now):
            connections.keep(key, {"writtenAt": int(now), "members": members}, KEPT_S)


def _described(known: Mapping[str, str]) -> dict[str, str]:
    return {FIELDS[name]: value for name, value in known.items()}


def _outdated(kept: Mapping[str, Any], members: Mapping[str, Any], now: float) -> bool:
    return bool(kept["members"] != members or now - kept["writtenAt"] >= RENEWED_S)


def _key(group: str, instance_id: str) -> str:
    # Sixteen parts: an item holds 400 KB, and a reader pays for its size.
    return f"instances/{group}/{instance_id[-1:]}"
