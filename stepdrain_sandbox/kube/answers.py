"""From HTTP to the store and back: who asks, may they, what is the answer, what is logged."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from stepdrain_sandbox.clock import Clock
from stepdrain_sandbox.kube import audit, discovery, tables
from stepdrain_sandbox.kube.faults import Fault, Faults
from stepdrain_sandbox.kube.operations import Operations
from stepdrain_sandbox.kube.rbac import User, authorize
from stepdrain_sandbox.kube.requests import Request, target_of, verb_of
from stepdrain_sandbox.kube.status import ApiError, unauthorized
from stepdrain_sandbox.kube.store import Store
from stepdrain_sandbox.kube.tokens import Tokens
from stepdrain_sandbox.kube.watches import Watch

Json = dict[str, Any]
LOG = logging.getLogger(__name__)


class App:
    """The ASGI application."""

    def __init__(
        self, clock: Clock, store: Store, tokens: Tokens, faults: Faults, log: Callable[[Json], None]
    ) -> None:
        self._clock, self._store, self._tokens, self._faults, self._log = clock, store, tokens, faults, log
        self._operations = Operations(store, tokens)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        received_at = self._clock.now()
        http = HttpRequest(scope, receive)
        body = await http.body()
        try:
            user = self._tokens.user(http.headers.get("authorization", ""))
            if user is None:
                raise unauthorized()
            answer = discovery.answer(http.url.path, http.method, user, body, self._store)
            if answer is not None:
                await _json(200 if http.method == "GET" else 201, answer)(scope, receive, send)
                return
            request = _understand(http, user, body)
        except ApiError as error:
            await _refusal(error)(scope, receive, send)
            return
        await self._respond(request, received_at, scope, receive, send)

    async def _respond(
        self, request: Request, received_at: float, scope: Any, receive: Any, send: Any
    ) -> None:
        fault = self._faults.take(request.verb, request.path, request.user_agent)
        if fault is not None and not await self._survives(fault, request, received_at, scope, receive, send):
            return
        try:
            authorize(self._store, request.user, request.attempt())
            if request.verb == "watch":
                self._note(request, 200, received_at)
                await self._watch(request, receive, send)
                return
            status, body = self._operations.answer(request)
            response = _json(status, tables.shaped(request, body, self._clock.now()))
        except ApiError as error:
            status, response = error.status, _refusal(error)
        self._note(request, status, received_at)
        if fault is not None and fault.cut == "truncate":
            await _truncated(response, send)
            return
        await response(scope, receive, send)

    async def _survives(
        self, fault: Fault, request: Request, received_at: float, scope: Any, receive: Any, send: Any
    ) -> bool:
        """Play the fault; True if the real answer follows it."""
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault.cut == "reset":
            _reset(send)
            return False
        if fault.status:
            self._note(request, fault.status, received_at)
            await _refusal(ApiError(fault.status, fault.body, fault.headers))(scope, receive, send)
            return False
        return True

    async def _watch(self, request: Request, receive: Any, send: Any) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"application/json")],
            }
        )
        disconnected = asyncio.Event()

        async def listen() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            disconnected.set()

        async def send_line(line: bytes) -> None:
            await send({"type": "http.response.body", "body": line, "more_body": True})

        listener = asyncio.ensure_future(listen())
        try:
            await Watch(self._store, self._clock, request).run(send_line, disconnected)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            listener.cancel()

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


def _reset(send: Any) -> None:
    # ASGI has no word for it; uvicorn's ``send`` is a method of the object that holds the connection.
    send.__self__.transport.abort()


async def _truncated(response: Response, send: Any) -> None:
    """Announce the whole body and send half of it: the connection is then closed."""
    await send(
        {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
    )
    part = response.body[: len(response.body) // 2]
    await send({"type": "http.response.body", "body": part, "more_body": False})
