"""DescribeScalingActivities, which moto answers with nothing: what a group does with its instances.

https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeScalingActivities.html: activities that
are in progress come first, then the others, the newest of each first; 100 in a page.
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
"""By the state that waits, without its Warmed: and :Wait. No page shows the third; the others are from
https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-verify-scaling-activity.html."""


@dataclass
class Activity:
    """One activity; times in epoch seconds, ``ended_at`` None while it is in progress."""

    group: str
    instance_id: str
    description: str
    started_at: float
    ended_at: float | None = None
    activity_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def to_document(self) -> Json:
        """As the API shows it."""
        shown: Json = {
            "ActivityId": self.activity_id,
            "AutoScalingGroupName": self.group,
            "Description": self.description,
            "Cause": "At the request of its user.",
            "StartTime": rfc3339(self.started_at),
            "StatusCode": "MidLifecycleAction" if self.ended_at is None else "Successful",
            "Progress": 60 if self.ended_at is None else 100,
        }
        return shown if self.ended_at is None else {**shown, "EndTime": rfc3339(self.ended_at)}


@dataclass
class ScalingActivities:
    """The activities of one account that began in a lifecycle state with a wait in it."""

    all: list[Activity] = field(default_factory=list)

    def begin(self, group: str, instance_id: str, waits_in: str, now: float) -> None:
        """``waits_in`` is the lifecycle state in which the group's hooks hold the instance."""
        self.end(instance_id, now)
        verb = VERBS[waits_in.removeprefix("Warmed:").removesuffix(":Wait")]
        self.all.append(Activity(group, instance_id, f"{verb}: {instance_id}", now))

    def end(self, instance_id: str, now: float) -> None:
        """No hook holds the instance any more."""
        for one in self.all:
            if one.instance_id == instance_id and one.ended_at is None:
                one.ended_at = now

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """While this lasts, describe_scaling_activities is answered from here."""
        activities = self

        def describe(response: AutoScalingResponse) -> ActionResult:
            return activities._page(response)

        with mock.patch.object(AutoScalingResponse, "describe_scaling_activities", describe):
            yield

    def _page(self, response: AutoScalingResponse) -> ActionResult:
        group = response._get_param("AutoScalingGroupName")
        chosen = [one for one in self.all if group in (None, one.group)]
        chosen.sort(key=lambda one: (one.ended_at is None, one.started_at), reverse=True)
        first = int(response._get_param("NextToken") or 0)
        after = first + min(int(response._get_param("MaxRecords") or PAGE), PAGE)
        token = {"NextToken": str(after)} if after < len(chosen) else {}
        return ActionResult({"Activities": [one.to_document() for one in chosen[first:after]], **token})
