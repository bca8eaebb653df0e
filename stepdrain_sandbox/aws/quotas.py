"""AWS's published API quotas, as token buckets on the world's clock.

As of 2026-11-27. "large" are us-east-1, us-west-2 and eu-west-1; "other" is every other region. Quotas that
AWS does not publish are marked as assumed; a storm is also tested at half of those.

    SFN   https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
    EC2   https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html (non-mutating, filtered)
    SNS   https://docs.aws.amazon.com/general/latest/gr/sns.html (messages a second, standard topics)
    DDB   https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html (a new
          on-demand table; an item of 4 KB read with eventual consistency is half a unit, a write of 1 KB one)
    ROW   https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput-scenarios.html (a
          partition, and so a row: 1,000 write and 3,000 read units a second)
    LAM   https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stepdrain_sandbox.clock import Clock

Region = Literal["large", "other"]
SFN = "https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"
EC2 = "https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html"
SNS = "https://docs.aws.amazon.com/general/latest/gr/sns.html"
DDB = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html"
ROW = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput-scenarios.html"
ASSUMED = "assumed: not published"
CONCURRENT_EXECUTIONS, OF_A_NEW_ACCOUNT = 1000, 10
"""Concurrent executions of functions (LAM); new accounts have fewer, and the fewest seen is 10."""


@dataclass(frozen=True)
class Quota:
    """A bucket's size and its refill in tokens a second, in large and in other regions."""

    burst: tuple[int, int]
    refill: tuple[int, int]
    source: str

    def of(self, region: Region, share: float) -> tuple[float, float]:
        """(burst, refill a second) in a region; ``share`` scales assumed quotas."""
        index = 0 if region == "large" else 1
        part = share if self.source == ASSUMED else 1.0
        return self.burst[index] * part, self.refill[index] * part


STATE_TRANSITION = "StateTransition"
QUOTAS = {
    "StartExecution": Quota((1300, 800), (300, 150), SFN),
    STATE_TRANSITION: Quota((5000, 800), (5000, 800), SFN),
    "ListExecutions": Quota((200, 100), (5, 2), SFN),
    "DescribeExecution": Quota((300, 250), (15, 10), SFN),
    "GetExecutionHistory": Quota((400, 400), (20, 20), SFN),
    "RedriveExecution": Quota((1300, 800), (300, 150), SFN),
    "StopExecution": Quota((1000, 500), (200, 25), SFN),
    "DescribeInstances": Quota((100, 100), (20, 20), EC2),
    "DescribeInstanceStatus": Quota((100, 100), (20, 20), EC2),
    "GetItem": Quota((12000, 12000), (12000, 12000), DDB),
    "PutItem": Quota((2000, 2000), (2000, 2000), DDB),
    "Publish": Quota((9000, 300), (9000, 300), SNS),
    "DescribeCluster": Quota((100, 100), (10, 10), ASSUMED),
    "DescribeAutoScalingGroups": Quota((100, 100), (20, 20), ASSUMED),
    "DescribeAutoScalingInstances": Quota((100, 100), (20, 20), ASSUMED),
    "DescribeLifecycleHooks": Quota((100, 100), (20, 20), ASSUMED),
    "DescribeScalingActivities": Quota((100, 100), (20, 20), ASSUMED),
    "CompleteLifecycleAction": Quota((100, 100), (20, 20), ASSUMED),
    "RecordLifecycleActionHeartbeat": Quota((100, 100), (20, 20), ASSUMED),
}
"""By operation, in botocore's spelling. CloudWatch gets no requests: metrics are log lines (EMF)."""
OF_A_ROW = {
    "GetItem": Quota((6000, 6000), (6000, 6000), ROW),
    "PutItem": Quota((1000, 1000), (1000, 1000), ROW),
}
"""Beside those of the table: a storm reads the same few rows."""
KEYS = ("cacheKey", "groupName", "entry")
"""Attributes of the tables' keys."""
CODES = {
    EC2: "RequestLimitExceeded",
    SFN: "ThrottlingException",
    SNS: "ThrottledException",
    DDB: "ThrottlingException",
}
"""The error code of a throttled request, by the quota's page; Throttling for assumed quotas."""


def row_of(parameters: Mapping[str, Any]) -> str:
    """The row of a table that a request reads or writes, with the table's name; "" for other requests."""
    key = parameters.get("Key") or parameters.get("Item", {})
    named = [f"{name}={key[name]['S']}" for name in KEYS if name in key]
    return "/".join([parameters["TableName"], *named]) if named else ""


class Bucket:
    """The token bucket of an operation."""

    def __init__(self, clock: Clock, burst: float, refill: float) -> None:
        self._clock, self._burst, self._refill = clock, burst, refill
        self._tokens, self._at = burst, clock.now()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take a token if there is one; returns whether there was."""
        with self._lock:
            self._fill()
            granted = self._tokens >= 1
            self._tokens -= 1 if granted else 0
            return granted

    def wait_s(self) -> float:
        """Take a token, even one that comes later; returns the seconds until it comes."""
        with self._lock:
            self._fill()
            self._tokens -= 1
            return max(0.0, -self._tokens / self._refill)

    def _fill(self) -> None:
        now = self._clock.now()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._refill)
        self._at = now


class Quotas:
    """The buckets of an account in a region; ``throttled`` counts refused requests by operation.

    ``concurrent`` is how many functions may run at once; ``share`` scales assumed quotas.
    """

    def __init__(
        self,
        clock: Clock,
        region: Region = "other",
        share: float = 1.0,
        concurrent: int = CONCURRENT_EXECUTIONS,
    ) -> None:
        self.concurrent = concurrent
        self.throttled: Counter[str] = Counter()
        self._bucket = lambda quota: Bucket(clock, *quota.of(region, share))
        self._buckets = {name: self._bucket(quota) for name, quota in QUOTAS.items()}
        self._rows: dict[tuple[str, str], Bucket] = {}

    def refusal(self, operation: str, row: str = "") -> str | None:
        """The error code if the request exceeds the quota; None if it is allowed.

        ``row``: of a table, with the table's name; "" if the request has none.
        """
        if all(bucket.take() for bucket in self._taken_from(operation, row)):
            return None
        self.throttled[operation] += 1
        return CODES.get(QUOTAS[operation].source, "Throttling")

    def _taken_from(self, operation: str, row: str) -> Iterator[Bucket]:
        if operation in self._buckets:
            yield self._buckets[operation]
        if row and operation in OF_A_ROW:
            if (operation, row) not in self._rows:
                self._rows[operation, row] = self._bucket(OF_A_ROW[operation])
            yield self._rows[operation, row]

    def transition_s(self) -> float:
        """Seconds by which Step Functions delays a state transition."""
        wait = self._buckets[STATE_TRANSITION].wait_s()
        self.throttled[STATE_TRANSITION] += wait > 0
        return wait
