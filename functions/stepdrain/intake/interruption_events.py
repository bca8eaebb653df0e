"""Events that record_event the end of an instance: whom they mean, and until when there is time.

None of them holds an instance, and none carries a lifecycle action. Each kind has a schema in
schemas/ and a sample in tests/events/. Sources:

    EC2       https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
              and its neighbours rebalance-recommendations, capacity-blocks-monitor,
              monitoring-instance-state-changes
    Health    https://docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from stepdrain import clock
from stepdrain.errors import InvalidEvent
from stepdrain.intake import envelope
from stepdrain.intake.envelope import Ignored
from stepdrain.intake.settings import IntakeSettings
from stepdrain.schemas.validation import validate

NOTICE_S = 120
"""From a spot interruption warning to the interruption; an instance that is stopped gets no longer."""
BLOCK_ENDS_EARLY_S = 1800
"""Instances of a Capacity Block are terminated from this long before its end date."""
ENDS = re.compile(r"_(RETIREMENT|TERMINATION|STOP)_")
"""In the type code of a Health event that ends the instance, as AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED.
Reboots and maintenance do not, as AWS_EC2_SYSTEM_REBOOT_MAINTENANCE_SCHEDULED
(https://docs.aws.amazon.com/health/latest/ug/aws-health-concepts-and-terms.html)."""
INSTANCE = re.compile(r"i-([0-9a-f]{8}|[0-9a-f]{17})")

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Notice:
    """What an event announces."""

    reason: str
    """spot, rebalance, health, maintenance, capacity or state-change; part of the execution's name."""
    mark: str
    """Tells it from other notices of its reason for the same instance, the same at each delivery."""
    instances: tuple[str, ...] = ()
    reservation: str | None = None
    """Where no instance is named: all that run in this capacity reservation."""
    ends_at: float | None = None
    """Epoch seconds at which EC2 takes the instances, whatever runs on them; None if not announced."""

    def execution(self, instance: str) -> str:
        """The name of the execution that the notice starts for an instance."""
        return f"{instance}-{self.reason}-{self.mark}"


def known(event: Any) -> bool:
    """Whether the event is of a kind that this module reads."""
    kind = event.get("detail-type") if isinstance(event, Mapping) else None
    return isinstance(kind, str) and kind in KINDS


def instances_in(event: Any) -> tuple[str, ...]:
    """Ids of the instances that an event of any form seems to name, so that all can be asked for at once."""
    detail = event.get("detail") if isinstance(event, Mapping) else None
    if not isinstance(detail, Mapping):
        return ()
    entities = detail.get("affectedEntities")
    named = (
        [entity.get("entityValue") for entity in entities or () if isinstance(entity, Mapping)]
        if isinstance(entities, list)
        else [detail.get("instance-id")]
    )
    return tuple(instance for instance in named if isinstance(instance, str) and INSTANCE.fullmatch(instance))


def read(event: Event, settings: IntakeSettings) -> Notice | Ignored:
    """The notice in an event of a known kind, or why it is of no concern.

    Raises InvalidEvent naming the field that does not have its documented form.
    """
    kind = KINDS[event["detail-type"]]
    if ignored := envelope.foreign(event, settings):
        return ignored
    validate(kind.schema, event)
    return kind.read(event)


def _spot(event: Event) -> Notice:
    return Notice("spot", _time_mark(event), _named(event), ends_at=_sent_at(event) + NOTICE_S)


def _rebalance(event: Event) -> Notice:
    return Notice("rebalance", _time_mark(event), _named(event))


def _interruption(event: Event) -> Notice:
    at = event["detail"].get("instance-termination-time")
    ends_at = _rfc3339(at, "detail.instance-termination-time") if at else _sent_at(event) + NOTICE_S
    return Notice("capacity", _time_mark(event), _named(event), ends_at=ends_at)


def _block(event: Event) -> Notice:
    detail = event["detail"]
    ends_at = _rfc3339(detail["end-date"], "detail.end-date") - BLOCK_ENDS_EARLY_S
    return Notice(
        "capacity", _time_mark(event), reservation=detail["capacity-reservation-id"], ends_at=ends_at
    )


def _state_change(event: Event) -> Notice | Ignored:
    state = event["detail"]["state"]
    if state not in ("stopping", "shutting-down"):
        return Ignored(f"Its state is {state}: nothing is ending, or all has ended.")
    return Notice("state-change", _time_mark(event), _named(event), ends_at=_sent_at(event) + NOTICE_S)


def _health(event: Event) -> Notice | Ignored:
    detail = event["detail"]
    if detail["service"] != "EC2" or detail["eventTypeCategory"] != "scheduledChange":
        return Ignored(f"It is {detail['service']} {detail['eventTypeCategory']}, not EC2 scheduledChange.")
    if detail.get("statusCode") == "closed" or detail.get("backupEvent") == "true":
        return Ignored("It is closed, or the backup copy of another region's event.")
    if not ENDS.search(detail["eventTypeCode"]):
        return Ignored(
            f"{detail['eventTypeCode']} does not end the instance. With DrainOnMaintenance the sweep drains "
            "it shortly before and gives it back after."
        )
    instances = _entities(detail)
    if not instances:
        return Ignored("It names no instance.")
    starts_at = _health_time(detail["startTime"]) if detail.get("startTime") else 0.0
    # What has begun has no end that is known.
    ends_at = starts_at if starts_at > _sent_at(event) else None
    return Notice("health", _health_mark(detail), instances, ends_at=ends_at)


def called_off(event: Event, settings: IntakeSettings) -> Notice | None:
    """The notice of a Health event that is closed and would have ended instances; None for any other event.

    A closed event may also have happened; then its instances are gone. Raises InvalidEvent as ``read``.
    """
    detail = event.get("detail") if event.get("detail-type") == "AWS Health Event" else None
    if not isinstance(detail, Mapping) or detail.get("statusCode") != "closed":
        return None
    if envelope.foreign(event, settings):
        return None
    validate("health-event", event)
    ends = detail["service"] == "EC2" and ENDS.search(detail["eventTypeCode"])
    if not ends or detail.get("backupEvent") == "true":
        return None
    return Notice("health", _health_mark(detail), _entities(detail))


def _entities(detail: Mapping[str, Any]) -> tuple[str, ...]:
    entities = [entity["entityValue"] for entity in detail["affectedEntities"]]
    return tuple(value for value in entities if INSTANCE.fullmatch(value))


def _health_mark(detail: Mapping[str, Any]) -> str:
    # Updates and further pages of an event have the same ARN; the instance distinguishes the pages.
    return hashlib.sha256(detail["eventArn"].encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Kind:
    """A kind of event: its schema, and its reader."""

    schema: str
    read: Callable[[Event], Notice | Ignored]


KINDS = {
    "EC2 Spot Instance Interruption Warning": Kind("spot-interruption", _spot),
    "EC2 Instance Rebalance Recommendation": Kind("rebalance-recommendation", _rebalance),
    "AWS Health Event": Kind("health-event", _health),
    "EC2 Capacity Reservation Instance Interruption Warning": Kind("capacity-interruption", _interruption),
    "Capacity Block Expiration Warning": Kind("capacity-block-expiration", _block),
    # The name in older pages of the documentation.
    "Capacity Block Reservation Expiration Warning": Kind("capacity-block-expiration", _block),
    "EC2 Instance State-change Notification": Kind("state-change", _state_change),
}
"""By detail-type."""


def _named(event: Event) -> tuple[str, ...]:
    return (event["detail"]["instance-id"],)


def _sent_at(event: Event) -> float:
    return _rfc3339(event["time"], "time")


def _time_mark(event: Event) -> str:
    return clock.to_rfc3339(_sent_at(event)).translate({ord("-"): None, ord(":"): None})


def _rfc3339(text: str, field: str) -> float:
    try:
        return clock.to_epoch_s(text)
    except ValueError:
        raise InvalidEvent(
            f"The event's {field} is {text!r}, and not a time like 2026-01-01T00:00:00Z."
        ) from None


def _health_time(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        raise InvalidEvent(
            f"The event's detail.startTime is {text!r}, and not a time like Fri, 3 Jun 2022 05:01:10 GMT."
        ) from None
