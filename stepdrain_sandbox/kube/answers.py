"""Handles each HTTP request: authentication, authorization, the answer, the audit log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from stepdrain_sandbox.clock import Clock
from stepdrain_sandbox.kube import audit, discovery, tables
from stepdrain_sandbox.kube.callers import CALLER, NUMBER, Callers
from stepdrain_sandbox.kube.cluster import Cluster
from stepdrain_sandbox.kube.dynamic_admission import Delayed
from stepdrain_sandbox.kube.exchange import ClientGone, Exchange
from stepdrain_sandbox.kube.faults import Fault, Faults
from stepdrain_sandbox.kube.operations import Operations
from stepdrain_sandbox.kube.rbac import User, authorize
from stepdrain_sandbox.kube.requests import Request, target_of, verb_of
from stepdrain_sandbox.kube.status import ApiError, unauthorized
from stepdrain_sandbox.kube.tokens import Tokens
from stepdrain_sandbox.kube.watch_stream import WatchStream

Json = dict[str, Any]
LOG = logging.getLogger(__name__)


class App:
    """The ASGI application."""

    def __init__(
        self, clock: Clock, cluster: Cluster, tokens: Tokens, faults: Faults, log: Callable[[Json], None]
    ) -> None:
        self._clock, self._cluster, self._tokens = clock, cluster, tokens
        self._faults, self._log = faults, log
        self._operations = Operations(cluster.store, tokens, cluster.admission)
        self.callers = Callers(clock)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        http = HttpRequest(scope, receive)
        call = self.callers.call(http.headers.get(CALLER, ""), http.headers.get(NUMBER, ""))
        exchange = Exchange(self._clock, http, send, call)
        try:
            await self._answer(exchange)
        finally:
            exchange.close()

    async def _answer(self, exchange: Exchange) -> None:
        http, body = exchange.http, await exchange.http.body()
        try:
            user = self._tokens.user(http.headers.get("authorization", ""))
            if user is None:
                raise unauthorized()
            answer = discovery.answer(http.url.path, http.method)
            if answer is not None:
                await exchange.respond(_json(200, answer))
                return
            request = _understand(http, user, body)
        except ApiError as error:
            await exchange.respond(_refusal(error))
            return
        with contextlib.suppress(ClientGone):
            await self._respond(request, exchange)

    async def _respond(self, request: Request, exchange: Exchange) -> None:
        fault = self._faults.take(request.verb, request.path, request.user_agent, request.user.name)
        if fault is not None and not await self._survives(fault, request, exchange):
            return
        try:
            authorize(self._cluster.store, request.user, request.attempt())
            if request.verb == "watch":
                await self._watch(request, exchange, fault)
                return
            status, body = await self._answered(request, exchange)
            response = _json(status, tables.shaped(request, body, self._clock.now()))
        except ApiError as error:
            status, response = error.status, _refusal(error)
        self._note(request, status, exchange.received_at)
        if fault is not None and fault.cut == "truncate":
            await exchange.truncated(response)
            return
        await exchange.respond(response)

    async def _answered(self, request: Request, exchange: Exchange) -> tuple[int, Json]:
        while True:
            try:
                return self._operations.answer(request)
            except Delayed as delayed:
                await exchange.pass_time(delayed.seconds)

    async def _survives(self, fault: Fault, request: Request, exchange: Exchange) -> bool:
        """Apply the fault; returns True if the real answer follows."""
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if not fault.watch:
            await exchange.pass_time(fault.hangs_s)
        if fault.cut == "reset":
            await exchange.reset()
            return False
        refusal = fault.refusal(request)
        if refusal is not None:
            self._note(request, refusal.status, exchange.received_at)
            await exchange.respond(_refusal(refusal))
            return False
        return True

    async def _watch(self, request: Request, exchange: Exchange, fault: Fault | None) -> None:
        stream = WatchStream(self._cluster.store, self._clock, request, exchange, fault)
        self._note(request, 200, exchange.received_at)
        await stream.run()

    def _note(self, request: Request, status: int, received_at: float) -> None:
        self._log(audit.event(request, status, received_at, self._clock.now()))


def _understand(http: HttpRequest, user: User, body: bytes) -> Request:
    target = target_of(http.url.path)
    query = dict(http.query_params)
    return Request(
        method=http.method,
        path=http.url.path + (f"?{http.url.query}" if http.url.query else ""),
        query=query,
        content_type=http.headers.get("content-type", "").split(";")[0].strip(),
        body=body,
        user=user,
        user_agent=http.headers.get("user-agent", ""),
        target=target,
        verb=verb_of(http.method, target, query),
        accept=http.headers.get("accept", ""),
    )


def _json(status: int, body: Json) -> Response:
    return Response(json.dumps(body, separators=(",", ":")), status, media_type="application/json")


def _refusal(error: ApiError) -> Response:
    if isinstance(error.body, str):
        return Response(error.body, error.status, error.headers, media_type="text/plain")
    response = _json(error.status, error.body)
    response.headers.update(error.headers)
    return response
