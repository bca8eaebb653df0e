"""What a client in this process says about itself: what it has read of a watch, and when its function waits.

The functions read one watch in their own thread, or several by a thread each that hands the events on in a
queue. Both are told here, so that the emulator need not guess from a pause that nobody has work.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Queue
from typing import Any


class Invocation:
    """A function's invocation, as far as its own thread goes. Made in that thread."""

    def __init__(self, lock: Any, settle: Callable[[], None]) -> None:
        """``settle`` is called, under ``lock``, whenever the thread begins to wait."""
        self.cpu_clock = time.pthread_getcpuclockid(threading.get_ident())
        self.lock = lock
        self.rests = False
        """Whether the thread waits for an event and has none."""
        self._thread, self._settle = threading.get_ident(), settle
        self._asked, self._threads = 0, 0

    @property
    def here(self) -> bool:
        """Whether the calling thread is the invocation's own."""
        return threading.get_ident() == self._thread

    @property
    def asking(self) -> int:
        """How many of the threads that ask side by side for it have not got their answer: a count."""
        return min(self._asked, self._threads)

    def ask(self, threads: int) -> None:
        """A request is to be sent, by one of so many threads. Any thread may call this."""
        with self.lock:
            self._asked, self._threads = self._asked + 1, threads

    def answered(self) -> None:
        """A request of these has its answer. Any thread may call this."""
        with self.lock:
            self._asked -= 1

    def rest(self) -> None:
        """Its thread waits from now on; called under the lock."""
        self.rests = True
        self._settle()

    def work(self) -> None:
        """Its thread has work; called under the lock."""
        self.rests = False


class Askers(ThreadPoolExecutor):
    """Threads that ask side by side for an invocation: it works until each of them has a request open."""

    def __init__(
        self,
        invocation: Invocation | None,
        max_workers: int,
        initializer: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(max_workers, initializer=initializer)
        self._invocation, self._most = invocation, max_workers

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """As ThreadPoolExecutor.submit, which its ``map`` uses."""
        if self._invocation is None:
            return super().submit(fn, *arguments, **options)
        self._invocation.ask(self._most)
        submitted = super().submit(fn, *arguments, **options)
        submitted.add_done_callback(lambda _: self._answered())
        return submitted

    def _answered(self) -> None:
        if self._invocation is not None:
            self._invocation.answered()


class Inbox(Queue[Any]):
    """The queue by which threads that read watches hand events on to the thread of their invocation."""

    def __init__(self, invocation: Invocation | None) -> None:
        super().__init__()
        self._invocation = invocation

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an event in; before anybody can take it, the invocation has work."""
        if self._invocation is None:
            super().put(item, block, timeout)
            return
        with self._invocation.lock:
            self._invocation.work()
            super().put(item, block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take an event; the invocation rests while there is none."""
        if self._invocation is not None and self._invocation.here:
            with self._invocation.lock:
                if self.empty():
                    self._invocation.rest()
        return super().get(block, timeout)


def report(answer: Any, invocation: Invocation, asked: Callable[[int], None]) -> None:
    """Have the stream of an HTTP response call ``asked``, with the count of its parts, before each next."""
    # Not the response itself: it would be garbage only the collector finds, with its connection open.
    kind, itself = type(answer), weakref.ref(answer)

    def parts(*arguments: Any, **options: Any) -> Iterator[bytes]:
        inner, read = kind.stream(itself(), *arguments, **options), 0
        while True:
            with invocation.lock:
                if invocation.here:
                    invocation.rests = True
                asked(read)
            try:
                part = next(inner, None)
            finally:
                if invocation.here:
                    with invocation.lock:
                        invocation.work()
            if part is None:
                return
            read += 1
            yield part

    answer.stream = parts
