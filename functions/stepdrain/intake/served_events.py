"""Is a lifecycle event ours, and what are its group's tags and hook? For StartDrain and its rehearsal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stepdrain.intake import lifecycle_events
from stepdrain.intake.envelope import Ignored
from stepdrain.intake.settings import IntakeSettings
from stepdrain.schemas.validation import validate

SCHEMAS = {
    lifecycle_events.TERMINATING: "lifecycle-action",
    "autoscaling:EC2_INSTANCE_LAUNCHING": "lifecycle-launch",
}
"""The form of an event, by its transition."""


@dataclass(frozen=True)
class Served:
    """An event of ours: its group's tags, and its hook as DescribeLifecycleHooks shows it."""

    tags: Mapping[str, str]
    hook: Mapping[str, Any]


def served(
    event: Mapping[str, Any],
    settings: IntakeSettings,
    transition: str,
    tags_of: Callable[[str], Mapping[str, str] | None],
    hook_of: Callable[[str, str], Mapping[str, Any] | None],
) -> Ignored | Served:
    """What the drain or admission of the event's instance begins with, or why it is none of ours.

    ``tags_of`` takes a group's name, ``hook_of`` also a hook's; both return None where there is none. Raises
    InvalidEvent for an event that is not what its sender documents, and what the two raise.
    """
    if ignored := lifecycle_events.foreign(event, settings, transition):
        return ignored
    validate(SCHEMAS[transition], event)
    group, hook = event["detail"]["AutoScalingGroupName"], event["detail"]["LifecycleHookName"]
    tags = tags_of(group)
    if tags is None:
        return Ignored(f"Group {group} is gone since, and its instances with it.")
    if ignored := lifecycle_events.foreign_group(tags, settings):
        return ignored
    made = hook_of(group, hook)
    if made is None:
        return Ignored(f"Group {group} has no hook {hook} any more: it holds the instance no longer.")
    return Served(tags, made)
