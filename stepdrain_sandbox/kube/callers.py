"""Callers and their open requests: a caller is idle on the clock when all its requests wait.

A function may have two watches open, or sixteen evictions. Time passes when the server works on none of
them, and the function is a single actor however many requests it has open. A header marks the requests of
an invocation; a request without the header is a caller of its own.

A client in this process says when it has read all that a watch has sent, and when the function's own thread
waits (readers.py): then its caller is idle at once. Of any other client nobody knows whether it still works
on an answer; its caller is idle after a pause without news.
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

from stepdrain_sandbox.clock import Clock, Idle, VirtualClock
from stepdrain_sandbox.kube.readers import Askers, Inbox, Invocation, report

CALLER, PATIENCE = "stepdrain-sandbox-caller", "stepdrain-sandbox-read-timeout"
"""Headers: the caller of a request, and the seconds that its client waits for the answer."""
NUMBER = "stepdrain-sandbox-request"
"""Header: which of the marked requests of this process it is."""
SETTLES_S = 0.02
"""Real seconds without news after which a caller whose requests all wait counts as idle."""
WORKS_S = 0.06
"""The same after its thread has worked meanwhile: on a busy machine it may just have lost its turn."""
CLOSES_S = 0.25
"""The same after one of its requests has ended: it may be about to close the others or to send another."""
HUNG_S = 300
"""Real seconds that a client waits on a virtual clock, where the emulator ends a request when the client's
own patience is over (exchange.py). Fifteen seconds of a storm may take the machine longer than that."""


class Callers:
    """All callers with an open request. Any thread may call the methods."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._open: dict[str, _Caller] = {}
        self._numbers = itertools.count(1)
        self._current = threading.local()
        self._invocations: dict[str, Invocation] = {}
        self._marked: dict[str, Call] = {}

    def call(self, name: str = "", number: str = "") -> Call:
        """A request has arrived; ``name`` is its caller's and ``number`` its own, "" if it is not marked."""
        with self._lock:
            name = name or f"request-{next(self._numbers)}"
            invocation = self._invocations.get(name)
            caller = self._open.setdefault(name, _Caller(self._clock, self._lock, invocation))
            call = Call(caller, lambda: self._forget(name, number))
            if number:
                self._marked[number] = call
            caller.calls.append(call)
            caller.news()
            return call

    def _forget(self, name: str, number: str) -> None:
        self._marked.pop(number, None)
        if name in self._open and not self._open[name].calls:
            del self._open[name]

    @contextlib.contextmanager
    def invocation(self) -> Iterator[None]:
        """Clients that this thread makes inside are one caller's; what they leave open is nobody's."""
        self._current.name = name = f"invocation-{next(self._numbers)}"
        self._invocations[name] = Invocation(self._lock, lambda: self._settle(name))
        try:
            yield
        finally:
            self._current.name = ""
            with self._lock:
                del self._invocations[name]
                caller = self._open.pop(name, None)
                if caller is not None:
                    caller.abandon()

    def _settle(self, name: str) -> None:
        if caller := self._open.get(name):
            caller.settle()

    def _asked(self, number: str, read: int) -> None:
        with self._lock:
            if call := self._marked.get(number):
                call.asked(read)

    def _here(self) -> Invocation | None:
        return self._invocations.get(getattr(self._current, "name", ""))

    def _inbox(self) -> Inbox:
        return Inbox(self._here())

    def askers(self, max_workers: int, initializer: Callable[[], object] | None = None) -> Askers:
        """Threads that ask for this thread's invocation, side by side."""
        return Askers(self._here(), max_workers, initializer)

    @contextlib.contextmanager
    def marking(self) -> Iterator[None]:
        """Inside this context, the kubernetes package's clients send their caller and their patience.

        The functions' clients also report what they have read of a watch, and how many ask side by side.
        """
        # The emulator on its own needs no client, which takes a second to import.
        from kubernetes.client.rest import RESTClientObject  # noqa: PLC0415
        from stepdrain.adapters import concurrent  # noqa: PLC0415
        from stepdrain.adapters.kube import watches  # noqa: PLC0415

        make, send = RESTClientObject.__init__, RESTClientObject.request
        current, virtual = self._current, isinstance(self._clock, VirtualClock)

        def made(client: Any, *arguments: Any, **options: Any) -> None:
            make(client, *arguments, **options)
            client.sandbox_caller = getattr(current, "name", "")

        def request(client: Any, method: str, url: str, *arguments: Any, **options: Any) -> Any:
            name = getattr(client, "sandbox_caller", "")
            number = str(next(self._numbers)) if name else ""
            marks = {CALLER: name, NUMBER: number} if name else {}
            timeout = options.get("_request_timeout")
            if timeout:
                marks[PATIENCE] = str(timeout[1] if isinstance(timeout, tuple) else timeout)
                if virtual:
                    options["_request_timeout"] = HUNG_S
            options["headers"] = {**(options.get("headers") or {}), **marks}
            answer = send(client, method, url, *arguments, **options)
            invocation = self._invocations.get(name)
            if invocation is not None and "watch" in dict(options.get("query_params") or ()):
                report(answer, invocation, lambda read: self._asked(number, read))
            return answer

        with (
            mock.patch.object(watches, "Queue", self._inbox),
            mock.patch.object(concurrent, "ThreadPoolExecutor", self.askers),
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
        self._sent = 0
        self._read = -1

    @property
    def waiting(self) -> bool:
        """Whether nothing is on its way to it."""
        return self._waits and self._coming == 0

    @property
    def reported(self) -> bool:
        """Whether its client says what it has read."""
        return self._read >= 0

    @property
    def behind(self) -> bool:
        """Whether its client, which says what it has read, has yet to read a part."""
        return self.reported and self._read < self._sent

    def wait(self) -> None:
        """It waits from now on. Called in the event loop."""
        with self._caller.lock:
            self._waits = True
            self._caller.settle()
            self._caller.look(SETTLES_S)

    def sent(self) -> None:
        """A part of its answer is about to be sent. Called in the event loop."""
        with self._caller.lock:
            self._sent += 1

    def asked(self, read: int) -> None:
        """Its client has worked on ``read`` parts, a count, and wants the next. Any thread may call this."""
        with self._caller.lock:
            self._read = read
            self._caller.settle()

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
                # Its client has yet to learn of the end, and may be about to close the others.
                caller.knows = False
                caller.news()
                caller.look(CLOSES_S)
            self._last()


class _Caller:
    def __init__(
        self,
        clock: Clock,
        lock: threading.RLock,  # type: ignore[valid-type]
        invocation: Invocation | None,
    ) -> None:
        self.calls: list[Call] = []
        self.lock: Any = lock
        self.knows = invocation is not None
        """Whether reports say all that its threads do."""
        self._invocation = invocation
        self._clock = clock
        self._idle: Idle | None = None
        self._news = 0

    def news(self) -> None:
        self._news += 1
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.end()

    def settle(self) -> None:
        """Fall idle at once if it is known that no thread of the caller has work."""
        rests = self.knows and self._invocation is not None and self._invocation.rests
        if (
            rests
            and self._quiet()
            and not self._asks()
            and all(call.reported and not call.behind for call in self.calls)
        ):
            self._fall_idle()

    def look(self, settles_s: float) -> None:
        if self._idle is None and self._quiet():
            self._news += 1
            arguments = (settles_s, self._news, self._worked_s())
            asyncio.get_running_loop().call_later(settles_s, self._after_pause, *arguments)

    def _worked_s(self) -> float:
        """CPU seconds of the invocation's thread; one that reads a hundred events works on without news."""
        return 0.0 if self._invocation is None else time.clock_gettime(self._invocation.cpu_clock)

    def abandon(self) -> None:
        self.calls.clear()
        self.news()

    def _after_pause(self, settles_s: float, news: int, worked_s: float) -> None:
        with self.lock:
            if news != self._news or not self._quiet():
                return
            if self._worked_s() > worked_s or self._asks() or any(call.behind for call in self.calls):
                self.look(max(settles_s, WORKS_S))
            else:
                self._fall_idle()

    def _fall_idle(self) -> None:
        if self._idle is None:
            self._news += 1
            self._idle = self._clock.idle()

    def _asks(self) -> bool:
        """Whether a thread of it is about to send a request, or works on an answer."""
        return self._invocation is not None and self._invocation.asking > len(self.calls)

    def _quiet(self) -> bool:
        return bool(self.calls) and all(call.waiting for call in self.calls)
