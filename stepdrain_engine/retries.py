"""Whether an error is repeated, after how long, and who catches it.

https://states-language.net/spec.html#errors and
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Rule = Mapping[str, Any]
Jitter = Callable[[float], float]
"""Draws the pause (seconds) of a retrier with JitterStrategy FULL, between 0 and the longest it is given."""
ALL, TASK_FAILED, TIMEOUT, RUNTIME = "States.ALL", "States.TaskFailed", "States.Timeout", "States.Runtime"


def matches(rule: Rule, error: str) -> bool:
    """Whether a retrier or catcher is for this error, by its name or by a name of several errors."""
    for name in rule["ErrorEquals"]:
        if name == error or (name == TASK_FAILED and error not in (TIMEOUT, RUNTIME)):
            return True
        if name == ALL and error != RUNTIME:
            return True
    return False


def first(rules: Sequence[Rule], error: str) -> int | None:
    """The number of the first rule for an error; None if there is none."""
    return next((number for number, rule in enumerate(rules) if matches(rule, error)), None)


class Retries:
    """What a visit to a state has used of its retriers; a new visit begins anew."""

    def __init__(self, rules: Sequence[Rule], jitter: Jitter) -> None:
        self._rules, self._jitter = rules, jitter
        self._used = Counter[int]()

    def pause(self, error: str) -> float | None:
        """Seconds until the next attempt, and one attempt is used; None if there is no other."""
        number = first(self._rules, error)
        if number is None or self._used[number] >= self._rules[number].get("MaxAttempts", 3):
            return None
        rule = self._rules[number]
        longest = rule.get("IntervalSeconds", 1) * rule.get("BackoffRate", 2.0) ** self._used[number]
        longest = min(longest, rule.get("MaxDelaySeconds", longest))
        self._used[number] += 1
        return self._jitter(longest) if rule.get("JitterStrategy") == "FULL" else longest
