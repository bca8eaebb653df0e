"""An account under load: its quotas, what takes time, and how many functions run at once.

Switched on by ``Account.load``; without it requests are free and everything happens at once.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from stepdrain_sandbox.aws.durations import Durations
from stepdrain_sandbox.aws.quotas import Quotas
from stepdrain_sandbox.clock import Clock

TOO_MANY = "Lambda.TooManyRequestsException"


@dataclass
class Load:
    """What an account's work costs in time and quota, and what it came to."""

    clock: Clock
    quotas: Quotas
    durations: Durations = field(default_factory=Durations)
    peak: int = 0
    """The most functions that ran at once."""
    cold_starts: int = 0
    _running: int = 0
    _idle: dict[str, list[int]] = field(default_factory=dict)
    """Warm containers of each function that have nothing to do."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def running(self, function: str) -> Iterator[int | None]:
        """The container that the function runs in, warm or new, as long as the block; None if throttled."""
        container = self._admit(function)
        try:
            yield container
        finally:
            if container is not None:
                self._release(function, container)

    def _admit(self, function: str) -> int | None:
        with self._lock:
            if self._running >= self.quotas.concurrent:
                self.quotas.throttled["Invoke"] += 1
                return None
            self._running += 1
            self.peak = max(self.peak, self._running)
            idle = self._idle.setdefault(function, [])
            cold = not idle
            self.cold_starts += cold
            container = self.cold_starts if cold else idle.pop()
        self.clock.sleep(self.durations.invocation + (self.durations.cold_start if cold else 0))
        return container

    def _release(self, function: str, container: int) -> None:
        with self._lock:
            self._running -= 1
            self._idle[function].append(container)

    def request(self, operation: str) -> str | None:
        """Let a request take its time; the error code if it is one too many."""
        self.clock.sleep(self.durations.request)
        return self.quotas.refusal(operation)

    def transition(self) -> None:
        """Let a state transition take its time, and wait for its turn."""
        self.clock.sleep(self.durations.transition + self.quotas.transition_s())
