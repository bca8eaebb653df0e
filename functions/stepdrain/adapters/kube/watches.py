"""Bounded watches: an attempt that waits sees what happens in the cluster at once, instead of asking again.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes

A watch is one request, which the server ends after ``timeoutSeconds``; nothing is asked in a loop. Whatever
goes wrong with it is no error of the drain: what was seen so far is given back with the reason why the watch
was none, and the caller polls. Only a caller that the cluster no longer knows (401) is an error.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from queue import Queue
from threading import Thread
from typing import Any

import urllib3

from stepdrain import clock
from stepdrain.adapters.kube.calls import PAGE, TIMEOUT_S, Calls, Json, understood
from stepdrain.errors import DrainError, KubeForbidden, KubeUnauthorized, KubeUnavailable
from stepdrain.rules import budgets, pods
from stepdrain.states import wait_for_volumes, waiting
from stepdrain.states.wait_for_pods import View
from stepdrain.states.wait_for_volumes import Attachment, Attachments

LATE_S = 3
"""Seconds that a server may take to end a watch after its time, before it counts as gone."""
SHORTEST_S = 30
"""A watch that was to last so long and ended before was none: repeated at once, it would fill the history."""


class Watches(Calls):
    """Its part of stepdrain.adapters.kube.Kube."""

    def pods_on(self, node: str) -> View:
        """The pods bound to the node, in one request."""
        listed = self._json(self._core.list_pod_for_all_namespaces, field_selector=f"spec.nodeName={node}")
        return View(node, [pods.parse(raw) for raw in listed["items"]], listed["metadata"]["resourceVersion"])

    def with_budgets(self, view: View) -> View:
        """``view`` with all disruption budgets, in one request."""
        listed = self._json(self._policy.list_pod_disruption_budget_for_all_namespaces)
        found = list(understood(listed["items"], budgets.parse))
        return replace(view, budgets=found, budgets_version=listed["metadata"]["resourceVersion"])

    def follow(self, view: View, seconds: float, done: Callable[[View], bool]) -> tuple[View, str]:
        """Watch from ``view`` on until it is ``done``, for ``seconds`` at the longest.

        The view then, and why it could not be watched, as the end of "polled, since …"; "" if it could.
        """
        selector = f"spec.nodeName={view.node}"
        wanted = [(self._core.list_pod_for_all_namespaces, view.pods_version, {"field_selector": selector})]
        if view.budgets is not None:
            method = self._policy.list_pod_disruption_budget_for_all_namespaces
            wanted.append((method, view.budgets_version, {}))
        states: list[dict[Any, Any]] = [
            {pod.uid: pod for pod in view.pods},
            {(budget.namespace, budget.name): budget for budget in view.budgets or ()},
        ]

        def apply(source: int, event: Mapping[str, Any]) -> bool:
            nonlocal view
            if source == 0:
                _apply(states[0], event, lambda raw: raw["metadata"]["uid"], pods.parse)
            else:
                _apply(states[1], event, _name_of, budgets.parse)
            known = None if view.budgets is None else list(states[1].values())
            view = replace(view, pods=list(states[0].values()), budgets=known)
            return done(view)

        why = self._watch(wanted, seconds, apply)
        return view, why

    def attachments(self) -> Attachments:
        """All attachments of persistent volumes to nodes, in pages of 500; the API cannot select a node's."""
        found: dict[str, Attachment | None] = {}
        following: str | None = None
        while True:
            page = self._json(self._storage.list_volume_attachment, limit=PAGE, _continue=following)
            found |= dict(understood(page["items"], _named))
            following = page["metadata"].get("continue")
            if not following:
                return Attachments(_known(found), page["metadata"]["resourceVersion"])

    def follow_attachments(
        self, listed: Attachments, seconds: float, done: Callable[[list[Attachment]], bool]
    ) -> tuple[list[Attachment], str]:
        """As ``follow``, for the attachments from ``listed`` on."""
        current: dict[str, Attachment | None] = dict(listed.by_name)

        def apply(_source: int, event: Mapping[str, Any]) -> bool:
            _apply(current, event, lambda raw: str(raw["metadata"]["name"]), wait_for_volumes.parse)
            return done(list(_known(current).values()))

        why = self._watch([(self._storage.list_volume_attachment, listed.version, {})], seconds, apply)
        return list(_known(current).values()), why

    def follow_node(self, name: str, seconds: float, done: Callable[[Mapping[str, Any]], bool]) -> str:
        """Watch the Node called ``name``, there or not, until it is ``done``; why that was not possible."""

        def apply(_source: int, event: Mapping[str, Any]) -> bool:
            return event["type"] in ("ADDED", "MODIFIED") and done(event["object"])

        wanted = [(self._core.list_node, "", {"field_selector": f"metadata.name={name}"})]
        return self._watch(wanted, seconds, apply)

    def _watch(
        self,
        wanted: Sequence[tuple[Callable[..., Any], str, Json]],
        seconds: float,
        apply: Callable[[int, Mapping[str, Any]], bool],
    ) -> str:
        """Open the watches and hand each event on until ``apply`` says that it is enough; "" or why not."""
        asked_s, began = math.ceil(seconds), clock.now()
        if asked_s < 1:
            return ""
        with contextlib.ExitStack() as opened:
            try:
                responses = [self._open(*request, asked_s) for request in wanted]
                for response in responses:
                    opened.callback(_close, response)
                for source, event in merged([_events(response) for response in responses]):
                    if event["type"] == "ERROR":
                        return f"a watch was ended by the server ({_message(event)})"
                    if apply(source, event):
                        return ""
            except KubeUnauthorized:
                raise
            except KubeForbidden as error:
                return f"{waiting.DENIED} ({str(error).rstrip('.')})"
            except DrainError as error:
                return f"a watch failed ({str(error).rstrip('.')})"
        return "" if clock.now() - began >= min(seconds, SHORTEST_S) else "a watch ended before its time"

    def _open(self, method: Callable[..., Any], since: str, options: Json, seconds: int) -> Any:
        return self._answered(
            method,
            **options,
            resource_version=since,
            watch=True,
            timeout_seconds=seconds,
            # The server ends the watch; the extra seconds are for a server that does not.
            _request_timeout=(TIMEOUT_S[0], seconds + LATE_S),
        )


