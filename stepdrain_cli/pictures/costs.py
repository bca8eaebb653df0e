"""What one drain costs in an AWS account, from its history. Cold starts come on top.

Prices in US dollars, us-east-1, arm64, without free tiers, as docs/operations.md shows them
(https://aws.amazon.com/step-functions/pricing/, https://aws.amazon.com/lambda/pricing/).
"""

from __future__ import annotations

from stepdrain_recorded.timeline import Timeline

STATE_TRANSITION = 0.025 / 1000
LAMBDA_GB_SECOND = 0.0000133334
LAMBDA_REQUEST = 0.20 / 1_000_000
FUNCTION_GB = 1.0
"""Memory of the functions, at most (template.yaml)."""


def of_drain(line: Timeline) -> float:
    """US dollars for one drain: transitions, invocations and the time they took."""
    invocations = sum(len(visit.attempts) for visit in line.visits)
    lambdas = invocations * LAMBDA_REQUEST + line.working_s * FUNCTION_GB * LAMBDA_GB_SECOND
    return line.transitions * STATE_TRANSITION + lambdas
