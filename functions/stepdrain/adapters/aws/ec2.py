"""EC2: the instances' tags and names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from stepdrain.adapters.aws.calls import Clients, call_unless, pages
from stepdrain.intake.maintenance import Scheduled
from stepdrain.rules import nodes
from stepdrain.rules.nodes import Instance

FILTER_VALUES = 200
"""https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html"""


class Ec2(Clients):
    """Its part of stepdrain.adapters.aws.Aws."""

    @cached_property
    def _addresses(self) -> dict[str, dict[str, str]]:
        return {}

    def address_of(self, instance_id: str) -> dict[str, str]:
        """``privateDnsName`` and ``privateIpAddress`` of an instance whose tags were asked for before."""
        return self._addresses.get(instance_id, {})

    def instance_tags(self, ids: Iterable[str]) -> dict[str, dict[str, str]]:
        """The EC2 tags of each instance that EC2 knows, by its id; 200 in a request."""
        wanted = list(ids)
        found: dict[str, dict[str, str]] = {}
        for first in range(0, len(wanted), FILTER_VALUES):
            # A filter, because one unknown id among InstanceIds fails the whole request.
            found |= self._tags_where("instance-id", wanted[first : first + FILTER_VALUES])
        return found

    def instances_in(self, reservation: str) -> dict[str, dict[str, str]]:
        """The EC2 tags of each instance that runs in a capacity reservation, by its id."""
        return self._tags_where("capacity-reservation-id", [reservation])

    def _tags_where(self, name: str, values: list[str]) -> dict[str, dict[str, str]]:
        client = self._client("ec2")
        answers = pages(client, "describe_instances", "NextToken", Filters=[{"Name": name, "Values": values}])
        reservations = [one for page in answers for one in page["Reservations"]]
        found = {one["InstanceId"]: one for reservation in reservations for one in reservation["Instances"]}
        self._addresses.update({key: _address(one) for key, one in found.items()})
        return {key: {tag["Key"]: tag["Value"] for tag in one.get("Tags", ())} for key, one in found.items()}

    def running(self, ids: Iterable[str]) -> set[str]:
        """Those of the instances that run."""
        filters = [
            {"Name": "instance-id", "Values": list(ids)},
            {"Name": "instance-state-name", "Values": ["running"]},
        ]
        answers = pages(self._client("ec2"), "describe_instances", "NextToken", Filters=filters)
        reservations = (one for page in answers for one in page["Reservations"])
        return {instance["InstanceId"] for one in reservations for instance in one["Instances"]}

    def scheduled_events(self, codes: Sequence[str]) -> list[Scheduled]:
        """What EC2 has scheduled of these codes, for all instances of the account and region."""
        # All instances: by default only those that run are shown, and a reboot stops one for a while.
        answers = pages(
            self._client("ec2"),
            "describe_instance_status",
            "NextToken",
            Filters=[{"Name": "event.code", "Values": list(codes)}],
            IncludeAllInstances=True,
        )
        return [
            Scheduled(
                status["InstanceId"],
                event.get("InstanceEventId", ""),
                event["Code"],
                event.get("Description", ""),
                event["NotBefore"].timestamp(),
            )
            for page in answers
            for status in page["InstanceStatuses"]
            for event in status.get("Events", ())
            if event.get("NotBefore")
        ]

    def instance(self, instance_id: str) -> Instance:
        """The instance's private DNS name and its addresses; without them if EC2 no longer knows it."""
        client = self._client("ec2")
        answer = call_unless(client, "describe_instances", "InvalidInstanceID", InstanceIds=[instance_id])
        reservations = answer["Reservations"] if answer else []
        found = [instance for reservation in reservations for instance in reservation["Instances"]]
        return nodes.described(instance_id, found[0] if found else None)


def _address(instance: Mapping[str, Any]) -> dict[str, str]:
    said = {
        "privateDnsName": instance.get("PrivateDnsName"),
        "privateIpAddress": instance.get("PrivateIpAddress"),
    }
    return {key: value for key, value in said.items() if value}
