"""Watches: what happened since a version, then what happens, until the time is over.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes

A client that reads a quiet watch waits for somebody else: it is idle on the clock. It is
busy again the moment something happens for it, before the event has travelled, so that a
virtual clock cannot run on meanwhile.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import takewhile
from typing import Any

from stepdrain_sandbox.clock import Clock, Idle, Timer
from stepdrain_sandbox.kube.listing import node_of, predicate
from stepdrain_sandbox.kube.requests import Request
from stepdrain_sandbox.kube.store import Change, Store

Json = dict[str, Any]
Send = Callable[[bytes], Any]
BETWEEN_EVENTS_S = 0.02
"""Real seconds that a client gets to ask no further after an event, before it counts as waiting again."""
LONGEST_S = 3600


class Watch:
    """One open watch. Made in the event loop; changes arrive from any thread."""

    def __init__(self, store: Store, clock: Clock, request: Request) -> None:
        self._store, self._clock, self._request = store, clock, request
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Json | None] = asyncio.Queue()
        self._fits = predicate(request.target.resource, request.query)
        self._node = node_of(request.target.resource, request.query)
        self._coming = 0
        self._idle: Idle | None = None
        self._timer: Timer | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    async def run(self, send: Send, disconnected: asyncio.Event) -> None:
        """Send events until the time is over or the client has gone."""
        self._open()
        try:
            while not disconnected.is_set():
                event = await self._next(disconnected)
                if event is None:
                    return
                await send(json.dumps(event).encode() + b"\n")
        finally:
            self._close()

    def _open(self) -> None:
        seconds = min(float(self._request.query.get("timeoutSeconds") or LONGEST_S), LONGEST_S)
        with self._store.lock:
            for event in self._backlog():
                self._wake(event)
            self._unsubscribe = self._store.subscribe(
                self._on_change, self._request.target.resource, self._node
            )
            self._timer = self._clock.call_at(self._clock.now() + seconds, lambda: self._wake(None))

    def _backlog(self) -> list[Json]:
        since = self._request.query.get("resourceVersion", "")
        if since in ("", "0"):
            target = self._request.target
            objects = self._store.all(target.resource, target.namespace, self._node)
            return [{"type": "ADDED", "object": obj} for obj in objects if self._seen(obj)]
        # From the newest back: a watch begins mostly at the list before it, the history is long.
        newer = takewhile(lambda change: change.version > int(since), reversed(self._store.history))
        past = [self._event(change) for change in newer]
        return [event for event in reversed(past) if event is not None]

    def _seen(self, obj: Json | None) -> bool:
        namespace = self._request.target.namespace
        if obj is None or (namespace and obj["metadata"].get("namespace") != namespace):
            return False
        return self._fits is None or self._fits(obj)

    def _event(self, change: Change) -> Json | None:
        """The change as this watch sees it: what begins to fit is ADDED, what ceases to is DELETED."""
        if change.resource is not self._request.target.resource:
            return None
        now, before = self._seen(change.object), self._seen(change.before)
        if change.type == "DELETED":
            return {"type": "DELETED", "object": change.object} if before else None
        if now:
            return {"type": "MODIFIED" if before else "ADDED", "object": change.object}
        return {"type": "DELETED", "object": change.object} if before else None

    def _on_change(self, change: Change) -> None:
        event = self._event(change)
        if event is not None:
            self._wake(event)

    def _wake(self, event: Json | None) -> None:
        with self._store.lock:
            self._coming += 1
            idle, self._idle = self._idle, None
        if idle is not None:
            idle.end()
        self._loop.call_soon_threadsafe(self._queue.put_nowait, event)

    async def _next(self, disconnected: asyncio.Event) -> Json | None:
        try:
            event = await asyncio.wait_for(self._queue.get(), BETWEEN_EVENTS_S)
        except TimeoutError:
            event = None if disconnected.is_set() else await self._wait(disconnected)
        with self._store.lock:
            self._coming -= 1
        return event

    async def _wait(self, disconnected: asyncio.Event) -> Json | None:
        with self._store.lock:
            # An event may be on its way from another thread and not yet in the queue.
            if self._coming == 0:
                self._idle = self._clock.idle()
        gone = asyncio.ensure_future(disconnected.wait())
        event = asyncio.ensure_future(self._queue.get())
        await asyncio.wait((gone, event), return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        return event.result() if event.done() else None

    def _close(self) -> None:
        self._unsubscribe()
        if self._timer is not None:
            self._timer.cancel()
        with self._store.lock:
            idle, self._idle = self._idle, None
        if idle is not None:
            idle.end()
