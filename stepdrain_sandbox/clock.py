"""Time in the embedded world: everything in it shares one clock.

The graces of pods, Auto Scaling's heartbeats and the state machine's retries all run on
it. ``RealClock`` follows the wall clock (times ``speed``). ``VirtualClock`` jumps to the
next timer as soon as every actor waits, so that 48 hours pass in seconds and in the same
order every time.

An *actor* is a thread whose work takes no virtual time: a running execution, or a test.
It begins with ``enter`` and ends with ``leave``. In between it is busy, unless it sleeps
or holds an ``idle`` handle.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Protocol


class Timer:
    """A scheduled callback; ``cancel`` may be called any number of times."""

    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Interruption:
    """Ends a sleep early; ``set`` may be called any number of times, by any thread, before or during it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_set = False
        self._on_set: Callable[[], None] | None = None

    def set(self) -> None:
        with self._lock:
            self._is_set = True
            if self._on_set is not None:
                self._on_set()

    def notify(self, on_set: Callable[[], None]) -> None:
        """Call ``on_set`` when it is set, or now if it is set already."""
        with self._lock:
            self._on_set = on_set
            if self._is_set:
                on_set()


class Clock(Protocol):
    """The clock's interface. All times are epoch seconds."""

    def now(self) -> float: ...

    def call_at(self, at: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` (short, never sleeping) at or after ``at``, in the clock's thread."""

    def sleep(self, seconds: float, interruption: Interruption | None = None) -> None:
        """Let ``seconds`` pass for the calling actor; returns early once ``interruption`` is set."""

    def enter(self) -> None:
        """An actor begins: virtual time does not pass while it works."""

    def leave(self) -> None:
        """An actor ends."""

    def idle(self) -> Idle:
        """An actor waits for another; it is busy again when the handle ends."""

    def detach(self) -> Idle:
        """An actor stops waiting for work that still sleeps; the work ends the handle when it is done."""


class Idle:
    """Marks an actor as waiting; ``end`` may be called any number of times, by any thread."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._lock = threading.Lock()
        self._ended = False

    def end(self) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = True
        self._on_end()


class _Agenda:
    """A heap of timers; timers for the same time keep the order in which they were added."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()

    def add(self, timer: Timer) -> None:
        heapq.heappush(self._heap, (timer.at, next(self._order), timer))

    def next_at(self) -> float | None:
        while self._heap and self._heap[0][2].cancelled:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop(self) -> Timer:
        return heapq.heappop(self._heap)[2]


class _Ticking:
    """The part that both clocks share: an agenda, and a thread that runs due timers."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._agenda = _Agenda()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)
        self._thread.start()

    def now(self) -> float:
        raise NotImplementedError

    def call_at(self, at: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(at, callback)
        with self._changed:
            self._agenda.add(timer)
            if self._agenda.next_at() == at:
                self._changed.notify_all()
        return timer

    def close(self) -> None:
        """Stop the clock's thread; pending timers are dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        while (timer := self._next_due()) is not None:
            if not timer.cancelled:
                timer.callback()

    def _next_due(self) -> Timer | None:
        raise NotImplementedError


class UncountedActors:
    """For clocks whose time does not depend on what actors do."""

    def enter(self) -> None:
        pass

    def leave(self) -> None:
        pass

    def idle(self) -> Idle:
        return Idle(lambda: None)

    def detach(self) -> Idle:
        return Idle(lambda: None)


class RealClock(UncountedActors, _Ticking):
    """The wall clock, ``speed`` times as fast (1.0: real time)."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._epoch = time.time()
        self._started = time.monotonic()
        super().__init__()

    def now(self) -> float:
        return self._epoch + (time.monotonic() - self._started) * self._speed

    def sleep(self, seconds: float, interruption: Interruption | None = None) -> None:
        over = threading.Event()
        if interruption is not None:
            interruption.notify(over.set)
        over.wait(max(0.0, seconds) / self._speed)

    def _next_due(self) -> Timer | None:
        with self._changed:
            while not self._closed:
                at = self._agenda.next_at()
                if at is not None and at <= self.now():
                    return self._agenda.pop()
                self._changed.wait(None if at is None else (at - self.now()) / self._speed)
            return None


class VirtualClock(_Ticking):
    """Jumps to the next timer whenever no actor is busy; without actors it stands still."""

    def __init__(self, start: float = 1_767_225_600.0) -> None:
        self._now = start
        self._actors = 0
        self._busy = 0
        super().__init__()

    def now(self) -> float:
        return self._now

    def enter(self) -> None:
        with self._changed:
            self._actors += 1
            self._busy += 1

    def leave(self) -> None:
        with self._changed:
            self._actors -= 1
            self._set_busy(-1)

    def idle(self) -> Idle:
        with self._changed:
            self._set_busy(-1)
        return Idle(lambda: self._set_busy(1))

    def detach(self) -> Idle:
        self._set_busy(1)
        # When the work wakes, it counts as busy in addition to the actors, until it ends.
        return Idle(lambda: self._set_busy(-1))

    def sleep(self, seconds: float, interruption: Interruption | None = None) -> None:
        awake = threading.Event()

        def wake() -> None:
            # First busy, then awake: otherwise the clock could jump while this actor still works.
            handle.end()
            awake.set()

        # Idle and scheduled in one step: in between, the clock would see nobody busy and jump to
        # some later timer, such as the end of a heartbeat in half an hour.
        with self._changed:
            handle = self.idle()
            timer = self.call_at(self._now + max(0.0, seconds), wake)
        if interruption is not None:
            interruption.notify(wake)
        awake.wait()
        timer.cancel()

    def _set_busy(self, change: int) -> None:
        with self._changed:
            self._busy += change
            # Waking the clock needlessly costs more than most of what actors do.
            if self._busy <= 0:
                self._changed.notify_all()

    def _next_due(self) -> Timer | None:
        with self._changed:
            while not self._closed:
                at = self._agenda.next_at()
                if at is not None and (at <= self._now or (self._actors > 0 and self._busy <= 0)):
                    self._now = max(self._now, at)
                    return self._agenda.pop()
                self._changed.wait()
            return None
