"""Time in a single thread: nothing happens until somebody runs the clock."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from stepdrain_sandbox.clock import Interruption, Timer, UncountedActors


class QuietClock(UncountedActors):
    """stepdrain_sandbox.clock.Clock without a thread; ``run`` runs due timers. Epoch seconds."""

    def __init__(self, start: float = 1_767_225_600.0) -> None:
        self._now = start
        self._agenda: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._now

    def call_at(self, at: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(at, callback)
        heapq.heappush(self._agenda, (at, next(self._order), timer))
        return timer

    def step(self, until: float) -> bool:
        """Run the next timer if it is due by ``until``; else set the time to ``until`` and return False."""
        while self._agenda and self._agenda[0][0] <= until:
            at, _, timer = heapq.heappop(self._agenda)
            if not timer.cancelled:
                self._now = max(self._now, at)
                timer.callback()
                return True
        self._now = max(self._now, until)
        return False

    def run(self, seconds: float) -> None:
        """Let ``seconds`` pass, and run every timer that comes due."""
        until = self._now + seconds
        while self.step(until):
            pass

    def sleep(self, seconds: float, interruption: Interruption | None = None) -> None:
        del interruption
        self.run(seconds)
