"""Lists and their pages. A page after the first is read from a snapshot that the token names.

https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
"""

from __future__ import annotations

import base64
import itertools
import json
from collections import OrderedDict
from typing import Any

from stepdrain_sandbox.kube import selectors
from stepdrain_sandbox.kube.resources import Resource
from stepdrain_sandbox.kube.selectors import Predicate
from stepdrain_sandbox.kube.status import bad_request, failure
from stepdrain_sandbox.kube.store import Store

Json = dict[str, Any]
SNAPSHOTS = 200
"""Snapshots kept; an older token has expired (410), as after a compaction of etcd."""


def predicate(resource: Resource, query: dict[str, str]) -> Predicate | None:
    """The predicate of a request's selectors; None if it has no selectors."""
    chosen = []
    if query.get("fieldSelector"):
        chosen.append(selectors.by_fields(query["fieldSelector"], resource))
    if query.get("labelSelector"):
        chosen.append(selectors.by_labels(query["labelSelector"]))
    if len(chosen) == 1:
        return chosen[0]
    return (lambda obj: all(fits(obj) for fits in chosen)) if chosen else None


def node_of(resource: Resource, query: dict[str, str]) -> str | None:
    """The node to whose pods a request is limited; None if it is not limited, or not about pods."""
    return selectors.node_of(query.get("fieldSelector", "")) if resource.plural == "pods" else None


class Listing:
    """Answers list requests over a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._snapshots: OrderedDict[int, tuple[int, list[Json]]] = OrderedDict()
        self._numbers = itertools.count(1)

    def answer(self, resource: Resource, namespace: str, query: dict[str, str]) -> Json:
        """The List object; raises 400 for an invalid selector or token, 410 for an expired token."""
        fits = predicate(resource, query)
        limit = int(query.get("limit") or 0)
        # The watch cache answers resourceVersion=0, and it does not page.
        if query.get("resourceVersion") == "0" and not query.get("continue"):
            limit = 0
        number, start = _read(query.get("continue", ""))
        # A page's token counts from the first of all objects, so that a page begins with all.
        node = None if limit else node_of(resource, query)
        version, objects = self._snapshot(number, resource, namespace, node)
        items, end = _page(objects[start:], fits, limit)
        metadata: Json = {"resourceVersion": str(version)}
        left = len(objects) - start - end
        if limit and left:
            metadata["continue"] = self._token(number, version, objects, start + end)
            if fits is None:
                metadata["remainingItemCount"] = left
        return {
            "kind": f"{resource.kind}List",
            "apiVersion": resource.api_version,
            "metadata": metadata,
            "items": [_item(obj) for obj in items],
        }

    def _snapshot(
        self, number: int, resource: Resource, namespace: str, node: str | None
    ) -> tuple[int, list[Json]]:
        if number == 0:
            with self._store.lock:
                return self._store.version, self._store.all(resource, namespace, node)
        if number not in self._snapshots or self._snapshots[number][0] < self._store.compacted:
            message = "The provided continue parameter is too old to display a consistent list result."
            raise failure(410, "Expired", message)
        return self._snapshots[number]

    def _token(self, number: int, version: int, objects: list[Json], start: int) -> str:
        if number == 0:
            number = next(self._numbers)
            self._snapshots[number] = (version, objects)
            if len(self._snapshots) > SNAPSHOTS:
                self._snapshots.popitem(last=False)
        return base64.urlsafe_b64encode(json.dumps([number, start]).encode()).decode()


def _read(token: str) -> tuple[int, int]:
    if not token:
        return 0, 0
    try:
        number, start = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error
    return number, start


def _page(objects: list[Json], fits: Predicate | None, limit: int) -> tuple[list[Json], int]:
    """The items of a page, and how many objects were looked at for it."""
    items = []
    for seen, obj in enumerate(objects, 1):
        if fits is None or fits(obj):
            items.append(obj)
        if limit and len(items) == limit:
            return items, seen
    return items, len(objects)


def _item(obj: Json) -> Json:
    return {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
