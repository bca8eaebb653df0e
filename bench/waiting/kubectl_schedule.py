"""When ``kubectl drain`` asks and looks, as kubernetes/kubectl (pkg/drain/drain.go) does; pure.

Each pod has a loop of its own. A refused eviction (429) is asked again after 5 s, an accepted one is
followed by a look each second until the pod is gone. client-go lets 5 requests a second through for each API
group, and 10 at once before that (k8s.io/client-go/rest/config.go: DefaultQPS, DefaultBurst).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

AGAIN_S, LOOK_S = 5.0, 1.0
PER_SECOND, BURST = 5.0, 10


class Request(Enum):
    """What a pod's loop sends."""

    EVICT = "evict"
    LOOK = "get"


class DrainFailed(Exception):
    """kubectl has met an answer that it does not repeat, and ends with an error."""


@dataclass
class Limiter:
    """A token bucket (golang.org/x/time/rate): ``per_second`` requests, ``burst`` at once before that."""

    per_second: float = PER_SECOND
    burst: int = BURST
    _tokens: float = field(init=False)
    _at: float = field(init=False, default=-math.inf)

    def __post_init__(self) -> None:
        self._tokens = self.burst

    def goes_at(self, now: float) -> float:
        """When a request may go that wants to go at ``now`` (seconds; never before an earlier one's)."""
        refilled = (now - self._at) * self.per_second if self._at > -math.inf else 0.0
        self._tokens = min(self.burst, self._tokens + refilled) - 1
        self._at = now
        return now + max(0.0, -self._tokens) / self.per_second


@dataclass
class PodLoop:
    """One pod's loop: what it sends next, and when it wants to (seconds). ``request`` is None at its end."""

    at: float
    request: Request | None = Request.EVICT
    _looks_from: float = 0.0

    def answered(self, status: int, now: float) -> None:
        """The answer to ``request`` came at ``now``; 404 also stands for a pod with another UID.

        Raises DrainFailed for what kubectl does not ask again.
        """
        if status == 404:
            self.request = None
        elif self.request is Request.EVICT and status == 429:
            self.at = now + AGAIN_S
        elif status >= 300:
            raise DrainFailed(f"{status} to {self.request}")
        elif self.request is Request.EVICT:
            self.request, self.at, self._looks_from = Request.LOOK, now, now
        else:
            # A ticker: a look that was late does not put off the next one.
            ticks = math.floor((now - self._looks_from) / LOOK_S) + 1
            self.at = self._looks_from + ticks * LOOK_S
