"""The outside of an event: is it of a kind, an account and a region that this installation serves?

Every event of EventBridge has these fields
(https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html). A rule of somebody else's
may send anything here, so a value that is another's is no error. One that is missing or malformed is:
the schema of its kind then names the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stepdrain import clock
from stepdrain.intake.settings import IntakeSettings

AUTO_SCALING, EC2, HEALTH = "aws.autoscaling", "aws.ec2", "aws.health"
SOURCES = {
    "EC2 Instance-terminate Lifecycle Action": AUTO_SCALING,
    "EC2 Instance-launch Lifecycle Action": AUTO_SCALING,
    "EC2 Spot Instance Interruption Warning": EC2,
    "EC2 Instance Rebalance Recommendation": EC2,
    "AWS Health Event": HEALTH,
    "EC2 Capacity Reservation Instance Interruption Warning": EC2,
    "Capacity Block Expiration Warning": EC2,
    "Capacity Block Reservation Expiration Warning": EC2,
    "EC2 Instance State-change Notification": EC2,
}
"""The source of each kind of event that is taken, by its detail-type."""


@dataclass(frozen=True)
class Ignored:
    """The event is none of ours; ``reason`` says why in a sentence."""

    reason: str


def sent_at(event: Mapping[str, Any]) -> float | None:
    """When the event was sent, in epoch seconds; None if it does not say, or not in the documented form."""
    try:
        return clock.to_epoch_s(event["time"])
    except (KeyError, ValueError, AttributeError, TypeError):
        return None


def foreign(event: Mapping[str, Any], settings: IntakeSettings) -> Ignored | None:
    """Why the event, judged by its envelope, is not ours; None if it may be."""
    kind, source = event.get("detail-type"), event.get("source")
    account, region = event.get("account"), event.get("region")
    if isinstance(kind, str) and kind not in SOURCES:
        return Ignored(f"Its detail-type is {kind[:100]!r}, which starts nothing here.")
    if isinstance(source, str) and isinstance(kind, str) and source != SOURCES[kind]:
        return Ignored(f"Its source is {source[:100]!r}; {kind} is sent by {SOURCES[kind]}.")
    if isinstance(account, str) and account.isdigit() and account != settings.account_id:
        return Ignored(f"It comes from account {account}; this installation serves {settings.account_id}.")
    if isinstance(region, str) and region and settings.region not in ("", region):
        return Ignored(f"It comes from region {region[:100]}; this installation serves {settings.region}.")
    return None
