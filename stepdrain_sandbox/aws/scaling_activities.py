"""DescribeScalingActivities, which moto answers with an empty list: a group's launches and terminations.

https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeScalingActivities.html: activities in
progress come first, then the others, both newest first; 100 in a page.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult

from stepdrain_sandbox.kube.store import rfc3339

Json = dict[str, Any]
PAGE = 100
VERBS = {
    "Terminating": "Terminating EC2 instance",
    "Pending": "Launching a new EC2 instance",
    "ReplacingRootVolume": "Replacing root volume of EC2 instance",
}
"""By wait state, without its Warmed: and :Wait. No page shows the third; the others are from
https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-verify-scaling-activity.html."""


@dataclass
class Activity:
    """An activity; times in epoch seconds, ``ended_at`` is None while it is in progress."""

    group: str
    instance_id: str
    description: str
    started_at: float
    ended_at: float | None = None
    activity_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def to_document(self) -> Json:
        """The activity in the API's form."""
        document: Json = {
            "ActivityId": self.activity_id,
            "AutoScalingGroupName": self.group,
            "Description": self.description,
            "Cause": "At the request of its user.",
            "StartTime": rfc3339(self.started_at),
            "StatusCode": "MidLifecycleAction" if self.ended_at is None else "Successful",
            "Progress": 60 if self.ended_at is None else 100,
        }
        return document if self.ended_at is None else {**document, "EndTime": rfc3339(self.ended_at)}


@dataclass
class ScalingActivities:
    """An account's activities that began in a wait state."""

    all: list[Activity] = field(default_factory=list)

    def begin(self, group: str, instance_id: str, waits_in: str, now: float) -> None:
        """An activity begins; ``waits_in`` is the lifecycle state in which hooks hold the instance."""
        self.end(instance_id, now)
        verb = VERBS[waits_in.removeprefix("Warmed:").removesuffix(":Wait")]
        self.all.append(Activity(group, instance_id, f"{verb}: {instance_id}", now))

    def end(self, instance_id: str, now: float) -> None:
        """The instance's activity ends: no hook holds it any more."""
        for activity in self.all:
            if activity.instance_id == instance_id and activity.ended_at is None:
                activity.ended_at = now

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Inside this context, this object answers describe_scaling_activities."""
        activities = self

        def describe(response: AutoScalingResponse) -> ActionResult:
            return activities._page(response)

        with mock.patch.object(AutoScalingResponse, "describe_scaling_activities", describe):
            yield

    def _page(self, response: AutoScalingResponse) -> ActionResult:
        group = response._get_param("AutoScalingGroupName")
        chosen = [activity for activity in self.all if group in (None, activity.group)]
        chosen.sort(key=lambda activity: (activity.ended_at is None, activity.started_at), reverse=True)
        first = int(response._get_param("NextToken") or 0)
        after = first + min(int(response._get_param("MaxRecords") or PAGE), PAGE)
        token = {"NextToken": str(after)} if after < len(chosen) else {}
        page = [activity.to_document() for activity in chosen[first:after]]
        return ActionResult({"Activities": page, **token})
