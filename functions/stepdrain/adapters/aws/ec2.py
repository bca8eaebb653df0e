"""EC2: tags, addresses and scheduled events of instances."""

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
        """``privateDnsName`` and ``privateIpAddress``, if the instance's tags were read before; else {}."""
        return self._addresses.get(instance_id, {})

    def instance_tags(self, ids: Iterable[str]) -> dict[str, dict[str, str]]:
        """The EC2 tags by id of each instance that EC2 knows; 200 instances in a request."""
        wanted = list(ids)
        found: dict[str, dict[str, str]] = {}
        for first in range(0, len(wanted), FILTER_VALUES):
            # A filter, since a single unknown id in InstanceIds fails the whole request.
            found |= self._tags_where("instance-id", wanted[first : first + FILTER_VALUES])
        return found

    def instances_in(self, reservation: str) -> dict[str, dict[str, str]]:
        """The EC2 tags by id of each instance in a capacity reservation."""
        return self._tags_where("capacity-reservation-id", [reservation])

    def _tags_where(self, name: str, values: list[str]) -> dict[str, dict[str, str]]:
        client = self._client("ec2")
        answers = pages(client, "describe_instances", "NextToken", Filters=[{"Name": name, "Values": values}])
        instances = _instances(answers)
        self._addresses.update({instance["InstanceId"]: _address(instance) for instance in instances})
        return {
            instance["InstanceId"]: {tag["Key"]: tag["Value"] for tag in instance.get("Tags", ())}
            for instance in instances
        }

    def running(self, ids: Iterable[str]) -> set[str]:
        """The ids, out of ``ids``, of the instances that run."""
        filters = [
            {"Name": "instance-id", "Values": list(ids)},
            {"Name": "instance-state-name", "Values": ["running"]},
        ]
        answers = pages(self._client("ec2"), "describe_instances", "NextToken", Filters=filters)
        return {instance["InstanceId"] for instance in _instances(answers)}

    def terminated(self, instance_id: str) -> bool:
        """Whether the instance is being terminated, or EC2 no longer knows it.

        A terminated one stays visible for a while
        (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html).
        """
        filters = [{"Name": "instance-id", "Values": [instance_id]}]
        found = _instances(pages(self._client("ec2"), "describe_instances", "NextToken", Filters=filters))
        return all(instance["State"]["Name"] in ("shutting-down", "terminated") for instance in found)

    def scheduled_events(self, codes: Sequence[str]) -> list[Scheduled]:
        """The scheduled events with these codes, for all instances of the account and region."""
        # By default EC2 lists running instances only, and a reboot stops an instance for a while.
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
        """The instance's private DNS name and addresses; without them if EC2 no longer knows it."""
        client = self._client("ec2")
        answer = call_unless(client, "describe_instances", "InvalidInstanceID", InstanceIds=[instance_id])
        found = _instances([answer] if answer else [])
        return nodes.described(instance_id, found[0] if found else None)


def _instances(answers: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The instances in answers of DescribeInstances."""
    reservations = (reservation for answer in answers for reservation in answer["Reservations"])
    return [instance for reservation in reservations for instance in reservation["Instances"]]


def _address(instance: Mapping[str, Any]) -> dict[str, str]:
    known = {
        "privateDnsName": instance.get("PrivateDnsName"),
        "privateIpAddress": instance.get("PrivateIpAddress"),
    }
    return {key: value for key, value in known.items() if value}
