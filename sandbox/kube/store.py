"""What the cluster holds: immutable objects under one lock, and everything that happened to them.

Objects are plain JSON dicts that are replaced, never changed in place, so that a list
or a watch can hand them out without copying.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.clock import Clock
from sandbox.kube.resources import BY_PLURAL, Resource

Json = dict[str, Any]
HISTORY = 20_000
"""Changes remembered for watches that start in the past; more than any test makes in one watch."""


@dataclass(frozen=True)
class Change:
    """One change: ADDED, MODIFIED or DELETED, the object after it (before it, for DELETED)."""

    version: int
    type: str
    resource: Resource
    object: Json
    before: Json | None


Listener = Callable[[Change], None]


class Store:
    """All objects. Methods may be called by any thread; several in a row under ``lock`` are one step."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.version = 1000
        self.history: deque[Change] = deque(maxlen=HISTORY)
        self._objects: dict[str, dict[tuple[str, str], Json]] = {plural: {} for plural in BY_PLURAL}
        self._listeners: list[Listener] = []

    def get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """The object, None if there is none; cluster-scoped objects have the namespace ""."""
        return self._objects[resource.plural].get((namespace, name))

    def all(self, resource: Resource, namespace: str = "") -> list[Json]:
        """The objects of a kind by namespace and name, of one namespace or (with "") of all."""
        with self.lock:
            items = self._objects[resource.plural].items()
            return [obj for key, obj in sorted(items) if not namespace or key[0] == namespace]

    def pods(self) -> Iterator[Json]:
        """All pods in no order."""
        with self.lock:
            yield from list(self._objects["pods"].values())

    def create(self, resource: Resource, obj: Json) -> Json:
        """Store a new object with uid, creationTimestamp and resourceVersion."""
        metadata = {
            **obj["metadata"],
            "uid": obj["metadata"].get("uid") or str(uuid.uuid4()),
            "creationTimestamp": self.timestamp(),
        }
        if resource.generation:
            metadata["generation"] = 1
        return self._put(resource, {**obj, "metadata": metadata}, "ADDED", None)

    def replace(self, resource: Resource, before: Json, after: Json) -> Json:
        """Store a changed object; one that is equal keeps its resourceVersion and tells nobody."""
        if after == before:
            return before
        metadata = dict(after["metadata"])
        if resource.generation and after.get("spec") != before.get("spec"):
            metadata["generation"] = before["metadata"].get("generation", 1) + 1
        return self._put(resource, {**after, "metadata": metadata}, "MODIFIED", before)

    def remove(self, resource: Resource, obj: Json) -> Json:
        """Drop an object; returns it as watches see it: as it was last, with the version of its removal."""
        with self.lock:
            metadata = obj["metadata"]
            self._objects[resource.plural].pop((metadata.get("namespace", ""), metadata["name"]))
            self.version += 1
            last = {**obj, "metadata": {**metadata, "resourceVersion": str(self.version)}}
            self._tell(Change(self.version, "DELETED", resource, last, obj))
            return last

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with each change, in the changing thread; returns how to stop that."""
        with self.lock:
            self._listeners.append(listener)
        return lambda: self._unsubscribe(listener)

    def timestamp(self, in_s: float = 0) -> str:
        """RFC 3339, ``in_s`` seconds from now."""
        return rfc3339(self.clock.now() + in_s)

    def _unsubscribe(self, listener: Listener) -> None:
        with self.lock:
            self._listeners.remove(listener)

    def _put(self, resource: Resource, obj: Json, change: str, before: Json | None) -> Json:
        with self.lock:
            self.version += 1
            metadata = {**obj["metadata"], "resourceVersion": str(self.version)}
            stored = {**obj, "metadata": metadata}
            self._objects[resource.plural][metadata.get("namespace", ""), metadata["name"]] = stored
            self._tell(Change(self.version, change, resource, stored, before))
            return stored

    def _tell(self, change: Change) -> None:
        self.history.append(change)
        for listener in list(self._listeners):
            listener(change)


def rfc3339(epoch_s: float, *, micro: bool = False) -> str:
    """``2026-01-01T00:00:00Z``; with ``micro`` six decimals, as audit logs write it."""
    moment = datetime.fromtimestamp(epoch_s, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")
