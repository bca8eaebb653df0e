"""Answers the Kubernetes adapter's requests with the emulator's operations, without a socket.

It replaces the client's urllib3 pool, so the adapter's and the client's own code handles
answers, broken connections and watches.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from email.utils import formatdate
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3
from stepdrain.adapters.kube import Kube
from stepdrain.adapters.kube import configuration as adapter_configuration

from stepdrain_sandbox.kube import audit
from stepdrain_sandbox.kube.cluster import Cluster
from stepdrain_sandbox.kube.dynamic_admission import Delayed
from stepdrain_sandbox.kube.faults import Fault, Faults
from stepdrain_sandbox.kube.listing import predicate
from stepdrain_sandbox.kube.operations import Operations
from stepdrain_sandbox.kube.rbac import User, authorize
from stepdrain_sandbox.kube.requests import Request, target_of, verb_of
from stepdrain_sandbox.kube.resources import Resource
from stepdrain_sandbox.kube.selectors import Predicate
from stepdrain_sandbox.kube.status import ApiError, expired
from stepdrain_sandbox.kube.store import Change
from stepdrain_sandbox.kube.watches import line_of
from stepdrain_sandbox.rehearsal.clock import QuietClock

Json = dict[str, Any]


class Answer:
    """The part of urllib3's response that the client reads."""

    reason = ""

    def __init__(
        self, status: int, data: bytes, lines: Iterator[bytes] | None = None, date_s: float | None = None
    ) -> None:
        self.status, self.data, self._lines = status, data, lines or iter(())
        self.headers = {} if date_s is None else {"Date": formatdate(date_s, usegmt=True)}
        self.closed: Callable[[], None] = lambda: None

    def getheaders(self) -> Json:
        return {}

    def read(self) -> bytes:
        """The whole body."""
        return self.data

    def stream(self, _amount: int | None) -> Iterator[bytes]:
        """The lines of a watch."""
        return self._lines

    def shutdown(self) -> None:
        """No thread waits for more."""

    def close(self) -> None:
        """A watch sees nothing from now on."""
        self.closed()


