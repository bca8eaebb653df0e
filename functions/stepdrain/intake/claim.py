"""Who starts an instance's drain, where a late event and a sweep come within the same seconds.

Neither sees what the other is about to do: the sweep has listed the executions before it starts a hundred,
ListExecutions is eventually consistent
(https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html), and both may wait
for the quota of StartExecution. So each first claims the instance for the execution that it will start:

    event after the claim of a sweep     ignored: that sweep starts the drain, or the next one does
    sweep after the claim of an event    the instance is left to the next sweep
    the same execution again             goes on: Lambda retries an event, and a sweep comes again

A fresh event claims nothing: no sweep can have seen its wait (``sweep.is_fresh``).
"""

from __future__ import annotations

from collections.abc import Callable

KEPT_S = 240
"""Longer than StartDrain and a sweep together may take from a look to a start (40 s and 110 s), and shorter
than the five minutes between two sweeps, so that the next one starts what a claimed event has not."""
Claim = Callable[[str, str, int], bool]
"""(key, execution, seconds): whether the execution has the key now; ``connections.claim``."""


def key(instance: str) -> str:
    """Under which the name of the execution is kept that is about to be started."""
    return f"drain/{instance}"
