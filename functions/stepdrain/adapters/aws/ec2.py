"""EC2: the instances' tags and names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stepdrain.adapters.aws.calls import Clients, call_unless, pages
from stepdrain.intake.maintenance import Scheduled

FILTER_VALUES = 200
"""https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html"""


class Ec2(Clients):
    """Its part of stepdrain.adapters.aws.Aws."""

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
        return {
            instance["InstanceId"]: {tag["Key"]: tag["Value"] for tag in instance.get("Tags", ())}
            for page in answers
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
        }

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

    def private_dns_name(self, instance_id: str) -> str | None:
        """The instance's private DNS name, None if EC2 no longer knows the instance."""
        client = self._client("ec2")
        answer = call_unless(client, "describe_instances", "InvalidInstanceID", InstanceIds=[instance_id])
        if answer is None:
            return None
        instances = [one for reservation in answer["Reservations"] for one in reservation["Instances"]]
        return (instances[0].get("PrivateDnsName") or None) if instances else None