class Transport:
    """Answers ``user``'s requests at once. Only a watch lets time pass, and never a watch inside a watch."""

    def __init__(self, clock: QuietClock, cluster: Cluster, user: User) -> None:
        self._user = user
        self.faults, self.audit_log = Faults(clock), list[Json]()
        self._clock, self._store = clock, cluster.store
        self._operations = Operations(cluster.store, None, cluster.admission)
        self._stepping = False
        self._open: dict[int, list[Change]] = {}

    def kube(self) -> Kube:
        """An adapter that uses this transport."""
        kube = Kube(adapter_configuration(), lambda: None)
        for api in (kube._core, kube._policy, kube._apps):
            api.api_client.rest_client.pool_manager = self
        return kube

    def request(self, method: str, url: str, **options: Any) -> Answer:
        """urllib3.PoolManager.request, as kubernetes.client.rest calls it."""
        request = _parsed(method, url, options, self._user)
        fault = self.faults.take(request.verb, request.path, request.user_agent, request.user.name)
        if fault is not None and fault.cut == "reset":
            raise urllib3.exceptions.ProtocolError("Connection aborted.")
        refusal = fault.refusal(request) if fault is not None else None
        if refusal is not None:
            return self._logged(request, refusal.status, refusal.body)
        try:
            authorize(self._store, request.user, request.attempt())
            if request.verb == "watch":
                self._logged(request, 200, {})
                return self._watch(request, fault.watch if fault else "")
            status, body = self._served(request)
        except ApiError as error:
            status, body = error.status, error.body  # type: ignore[assignment]
        answer = self._logged(request, status, body)
        return _cut(answer, fault)

    def _served(self, request: Request) -> tuple[int, Json]:
        """The answer. A webhook that hangs takes no time, since nothing else could happen meanwhile."""
        while True:
            with contextlib.suppress(Delayed):
                return self._operations.answer(request)

    def _logged(self, request: Request, status: int, body: Json | str) -> Answer:
        now = self._clock.now()
        self.audit_log.append(audit.event(request, status, now, now))
        text = body if isinstance(body, str) else json.dumps(body)
        return Answer(status, text.encode(), date_s=now)

    def _watch(self, request: Request, trouble: str) -> Answer:
        """A watch, which sees from now on until it is closed; ``trouble`` is the ``watch`` of a Fault."""
        if self._stepping or trouble in ("expired", "ends"):
            # Within the time that another function's watch lets pass, none else can.
            gone = {"type": "ERROR", "object": expired(0, self._store.version).body}
            return Answer(200, b"", iter([line_of(gone)] if trouble == "expired" else []))
        events: list[Change] = []
        self._open[id(events)] = events
        unsubscribe = self._store.subscribe(events.append)
        answer = Answer(200, b"", self._watched(request, trouble, events))

        def closed() -> None:
            unsubscribe()
            self._open.pop(id(events), None)

        answer.closed = closed
        return answer

    def _watched(self, request: Request, trouble: str, events: list[Change]) -> Iterator[bytes]:
        resource, fits = request.target.resource, predicate(request.target.resource, request.query)
        until = self._clock.now() + float(request.query["timeoutSeconds"])
        if trouble == "cut":
            raise urllib3.exceptions.ProtocolError("Connection broken.")
        while self._step(until):
            if trouble in ("silent", "endless", "buffered"):
                events.clear()
            yield from _lines(events, resource, fits)
            if any(self._open.values()):
                # Another watch of the same function has news.
                yield line_of({"type": "BOOKMARK", "object": {"metadata": {}}})
        yield from _lines(events, resource, fits)

    def _step(self, until: float) -> bool:
        if any(self._open.values()):
            return self._clock.now() < until
        self._stepping = True
        try:
            return self._clock.step(until)
        finally:
            self._stepping = False


def in_turns(streams: Sequence[Iterator[Json]]) -> Iterator[tuple[int, Json]]:
    """adapters.kube.watches.merged in one thread: each stream ends its turn as soon as any has news."""
    while True:
        for number, stream in enumerate(streams):
            event = next(stream, None)
            if event is None:
                return
            yield number, event


def _lines(events: list[Change], resource: Resource, fits: Predicate | None) -> Iterator[bytes]:
    """The lines of a watch for ``events``, which are then removed."""
    for change in events:
        if change.resource is resource and (fits is None or fits(change.object)):
            yield line_of({"type": change.type, "object": change.object})
    events.clear()


def _cut(answer: Answer, fault: Fault | None) -> Answer:
    """The answer as it arrives: a fault may lose all or half of it after the request was served."""
    if fault is None or not fault.cut:
        return answer
    if fault.cut == "lost":
        raise urllib3.exceptions.ReadTimeoutError(None, "", "Read timed out.")  # type: ignore[arg-type]
    return Answer(answer.status, answer.data[: len(answer.data) // 2])


def _parsed(method: str, url: str, options: Json, user: User) -> Request:
    parts = urlsplit(url)
    query = dict(pair.split("=", 1) for pair in parts.query.split("&") if pair)
    query |= {key: str(value) for key, value in options.get("fields") or () if value is not None}
    query = {key: {"True": "true"}.get(value, value) for key, value in query.items()}
    headers = {name.lower(): value for name, value in (options.get("headers") or {}).items()}
    target = target_of(parts.path)
    return Request(
        method=method,
        path=parts.path + (f"?{urlencode(query)}" if query else ""),
        query=query,
        content_type=headers.get("content-type", ""),
        body=(options.get("body") or "").encode(),
        user=user,
        user_agent=headers.get("user-agent", ""),
        target=target,
        verb=verb_of(method, target, query),
    )
