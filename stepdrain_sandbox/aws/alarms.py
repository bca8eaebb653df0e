"""The state of the alarm on the sweep; the others stay OK.

As template.yaml has it: no successful sweep in a period of 1,800 s, and missing data breaches. Before the
first period is over there is INSUFFICIENT_DATA.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
"""

from __future__ import annotations

from typing import Any, Protocol

Json = dict[str, Any]
PERIOD_S = 1800


class Now(Protocol):
    """The part of a clock that alarms need."""

    def now(self) -> float: ...


class Alarms:
    """What CloudWatch says of the stack's alarms."""

    def __init__(self, clock: Now) -> None:
        self._clock, self._began = clock, clock.now()
        self._last: dict[str, float] = {}

    def succeeded(self, function: str) -> None:
        """An invocation of the function (logical id) went well."""
        self._last[function] = self._clock.now()

    def described(self, asked: Json) -> Json:
        """The answer to DescribeAlarms by name."""
        shown = [{"AlarmName": name, "StateValue": self._state(name)} for name in asked["AlarmNames"]]
        return {"MetricAlarms": shown}

    def _state(self, name: str) -> str:
        if not name.endswith("SweepAbsentAlarm"):
            return "OK"
        swept_at = self._last.get("SweepFunction")
        if self._clock.now() - (swept_at or self._began) > PERIOD_S:
            return "ALARM"
        return "OK" if swept_at else "INSUFFICIENT_DATA"
