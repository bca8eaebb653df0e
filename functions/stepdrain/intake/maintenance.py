"""Maintenance of an instance's host, after which the instance goes on: drained before, given back after.

EC2 schedules reboots and maintenance days ahead, moves them, and calls them off
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instances-status-check_sched.html). So no
execution waits for them: the sweep asks EC2 each time what is scheduled now.

    an event begins within LEAD_S            its instances are drained, under a name with the event's mark
    an event with that mark is scheduled     the drain stays, also while the host is being worked on
    none is: it is over, or was called off   the drain is stopped, if it runs, and AdmitNode undoes its marks

EC2 shows a past event for up to a week
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceStatusEvent.html). Its drain has its name
from it, and is found by that also where the list of executions does not reach back to it any more.

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
    """Names that drains for maintenance have that is no longer scheduled, and whether each still runs.

    ``drains`` are those of the last days, ``events`` all that EC2 shows, past ones included. A past event may
    have drained nothing: then there is no execution of that name.
    """
    shown = list(events)
    kept = {_name(event) for event in scheduled(shown)}
    runs = {drain["name"]: drain["status"] in OPEN for drain in drains if f"-{REASON}-" in drain["name"]}
    # A drain that is not in the list is closed: it lasts no longer than the list reaches back.
    past = {_name(event): False for event in shown if event.code in CODES}
    return [(name, running) for name, running in {**past, **runs}.items() if name not in kept]


def _name(event: Scheduled) -> str:
    return f"{event.instance}-{REASON}-{event.mark}"
