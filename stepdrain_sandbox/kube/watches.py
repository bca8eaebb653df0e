"""Watches: what happened since a version, then what happens, until the time is over.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes

A client that reads a quiet watch waits for somebody else: its caller is idle on the clock
(callers.py). It is busy again the moment something happens for it, before the event has
travelled, so that a virtual clock cannot run on meanwhile.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import takewhile
from typing import Any

from stepdrain_sandbox.clock import Clock, Timer
from stepdrain_sandbox.kube.callers import Call
from stepdrain_sandbox.kube.listing import node_of, predicate
from stepdrain_sandbox.kube.requests import Request
from stepdrain_sandbox.kube.status import bad_request, expired
from stepdrain_sandbox.kube.store import Change, Store

Json = dict[str, Any]
Send = Callable[[bytes], Any]
LONGEST_S = 3600
BOOKMARK_EVERY_S, BOOKMARK_BEFORE_END_S = 60, 2
"""kubernetes/apiserver pkg/storage/cacher: about every minute, and two seconds before the end."""


class Watch:
    """One open watch. Made in the event loop; changes arrive from any thread.

    Raises 400 for a selector or a version that cannot be.
    """

    def __init__(self, store: Store, clock: Clock, request: Request, call: Call) -> None:
        self._store, self._clock, self._request, self._call = store, clock, request, call
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Json | None] = asyncio.Queue()
        self._fits = predicate(request.target.resource, request.query)
        self._node = node_of(request.target.resource, request.query)
        self.since = _version(request.query.get("resourceVersion", ""))
        self._timers: list[Timer] = []
        self._unsubscribe: Callable[[], None] = lambda: None

    @property
    def lasts_s(self) -> float:
        """Seconds until the server ends it."""
        return min(float(self._request.query.get("timeoutSeconds") or LONGEST_S), LONGEST_S)

    async def run(self, send: Send, disconnected: asyncio.Event) -> None:
        """Send events until the time is over or the client has gone."""
        self._open()
        gone = asyncio.ensure_future(disconnected.wait())
        try:
            while (event := await self._next(gone)) is not None:
                await send(line_of(event))
                if event["type"] == "ERROR":
                    return
        finally:
            gone.cancel()
            self._close()

    def _open(self) -> None:
        with self._store.lock:
            for event in self._backlog():
                self._wake(event)
            self._unsubscribe = self._store.subscribe(
                self._on_change, self._request.target.resource, self._node
            )
            self._at(self.lasts_s, lambda: self._wake(None))
            if self._request.query.get("allowWatchBookmarks", "").lower() in ("true", "1"):
                self._bookmark_later(0.0)

    def _at(self, in_s: float, action: Callable[[], None]) -> None:
        self._timers.append(self._clock.call_at(self._clock.now() + in_s, action))

    def _bookmark_later(self, elapsed_s: float) -> None:
        at = min(elapsed_s + BOOKMARK_EVERY_S, self.lasts_s - BOOKMARK_BEFORE_END_S)
        if at > elapsed_s:
            self._at(at - elapsed_s, lambda: self._bookmark(at))

    def _bookmark(self, elapsed_s: float) -> None:
        resource = self._request.target.resource
        with self._store.lock:
            metadata = {"resourceVersion": str(self._store.version), "creationTimestamp": None}
            kind = {"kind": resource.kind, "apiVersion": resource.api_version}
            self._wake({"type": "BOOKMARK", "object": {**kind, "metadata": metadata}})
            self._bookmark_later(elapsed_s)

    def _backlog(self) -> list[Json]:
        if not self.since:
            target = self._request.target
            objects = self._store.all(target.resource, target.namespace, self._node)
            return [{"type": "ADDED", "object": obj} for obj in objects if self._seen(obj)]
        if self.since < self._store.compacted:
            return [{"type": "ERROR", "object": expired(self.since, self._store.compacted).body}]
        # From the newest back: a watch begins mostly at the list before it, the history is long.
        newer = takewhile(lambda change: change.version > self.since, reversed(self._store.history))
        past = [self._event(change) for change in newer]
        return [event for event in reversed(past) if event is not None]

    def _seen(self, obj: Json | None) -> bool:
        target = self._request.target
        if obj is None or (target.namespace and obj["metadata"].get("namespace") != target.namespace):
            return False
        if target.name and obj["metadata"]["name"] != target.name:
            return False
        return self._fits is None or self._fits(obj)

    def _event(self, change: Change) -> Json | None:
        """The change as this watch sees it: what begins to fit is ADDED, what ceases to is DELETED.

        What ceases to fit is shown as it was when it still did, with the version of the change
        (kubernetes/apiserver pkg/storage/cacher, convertToWatchEvent).
        """
        if change.resource is not self._request.target.resource:
            return None
        now, before = self._seen(change.object), self._seen(change.before)
        if change.type == "DELETED":
            return {"type": "DELETED", "object": change.object} if before else None
        if now:
            return {"type": "MODIFIED" if before else "ADDED", "object": change.object}
        return {"type": "DELETED", "object": _last(change)} if before else None

    def _on_change(self, change: Change) -> None:
        event = self._event(change)
        if event is not None:
            self._wake(event)

    def _wake(self, event: Json | None) -> None:
        self._call.wake()
        self._loop.call_soon_threadsafe(self._queue.put_nowait, event)

    async def _next(self, gone: asyncio.Future[Any]) -> Json | None:
        """The next event; None once the time is over, or the client has gone."""
        self._call.wait()
        event = asyncio.ensure_future(self._queue.get())
        await asyncio.wait((gone, event), return_when=asyncio.FIRST_COMPLETED)
        if not event.done():
            event.cancel()
            return None
        self._call.took()
        return event.result()

    def _close(self) -> None:
        self._unsubscribe()
        for timer in self._timers:
            timer.cancel()


def line_of(event: Json) -> bytes:
    """An event as it is sent."""
    return json.dumps(event).encode() + b"\n"


def _last(change: Change) -> Json:
    before = change.before or {}
    version = change.object["metadata"]["resourceVersion"]
    return {**before, "metadata": {**before["metadata"], "resourceVersion": version}}


def _version(text: str) -> int:
    if text and not text.isdigit():
        raise bad_request(f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: invalid syntax')
    return int(text or 0)
