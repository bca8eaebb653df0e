"""Callers and their open requests: a caller is idle on the clock when all its requests wait.

A function may have two watches open, or sixteen evictions. Time passes when the server works on none of
them, and the function is a single actor however many requests it has open. A header marks the requests of
an invocation; a request without the header is a caller of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from stepdrain_sandbox.clock import Clock, Idle

CALLER, PATIENCE = "stepdrain-sandbox-caller", "stepdrain-sandbox-read-timeout"
"""Headers: the caller of a request, and the seconds that its client waits for the answer."""
SETTLES_S = 0.02
"""Real seconds without news after which a caller whose requests all wait counts as idle."""
WORKS_S = 0.06
"""The same after its thread has worked meanwhile: on a busy machine it may just have lost its turn."""
CLOSES_S = 0.25
"""The same after one of its requests has ended: it may be about to close the others or to send another."""


class Callers:
    """All callers with an open request. Any thread may call the methods."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._open: dict[str, _Caller] = {}
        self._numbers = itertools.count(1)
        self._current = threading.local()
        self._threads: dict[str, int] = {}
        """Of each invocation, the CPU clock of its thread."""

    def call(self, name: str = "") -> Call:
        """A request has arrived; ``name`` is its caller's, "" for an unmarked request."""
        with self._lock:
            name = name or f"request-{next(self._numbers)}"
            caller = self._open.setdefault(name, _Caller(self._clock, self._lock, self._threads.get(name)))
            call = Call(caller, lambda: self._open.pop(name, None))
            caller.calls.append(call)
            caller.news()
            return call

    @contextlib.contextmanager
    def invocation(self) -> Iterator[None]:
        """Clients that this thread makes inside are one caller's; what they leave open is nobody's."""
        self._current.name = name = f"invocation-{next(self._numbers)}"
        self._threads[name] = time.pthread_getcpuclockid(threading.get_ident())
        try:
            yield
        finally:
            self._current.name = ""
            with self._lock:
                del self._threads[name]
                caller = self._open.pop(name, None)
                if caller is not None:
                    caller.abandon()

    @contextlib.contextmanager
    def marking(self) -> Iterator[None]:
        """Inside this context, the kubernetes package's clients send their caller and their patience."""
        # The emulator on its own needs no client, which takes a second to import.
        from kubernetes.client.rest import RESTClientObject  # noqa: PLC0415

        make, send = RESTClientObject.__init__, RESTClientObject.request
        current = self._current

        def made(client: Any, *arguments: Any, **options: Any) -> None:
            make(client, *arguments, **options)
            client.sandbox_caller = getattr(current, "name", "")

        def request(client: Any, method: str, url: str, *arguments: Any, **options: Any) -> Any:
            name = getattr(client, "sandbox_caller", "")
            marks = {CALLER: name} if name else {}
            timeout = options.get("_request_timeout")
            if timeout:
                marks[PATIENCE] = str(timeout[1] if isinstance(timeout, tuple) else timeout)
            options["headers"] = {**(options.get("headers") or {}), **marks}
            return send(client, method, url, *arguments, **options)

        with (
            mock.patch.object(RESTClientObject, "__init__", made),
            mock.patch.object(RESTClientObject, "request", request),
        ):
            yield


class Call:
    """An open request: it works until it waits, and works again once something comes for it."""

    def __init__(self, caller: _Caller, last: Callable[[], object]) -> None:
        self._caller, self._last = caller, last
        self._coming = 0
        self._waits = False

    @property
    def waiting(self) -> bool:
        """Whether nothing is on its way to it."""
        return self._waits and self._coming == 0

    def wait(self) -> None:
        """It waits from now on. Called in the event loop."""
        with self._caller.lock:
            self._waits = True
            self._caller.look(SETTLES_S)

    def wake(self) -> None:
        """Something is on its way: the caller is busy at once, before time can pass."""
        with self._caller.lock:
            self._coming += 1
            self._caller.news()

    def took(self) -> None:
        """What was on its way has arrived, and the request works again."""
        with self._caller.lock:
            self._coming -= 1
            self._waits = False

    def end(self) -> None:
        """The request was answered, or its client has gone. Called in the event loop."""
        caller = self._caller
        with caller.lock:
            if self in caller.calls:
                caller.calls.remove(self)
                caller.news()
                caller.look(CLOSES_S)
                if not caller.calls:
                    self._last()


class _Caller:
    def __init__(
        self,
        clock: Clock,
        lock: threading.RLock,  # type: ignore[valid-type]
        thread: int | None,
    ) -> None:
        self.calls: list[Call] = []
        self.lock: Any = lock
        self._thread = thread
        self._clock = clock
        self._idle: Idle | None = None
        self._news = 0

    def news(self) -> None:
        self._news += 1
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.end()

    def look(self, settles_s: float) -> None:
        if self._quiet():
            self._news += 1
            arguments = (settles_s, self._news, self._worked_s())
            asyncio.get_running_loop().call_later(settles_s, self._fall_idle, *arguments)

    def _worked_s(self) -> float:
        """CPU seconds of the invocation's thread; one that reads a hundred events works on without news."""
        return 0.0 if self._thread is None else time.clock_gettime(self._thread)

    def abandon(self) -> None:
        self.calls.clear()
        self.news()

    def _fall_idle(self, settles_s: float, news: int, worked_s: float) -> None:
        with self.lock:
            if news != self._news or not self._quiet():
                return
            if self._worked_s() > worked_s:
                self.look(max(settles_s, WORKS_S))
            else:
                self._idle = self._clock.idle()

    def _quiet(self) -> bool:
        return bool(self.calls) and all(call.waiting for call in self.calls)
