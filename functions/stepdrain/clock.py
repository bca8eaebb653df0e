"""What time it is: the one place where the domain's callers read the clock, and pause.

A step hands the answer of ``now()`` down as an argument, or the clock itself where it pauses between
two requests. The embedded world puts its own clock here, so that the same handlers live in virtual time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

source: Callable[[], float] = time.time
sleeper: Callable[[float], None] = time.sleep


class Clock(Protocol):
    """What is asked of a clock; this module is one."""

    def now(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


def now() -> float:
    """The current time in epoch seconds."""
    return source()


def pause(seconds: float) -> None:
    """Let a moment pass inside an invocation: between two attempts of one request, and for nothing longer."""
    sleeper(seconds)


def sleep(seconds: float) -> None:
    """Let ``seconds`` pass; at once if they are none."""
    if seconds > 0:
        sleeper(seconds)


def to_epoch_s(timestamp: str) -> float:
    """Epoch seconds of an RFC 3339 time, as Step Functions and Kubernetes write it."""
    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()


def to_rfc3339(epoch_s: float) -> str:
    """``2026-01-01T00:00:00Z`` for epoch seconds; fractions are cut off."""
    return datetime.fromtimestamp(int(epoch_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
