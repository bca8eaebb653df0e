"""From what a drain uses to dollars. Pure arithmetic; the prices are in bench.prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench import prices
from bench.targets import Target

PART = "cost"
FULL_VCPU_MB = 1_769
"""Memory at which a function has one whole vCPU, and less in proportion
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html)."""
LOG_BYTES = 3_500
"""Log of one invocation, with the platform's lines."""
IDLE_DOLLARS = 0.002
SWEEPING = "Zero is the aim. What is allowed is Sweep, which looks for lost events every five minutes."
"""Six cents a month."""
POD_CPU_M, POD_MIB = 50, 64
"""Requests of an always-on handler in the cluster: thousandths of a vCPU, MiB."""


@dataclass(frozen=True)
class Usage:
    """What is billed by use: counts, GB-seconds, bytes."""

    transitions: int
    requests: int
    gb_s: float
    log_bytes: int

    @property
    def dollars(self) -> float:
        """At list prices."""
        return (
            self.transitions * prices.TRANSITION
            + self.requests * prices.LAMBDA_REQUEST
            + self.gb_s * prices.LAMBDA_GB_S
            + self.log_bytes * prices.LOG_BYTE
        )


@dataclass(frozen=True)
class Function:
    """A function's memory (MB), and the CPU seconds of its cold start and of a warm invocation's work."""

    memory_mb: int
    init_cpu_s: float
    work_cpu_s: float

    def billed_s(self, waited_s: float, cold: bool) -> float:
        """Billed seconds of one invocation that waited ``waited_s`` for others; init is billed, too
        (https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/)."""
        slowness = max(1.0, FULL_VCPU_MB / self.memory_mb)
        return waited_s + slowness * (self.work_cpu_s + (self.init_cpu_s if cold else 0.0))


def usage(
    invocations: Iterable[tuple[str, float]], transitions: int, functions: Mapping[str, Function]
) -> Usage:
    """Of one drain whose ``invocations`` (state, seconds waited) find each function cold once."""
    seen: set[str] = set()
    gb_s, requests = 0.0, 0
    for state, waited_s in invocations:
        function = functions[state]
        gb_s += function.memory_mb / 1024 * function.billed_s(waited_s, state not in seen)
        requests += 1
        seen.add(state)
    return Usage(transitions, requests, gb_s, requests * LOG_BYTES)


def pod_month() -> float:
    """Dollars a month of the always-on pod: its larger share of an m5.large, whether it works or not."""
    share = max(POD_CPU_M / prices.M5_LARGE_CPU_M, POD_MIB / prices.M5_LARGE_MIB)
    return share * prices.M5_LARGE_HOUR * prices.HOURS_IN_MONTH


FIXED = {
    "AWS::KMS::Key": prices.KEY_MONTH,
    "AWS::CloudWatch::Alarm": prices.ALARM_MONTH,
    "AWS::CloudWatch::Dashboard": prices.DASHBOARD_MONTH,
}
"""Dollars a month of each resource of a kind that costs without being used."""


def fixed_month(resources: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Dollars a month by kind, of an idle stack's ``resources`` (as a template has them)."""
    found: dict[str, float] = {}
    for resource in resources:
        kind = resource["Type"]
        if kind in FIXED:
            found[kind] = found.get(kind, 0.0) + FIXED[kind] * _metrics(resource)
    return found


def _metrics(resource: Mapping[str, Any]) -> int:
    """How many metrics an alarm reads, each of which is billed; 1 for all else."""
    metrics = resource.get("Properties", {}).get("Metrics", ())
    return sum("MetricStat" in metric for metric in metrics) or 1


def targets(measured: Mapping[str, Any]) -> list[Target]:
    """What drains of 110 pods cost, what holds a watch, and what runs while nothing is drained."""
    dollars = {drain["name"]: drain["dollars"] for drain in measured["drains"]}
    return [
        *(Target(PART, f"dollars, {name}", dollars[name], limit, "$") for name, limit in LIMITS.items()),
        *(
            Target(PART, f"memory of {name}, which watches", megabytes, WATCHING_MB, "MB")
            for name, megabytes in measured["watching_mb"].items()
        ),
        Target(
            PART,
            "dollars of use in a day without a drain",
            measured["idle_day"]["dollars"],
            IDLE_DOLLARS,
            "$",
            SWEEPING,
        ),
    ]


LARGE, HOUR, LONGEST = (
    "110 pods, 30 s grace",
    "110 pods, blocked for an hour",
    "110 pods, blocked for 48 hours",
)
LIMITS = {LARGE: 0.0006, HOUR: 0.013, LONGEST: 0.60}
"""Dollars."""
WATCHING_MB = 208
