"""How long things take on AWS, in seconds: without these a storm would take no time and prove nothing.

    cold start    init of a function at 1,024 MB (docs/performance.md: 0.2 to 0.6 s of CPU, at 0.58 of a
                  processor), and 0.2 s for Lambda to place it, which no page states
    invocation    a warm function without its AWS requests: a few requests to the cluster at 15 ms each
    request       one request to an AWS API from the same region, with its TLS handshake
    transition    Step Functions, from the end of one state to the start of the next
    delivery      EventBridge, from the event to its target ("about half a second",
                  https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-what-is.html)

All but the first are assumed, from published measurements; AWS guarantees none of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Durations:
    """All values are seconds."""

    cold_start: float = 1.0
    invocation: float = 0.1
    request: float = 0.05
    transition: float = 0.025
    delivery: float = 0.5
