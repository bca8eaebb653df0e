"""Operations that moto leaves out and commands ask for: TestEventPattern and Lambda's GetAccountSettings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from moto.events.models import EventPattern

Json = dict[str, Any]
CONCURRENT_EXECUTIONS = 1000
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""


def answers(concurrent_executions: Callable[[], int]) -> Mapping[str, Callable[[Json], Json]]:
    """By operation: the answer to its parameters. ``concurrent_executions``: the account's limit, a count."""
    return {
        "TestEventPattern": _test_event_pattern,
        "GetAccountSettings": lambda _asked: {
            "AccountLimit": {"ConcurrentExecutions": concurrent_executions()},
            "AccountUsage": {},
        },
    }


def _test_event_pattern(asked: Json) -> Json:
    # By the matcher of moto's own rules.
    return {"Result": EventPattern.load(asked["EventPattern"]).matches_event(json.loads(asked["Event"]))}
