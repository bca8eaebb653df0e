"""What the cluster holds: immutable objects under one lock, and everything that happened to them.

Objects are plain JSON dicts that are replaced, never changed in place, so that a list
or a watch can hand them out without copying.
"""

from __future__ import annotations

import threading
import uuid
from bisect import bisect_left, insort
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from stepdrain_sandbox.clock import Clock
from stepdrain_sandbox.kube.resources import BY_PLURAL, Resource

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
Key = tuple[str, str]
"""Namespace and name."""


class Shelf:
    """The objects of one kind, kept in order: 15,000 pods are too many to sort for each list."""

    def __init__(self) -> None:
        self.objects: dict[Key, Json] = {}
        self._keys: list[Key] = []

    def put(self, key: Key, obj: Json) -> None:
        """Store an object that is new, or changed."""
        if key not in self.objects:
            insort(self._keys, key)
        self.objects[key] = obj

    def drop(self, key: Key) -> None:
        """Take an object away; KeyError if it is not there."""
        del self.objects[key]
        del self._keys[bisect_left(self._keys, key)]

    def all(self, namespace: str) -> list[Json]:
        """By namespace and name; of all namespaces with ""."""
        first, end = 0, len(self._keys)
        if namespace:
            first, end = (bisect_left(self._keys, (name, "")) for name in (namespace, namespace + "\0"))
        return [self.objects[key] for key in self._keys[first:end]]


class Store:
    """All objects. Methods may be called by any thread; several in a row under ``lock`` are one step."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.version = 1000
        self.history: deque[Change] = deque(maxlen=HISTORY)
        self.compacted = 0
        """The version before which nothing is remembered: a watch that begins earlier has expired (410)."""
        self._shelves: dict[str, Shelf] = {plural: Shelf() for plural in BY_PLURAL}
        self._on_nodes: dict[str, dict[Key, Json]] = defaultdict(dict)
        """The pods of each node; those that have none under ""."""
        self._listeners: dict[tuple[str, str | None], list[Listener]] = defaultdict(list)
        """By a kind's plural and a node; ("", None) is called for every change."""

    def get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """The object, None if there is none; cluster-scoped objects have the namespace ""."""
        return self._shelves[resource.plural].objects.get((namespace, name))

    def all(self, resource: Resource, namespace: str = "", node: str | None = None) -> list[Json]:
        """The objects of a kind by namespace and name, of one namespace or (with "") of all.

        With ``node``, which only pods have, those that are bound to it.
        """
        with self.lock:
            if node is None:
                return self._shelves[resource.plural].all(namespace)
            found = sorted(self._on_nodes.get(node, {}).items())
            return [pod for key, pod in found if namespace in ("", key[0])]

    def pods(self) -> Iterator[Json]:
        """All pods in no order."""
        with self.lock:
            yield from list(self._shelves["pods"].objects.values())

    def pods_on(self, node: str) -> list[Json]:
        """The pods bound to a node, those bound to none with "", the one that was made first ahead."""
        with self.lock:
            return list(self._on_nodes[node].values()) if node in self._on_nodes else []

    def loads(self) -> dict[str, int]:
        """How many pods each node has."""
        with self.lock:
            return {node: len(pods) for node, pods in self._on_nodes.items() if node}

    def create(self, resource: Resource, obj: Json) -> Json:
        """Store a new object with uid, creationTimestamp and resourceVersion.

        ValueError if one of that name is there: it would be lost without a notice.
        """
        key = obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
        metadata = {
            **obj["metadata"],
            "uid": obj["metadata"].get("uid") or str(uuid.uuid4()),
            "creationTimestamp": self.timestamp(),
        }
        if resource.generation:
            metadata["generation"] = 1
        with self.lock:
            if key in self._shelves[resource.plural].objects:
                raise ValueError(f"{resource.plural} {'/'.join(key)} is there already; replace or remove it")
            return self._put(resource, {**obj, "metadata": metadata}, "ADDED", None)

    def replace(self, resource: Resource, before: Json, after: Json) -> Json:
        """Store a changed object; one that is equal keeps its resourceVersion and calls no listener."""
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
            key = metadata.get("namespace", ""), metadata["name"]
            self._shelves[resource.plural].drop(key)
            if resource.plural == "pods":
                self._on_nodes[_node(obj)].pop(key)
            self.version += 1
            last = {**obj, "metadata": {**metadata, "resourceVersion": str(self.version)}}
            self._tell(Change(self.version, "DELETED", resource, last, obj))
            return last

    def subscribe(
        self, listener: Listener, resource: Resource | None = None, node: str | None = None
    ) -> Callable[[], None]:
        """Call ``listener`` with each change, in the changing thread; returns how to stop that.

        ``resource`` chooses the changes of one kind, and ``node`` those of the pods that are, or were, on
        that node: of a hundred watches on as many nodes, one is called.
        """
        key = (resource.plural if resource is not None else "", node)
        with self.lock:
            self._listeners[key].append(listener)
        return lambda: self._unsubscribe(key, listener)

    def timestamp(self, in_s: float = 0) -> str:
        """RFC 3339, ``in_s`` seconds from now."""
        return rfc3339(self.clock.now() + in_s)

    def _unsubscribe(self, key: tuple[str, str | None], listener: Listener) -> None:
        with self.lock:
            self._listeners[key].remove(listener)

    def _put(self, resource: Resource, obj: Json, change: str, before: Json | None) -> Json:
        with self.lock:
            self.version += 1
            metadata = {**obj["metadata"], "resourceVersion": str(self.version)}
            stored = {**obj, "metadata": metadata}
            key = metadata.get("namespace", ""), metadata["name"]
            self._shelves[resource.plural].put(key, stored)
            if resource.plural == "pods":
                if before is not None and _node(before) != _node(stored):
                    self._on_nodes[_node(before)].pop(key)
                self._on_nodes[_node(stored)][key] = stored
            self._tell(Change(self.version, change, resource, stored, before))
            return stored

    def compact(self) -> None:
        """Forget what happened up to now, as etcd does every five minutes."""
        with self.lock:
            self.history.clear()
            self.compacted = self.version

    def _tell(self, change: Change) -> None:
        if len(self.history) == HISTORY:
            self.compacted = self.history[0].version
        self.history.append(change)
        plural, nodes = change.resource.plural, list[str]()
        if plural == "pods":
            nodes = list(dict.fromkeys(_node(pod) for pod in (change.object, change.before) if pod))
        concerned = [("", None), (plural, None), *((plural, node) for node in nodes)]
        for listener in [listening for key in concerned for listening in self._listeners.get(key, ())]:
            listener(change)


def _node(pod: Json) -> str:
    return (pod.get("spec") or {}).get("nodeName") or ""


@lru_cache(maxsize=10_000)
def rfc3339(epoch_s: float, *, micro: bool = False) -> str:
    """``2026-01-01T00:00:00Z``; with ``micro`` six decimals, as audit logs write it."""
    moment = datetime.fromtimestamp(epoch_s, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")
