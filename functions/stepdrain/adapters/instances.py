"""Names and addresses of a large group's instances, and its target groups, in the stack's cache.

FindNode needs them, EC2 grants 20 requests a second
(https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html), and a scale-in takes hundreds of
instances in one second. They never change while an instance exists, so Sweep reads them in advance, 200 in a
request. Instances that are younger than the last sweep are not in the cache: then FindNode asks EC2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from stepdrain.adapters import connections
from stepdrain.errors import AwsThrottled

FEWEST = 50
"""Instances of a group that is kept: for smaller ones EC2's quota does."""
KEPT_S, RENEWED_S = 86_400, 43_200
"""Seconds that a part of a group is kept, and after which it is written anew."""
TARGETS_KEPT_S = 1200
"""More than the longest time between two sweeps (SweepMinutes in template.yaml)."""
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


class Balancers(Protocol):
    """What WaitForTargets asks of the AWS adapter (stepdrain.states.wait_for_targets.Account)."""

    def balancers_of(self, cluster: str) -> list[str]: ...
    def group_target_groups(self, group: str) -> list[str]: ...
    def target_states(self, target_groups: Sequence[str], instance_id: str) -> dict[str, str]: ...
    def classic_states(self, names: Sequence[str], instance_id: str) -> dict[str, str]: ...


class WithKeptTargetGroups:
    """An account that knows a large group's target groups from the last sweep, where AWS throttles."""

    def __init__(self, account: Balancers) -> None:
        self._account = account
        self.balancers_of = account.balancers_of
        self.target_states = account.target_states
        self.classic_states = account.classic_states

    def group_target_groups(self, group: str) -> list[str]:
        """ARNs of the group's target groups; raises AwsThrottled if they are not kept either."""
        try:
            return self._account.group_target_groups(group)
        except AwsThrottled:
            kept = connections.cached(_targets_key(group))
            if kept is None:
                raise
            return list(kept)


def remember_target_groups(group: str, arns: Sequence[str]) -> None:
    """Keep the ARNs of the target groups that are attached to a group, until some sweeps have failed."""
    connections.keep(_targets_key(group), list(arns), TARGETS_KEPT_S)


def _targets_key(group: str) -> str:
    return f"targets/{group}"
