"""How long and how often Lambda tries an event that it was given asynchronously; times in seconds.

A function's error uses up a retry, throttling does not, and neither goes on once the event is too old
(https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RETRIES_AFTER_S = (60, 120)
LONGEST_PAUSE_S = 300


@dataclass(frozen=True)
class EventInvokeConfig:
    """A function's settings; the defaults are Lambda's.

    https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html
    """

    oldest_s: int = 21_600
    """The age at which an event is given up, between 60 and 21,600."""
    retries: int = len(RETRIES_AFTER_S)
    """After errors of the function, 0 to 2."""
    queue: str = ""
    """Name of the queue for failed events; "" if there is none."""

    @staticmethod
    def of(properties: Mapping[str, Any]) -> EventInvokeConfig:
        """From the properties of an AWS::Lambda::EventInvokeConfig; destinations besides SQS are left out."""
        destination = str(properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", ""))
        return EventInvokeConfig(
            int(properties.get("MaximumEventAgeInSeconds", EventInvokeConfig.oldest_s)),
            int(properties.get("MaximumRetryAttempts", EventInvokeConfig.retries)),
            destination.rsplit(":", 1)[-1] if ":sqs:" in destination else "",
        )

    def retry_after_s(self, failures: int) -> int | None:
        """The pause before the next attempt after so many errors of the function; None if there is none."""
        return RETRIES_AFTER_S[failures - 1] if failures <= self.retries else None


def throttled_pause_s(throttled: int) -> int:
    """The pause after an event was throttled so many times in a row: a second, doubled up to five minutes."""
    return min(2 ** (throttled - 1), LONGEST_PAUSE_S)


@dataclass(frozen=True)
class Attempt:
    """What has become of an event until now. ``since``: when Lambda got it, by the virtual clock."""

    since: float
    failures: int = 0
    """Errors of the function."""
    throttled: int = 0
    """Attempts that Lambda did not let begin since the last one that began."""
