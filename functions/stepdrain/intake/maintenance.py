"""Maintenance of an instance's host, after which the instance goes on: drained before, given back after.

EC2 schedules reboots and maintenance days ahead, moves them, and calls them off
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instances-status-check_sched.html). So no
execution waits for them: the sweep asks EC2 each time what is scheduled now.

    an event begins within LEAD_S            its instances are drained, under a name with the event's mark
    an event with that mark is scheduled     the drain stays, also while the host is being worked on
    none is: it is over, or was called off   the drain is stopped, if it runs, and AdmitNode undoes its marks

An event that is moved has another mark, so that it ends the old drain and later starts a new one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stepdrain.intake.interruption_events import Notice
from stepdrain.intake.lifecycle_events import OPEN

REASON = "maintenance"
CODES = ("instance-reboot", "system-reboot", "system-maintenance")
"""Events after which the instance comes back; instance-stop and instance-retirement end it
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceStatusEvent.html)."""
LEAD_S = 1800
"""A drain begins this long before the event: pods need some minutes, and budgets may hold them."""
OVER = ("[completed]", "[canceled]", "[cancelled]")
"""How the description of an event begins that is still shown and no longer scheduled (same page)."""


@dataclass(frozen=True)
class Scheduled:
    """One event of one instance."""

    instance: str
    event_id: str
    code: str
    description: str
    begins_at: float
    """Epoch seconds; the earliest time for which it is scheduled."""

    @property
    def mark(self) -> str:
        """Tells the event from others, and from itself at another time."""
        return hashlib.sha256(f"{self.event_id} {self.begins_at:.0f}".encode()).hexdigest()[:8]


def scheduled(events: Iterable[Scheduled]) -> list[Scheduled]:
    """Those events that are still to come or going on, and after which the instance comes back."""
    return [
        event for event in events if event.code in CODES and not event.description.lower().startswith(OVER)
    ]


def due(events: Iterable[Scheduled], now: float, interval_s: int) -> list[Notice]:
    """Notices of the events that begin within LEAD_S, or would before the next sweep, and have not begun."""
    return [
        Notice(REASON, event.mark, (event.instance,), ends_at=event.begins_at)
        for event in events
        if now < event.begins_at <= now + LEAD_S + interval_s
    ]


def over(drains: Iterable[Mapping[str, Any]], events: Iterable[Scheduled]) -> list[tuple[str, bool]]:
    """Names of drains for maintenance that is no longer scheduled, and whether each still runs."""
    kept = {f"{event.instance}-{REASON}-{event.mark}" for event in events}
    ours = (drain for drain in drains if f"-{REASON}-" in drain["name"] and drain["name"] not in kept)
    return [(drain["name"], drain["status"] in OPEN) for drain in ours]