def merged(streams: Sequence[Iterator[Json]]) -> Iterator[tuple[int, Json]]:
    """The events of all streams in their order, each with the number of its stream, until one ends.

    More than one are read by a thread each; what a stream raises is raised here.
    """
    if len(streams) == 1:
        yield from ((0, event) for event in streams[0])
        return
    queue: Queue[tuple[int, Json | BaseException | None]] = Queue()
    for number, stream in enumerate(streams):
        Thread(target=_pump, args=(number, stream, queue), daemon=True).start()
    while True:
        number, event = queue.get()
        if event is None:
            return
        if isinstance(event, BaseException):
            raise event
        yield number, event


def _pump(number: int, stream: Iterator[Json], queue: Queue[tuple[int, Json | BaseException | None]]) -> None:
    try:
        for event in stream:
            queue.put((number, event))
        queue.put((number, None))
    except BaseException as error:  # whatever it is, the thread that reads the queue raises it
        queue.put((number, error))


def _events(response: Any) -> Iterator[Json]:
    try:
        for line in _lines(response):
            event: Json = json.loads(line)
            yield event
    except (urllib3.exceptions.HTTPError, ValueError, OSError) as error:
        raise KubeUnavailable(f"The watch broke off: {error}.") from error


def _lines(response: Any) -> Iterator[bytes]:
    rest = b""
    for chunk in response.stream(None):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line for line in lines if line.strip())


def _close(response: Any) -> None:
    """End the watch, also for a thread that waits for its next event."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        # ValueError, RuntimeError: it has ended already, or never had a socket.
        response.shutdown()
    response.close()


def _apply(
    current: dict[Any, Any],
    event: Mapping[str, Any],
    key_of: Callable[[Mapping[str, Any]], Any],
    parse: Callable[[Mapping[str, Any]], Any],
) -> None:
    kind, raw = event["type"], event["object"]
    if kind == "DELETED":
        current.pop(key_of(raw), None)
    elif kind in ("ADDED", "MODIFIED"):
        for parsed in understood([raw], parse):
            current[key_of(raw)] = parsed


def _named(raw: Mapping[str, Any]) -> tuple[str, Attachment | None]:
    return raw["metadata"]["name"], wait_for_volumes.parse(raw)


def _name_of(raw: Mapping[str, Any]) -> tuple[str, str]:
    return raw["metadata"]["namespace"], raw["metadata"]["name"]


def _known(found: Mapping[str, Attachment | None]) -> dict[str, Attachment]:
    return {name: attachment for name, attachment in found.items() if attachment is not None}


def _message(event: Mapping[str, Any]) -> str:
    return str(event["object"].get("message", "no reason given")).rstrip(".")
