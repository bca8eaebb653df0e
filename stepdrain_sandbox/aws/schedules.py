"""Scheduled rules, which moto stores but never fires: ``rate(…)`` on the world's clock.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from moto.events.models import Rule, events_backends

from stepdrain_sandbox.clock import Clock, Timer
from stepdrain_sandbox.kube.store import rfc3339

Json = dict[str, Any]
UNITS_S = {"minute": 60, "hour": 3600, "day": 86_400}


def interval_s(expression: str) -> int:
    """Seconds between two firings of ``rate(5 minutes)``; raises ValueError for any other expression."""
    match = re.fullmatch(r"rate\(([1-9]\d*) (minute|hour|day)(s?)\)", expression)
    if match is None or (match[1] == "1") == bool(match[3]):
        raise ValueError(f"The sandbox supports only rules like rate(5 minutes), not {expression}.")
    return int(match[1]) * UNITS_S[match[2]]


@dataclass
class Schedules:
    """Fires an account's scheduled rules. ``hand_over`` takes a rule's target and an event."""

    clock: Clock
    hand_over: Callable[[Json, Json], None]
    account: str
    region: str
    timers: dict[str, Timer] = field(default_factory=dict)

    def start(self) -> None:
        """Start all schedules; a rule first fires after its first interval."""
        for rule in events_backends[self.account][self.region].event_buses["default"].rules.values():
            if rule.scheduled_expression:
                self._later(rule, interval_s(rule.scheduled_expression))

    def stop(self) -> None:
        """Stop all schedules."""
        timers, self.timers = self.timers, {}
        for timer in timers.values():
            timer.cancel()

    def _later(self, rule: Rule, seconds: int) -> None:
        self.timers[rule.name] = self.clock.call_at(
            self.clock.now() + seconds, lambda: self._fire(rule, seconds)
        )

    def _fire(self, rule: Rule, seconds: int) -> None:
        if rule.name not in self.timers:
            return
        self._later(rule, seconds)
        if rule.state == "ENABLED":
            for target in rule.targets:
                self.hand_over(target, self._event(rule))

    def _event(self, rule: Rule) -> Json:
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": self.account,
            "time": rfc3339(self.clock.now()),
            "region": self.region,
            "resources": [rule.arn],
            "detail": {},
        }
