"""Auto Scaling: groups, their lifecycle hooks, and the lifecycle actions of instances."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from stepdrain.adapters.aws.calls import Clients, call, pages
from stepdrain.errors import AwsRejected

PAGE = 50
"""Records of a page, and names that one request takes."""
INSTANCE = re.compile(r"\bi-(?:[0-9a-f]{17}|[0-9a-f]{8})\b")


class AutoScaling(Clients):
    """Its part of stepdrain.adapters.aws.Aws."""

    @cached_property
    def _auto_scaling(self) -> Any:
        return self._client("autoscaling")

    def group_tags(self, group: str) -> dict[str, str]:
        """The tags of an Auto Scaling group; AwsRejected if there is no such group."""
        tags = self.tags_of_group(group)
        if tags is None:
            raise AwsRejected(f"There is no Auto Scaling group {group} in this account and region.")
        return tags

    def tags_of_group(self, group: str) -> dict[str, str] | None:
        """As ``group_tags``; None if there is no such group."""
        groups = self._group(group)
        return {tag["Key"]: tag.get("Value", "") for tag in groups[0].get("Tags", ())} if groups else None

    def _group(self, name: str) -> list[dict[str, Any]]:
        """The group of that name as a list of one, without its instances if boto3 can ask for that; or []."""
        parameters: dict[str, Any] = {"AutoScalingGroupNames": [name]}
        # 500 instances are 300 KB of XML. The runtime's own boto3 may be too old for this parameter.
        shape = self._auto_scaling.meta.service_model.operation_model("DescribeAutoScalingGroups").input_shape
        if "IncludeInstances" in shape.members:
            parameters["IncludeInstances"] = False
        answer = call(self._auto_scaling, "describe_auto_scaling_groups", **parameters)
        groups: list[dict[str, Any]] = answer["AutoScalingGroups"]
        return groups

    def groups(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The Auto Scaling groups of these names (all groups if empty), with instances; in pages of 50.

        A request takes as many names as its page has records (API reference, DescribeAutoScalingGroups).
        """
        batches = [list(names[at : at + PAGE]) for at in range(0, len(names), PAGE)]
        requests: list[dict[str, Any]] = [{"AutoScalingGroupNames": batch} for batch in batches] or [{}]
        for request in requests:
            options = {"MaxRecords": PAGE, **request}
            for page in pages(self._auto_scaling, "describe_auto_scaling_groups", "NextToken", **options):
                yield from page["AutoScalingGroups"]

    def hook(self, group: str, name: str) -> dict[str, Any]:
        """A lifecycle hook with HeartbeatTimeout and GlobalTimeout in seconds; AwsRejected if absent."""
        found = self.hook_of_group(group, name)
        if found is None:
            raise AwsRejected(f"Auto Scaling group {group} has no lifecycle hook {name}.")
        return found

    def hook_of_group(self, group: str, name: str) -> dict[str, Any] | None:
        """As ``hook``; None if the group has no hook of that name."""
        parameters = {"AutoScalingGroupName": group, "LifecycleHookNames": [name]}
        answer = call(self._auto_scaling, "describe_lifecycle_hooks", **parameters)
        return dict(answer["LifecycleHooks"][0]) if answer["LifecycleHooks"] else None

    def in_progress_since(self, group: str) -> dict[str, float]:
        """When the group began to launch or terminate each instance, in epoch seconds by instance id.

        Covers instances whose activity is in progress, as it is while a hook holds them. Activities in
        progress come first in the list (API reference, DescribeScalingActivities), so reading stops at the
        first with an end time. Status names are not used: the reference does not list all of them.
        """
        since: dict[str, float] = {}
        parameters = {"AutoScalingGroupName": group}
        for page in pages(self._auto_scaling, "describe_scaling_activities", "NextToken", **parameters):
            for activity in page["Activities"]:
                if activity.get("EndTime"):
                    return since
                for instance in INSTANCE.findall(activity.get("Description", "")):
                    since[instance] = max(since.get(instance, 0.0), activity["StartTime"].timestamp())
        return since

    def record_heartbeat(self, lifecycle: Mapping[str, Any], instance_id: str) -> None:
        """Restart the heartbeat timeout of the instance's lifecycle action."""
        call(self._auto_scaling, "record_lifecycle_action_heartbeat", **_action(lifecycle, instance_id))

    def complete_action(self, lifecycle: Mapping[str, Any], instance_id: str, result: str) -> None:
        """End the lifecycle action with ``result``, CONTINUE or ABANDON."""
        action = _action(lifecycle, instance_id)
        call(self._auto_scaling, "complete_lifecycle_action", LifecycleActionResult=result, **action)

    def lifecycle_state(self, instance_id: str) -> str:
        """The instance's lifecycle state in its Auto Scaling group; "" if it is in no group."""
        answer = call(self._auto_scaling, "describe_auto_scaling_instances", InstanceIds=[instance_id])
        return (
            str(answer["AutoScalingInstances"][0]["LifecycleState"]) if answer["AutoScalingInstances"] else ""
        )

    def group_target_groups(self, group: str) -> list[str]:
        """ARNs of the target groups attached to the Auto Scaling group; empty if the group is gone."""
        return [arn for found in self._group(group) for arn in found.get("TargetGroupARNs", ())]


def _action(lifecycle: Mapping[str, Any], instance_id: str) -> dict[str, str]:
    action = {"AutoScalingGroupName": lifecycle["group"], "LifecycleHookName": lifecycle["hook"]}
    # The sweep does not know the token; the instance id is enough while the hook has one action for it.
    if lifecycle.get("token"):
        action["LifecycleActionToken"] = lifecycle["token"]
    return {**action, "InstanceId": instance_id}
