"""Events that EC2 schedules for instances, which moto's DescribeInstanceStatus lacks.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instances-status-check_sched.html and
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceStatusEvent.html: a past event is shown
for up to a week, and its description says that it is past.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from moto.core.responses import ActionResult
from moto.ec2.responses.instances import InstanceResponse

from stepdrain_sandbox.clock import Clock
from stepdrain_sandbox.kube.store import rfc3339

Json = dict[str, Any]
SHOWN_FOR_S = 7 * 86_400
MAINTENANCE = "scheduled maintenance"


@dataclass
class Event:
    """An event; times in epoch seconds, ``over_at`` is None while the event is scheduled."""

    instance_id: str
    code: str
    not_before: float
    description: str = MAINTENANCE
    over_at: float | None = None
    event_id: str = field(default_factory=lambda: f"instance-event-{uuid.uuid4().hex[:17]}")


@dataclass
class ScheduledEvents:
    """An account's events."""

    clock: Clock
    all: list[Event] = field(default_factory=list)

    def schedule(self, instance_id: str, code: str, not_before: float) -> Event:
        """Schedule an event; ``not_before`` in epoch seconds."""
        event = Event(instance_id, code, not_before)
        self.all.append(event)
        return event

    def end(self, event: Event, how: str) -> None:
        """The event is past; ``how`` is Completed or Canceled."""
        event.description, event.over_at = f"[{how}] {MAINTENANCE}", self.clock.now()

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Inside this context, describe_instance_status shows the events to requests that filter by code."""
        describe, events = InstanceResponse.describe_instance_status, self

        def with_events(response: InstanceResponse) -> ActionResult:
            codes = response._filters_from_querystring().get("event.code")
            return ActionResult(events._shown(codes)) if codes else describe(response)

        with mock.patch.object(InstanceResponse, "describe_instance_status", with_events):
            yield

    def _shown(self, codes: list[str]) -> Json:
        now = self.clock.now()
        listed: dict[str, list[Json]] = {}
        for event in self.all:
            if event.code in codes and (event.over_at is None or now < event.over_at + SHOWN_FOR_S):
                listed.setdefault(event.instance_id, []).append(_document(event))
        statuses = [{"InstanceId": instance, "Events": events} for instance, events in listed.items()]
        return {"InstanceStatuses": statuses}


def _document(event: Event) -> Json:
    return {
        "InstanceEventId": event.event_id,
        "Code": event.code,
        "Description": event.description,
        "NotBefore": rfc3339(event.not_before),
    }
