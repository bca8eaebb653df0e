"""An account under load: its quotas, its durations, and how many functions run at once.

``Account.put_under`` switches it on; without it requests are unlimited and take no time.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from stepdrain_sandbox.aws.durations import Durations
from stepdrain_sandbox.aws.quotas import Quotas
from stepdrain_sandbox.clock import Clock

TOO_MANY = "Lambda.TooManyRequestsException"


@dataclass
class Load:
    """Lets an account's work take time and quota, and counts it."""

    clock: Clock
    quotas: Quotas
    durations: Durations = field(default_factory=Durations)
    reserved: Mapping[str, int] = field(default_factory=dict)
    """Functions' reserved concurrency, a count each
    (https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html): none runs more often at
    once, and the others share what all of them leave of the account's."""
    peak: int = 0
    """The most functions that ran at once."""
    refused: Counter[str] = field(default_factory=Counter)
    """Invocations that were throttled, by function."""
    cold_starts: int = 0
    _running: Counter[str] = field(default_factory=Counter)
    _idle: dict[str, list[int]] = field(default_factory=dict)
    """The idle warm containers of each function."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def running(self, function: str) -> Iterator[int | None]:
        """The container (warm or new) in which the function runs inside this context; None if throttled."""
        container = self._admit(function)
        try:
            yield container
        finally:
            if container is not None:
                self._release(function, container)

    def _admit(self, function: str) -> int | None:
        with self._lock:
            if not self._room(function):
                self.quotas.throttled["Invoke"] += 1
                self.refused[function] += 1
                return None
            self._running[function] += 1
            self.peak = max(self.peak, self._running.total())
            idle = self._idle.setdefault(function, [])
            cold = not idle
            self.cold_starts += cold
            container = self.cold_starts if cold else idle.pop()
        self.clock.sleep(self.durations.invocation + (self.durations.cold_start if cold else 0))
        return container

    def _room(self, function: str) -> bool:
        if function in self.reserved:
            return self._running[function] < self.reserved[function]
        others = sum(count for name, count in self._running.items() if name not in self.reserved)
        return others < self.quotas.concurrent - sum(self.reserved.values())

    def _release(self, function: str, container: int) -> None:
        with self._lock:
            self._running[function] -= 1
            self._idle[function].append(container)

    def request(self, operation: str, row: str = "") -> str | None:
        """Let a request take its time; returns the error code if the quota is used up, ``row``'s included."""
        self.clock.sleep(self.durations.request)
        return self.quotas.refusal(operation, row)

    def transition(self) -> None:
        """Let a state transition take its time, including the wait for its quota."""
        self.clock.sleep(self.durations.transition + self.quotas.transition_s())
