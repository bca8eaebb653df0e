"""An HTTP request on its connection: its duration, its client's patience, and its end."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from stepdrain_sandbox.clock import Clock, VirtualClock
from stepdrain_sandbox.kube.callers import PATIENCE, Call
from stepdrain_sandbox.kube.traffic import CONNECTION

FOR_EVER = float("inf")


class ClientGone(Exception):
    """The client has closed the connection: the server stops the request without an answer."""


class Exchange:
    """A request that is being answered; all methods are called in the event loop."""

    def __init__(self, clock: Clock, http: HttpRequest, send: Any, call: Call) -> None:
        self.clock, self.http, self.send, self.call = clock, http, send, call
        self.received_at = clock.now()
        self._listener: asyncio.Task[None] | None = None
        self.disconnected = asyncio.Event()

    @property
    def patience_s(self) -> float:
        """Seconds on the world's clock for which the client waits for the next byte.

        On a clock that runs with the wall, its own timeout ends it.
        """
        if not isinstance(self.clock, VirtualClock):
            return FOR_EVER
        return float(self.http.headers.get(PATIENCE, FOR_EVER))

    def listen(self) -> None:
        """From now on, set ``disconnected`` when the client goes; the body must have been read."""
        if self._listener is None:
            self._listener = asyncio.ensure_future(self._listen())

    async def _listen(self) -> None:
        while (await self.http.receive())["type"] != "http.disconnect":
            pass
        self.disconnected.set()

    def close(self) -> None:
        """The exchange is over."""
        if self._listener is not None:
            self._listener.cancel()
        self.call.end()

    async def pass_time(self, seconds: float) -> None:
        """Let the client wait; raises ClientGone if it goes, or if its timeout is over."""
        if seconds <= 0:
            return
        self.listen()
        await self._until(self.clock.now() + min(seconds, self.patience_s))
        if self.disconnected.is_set() or self.patience_s < seconds:
            await self.reset()
            raise ClientGone

    async def _until(self, at: float) -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            self.call.wake()
            loop.call_soon_threadsafe(over.set)

        timer = self.clock.call_at(at, wake)
        self.call.wait()
        ends = [asyncio.ensure_future(event.wait()) for event in (over, self.disconnected)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        timer.cancel()
        for end in ends:
            end.cancel()
        if over.is_set():
            self.call.took()

    def _date(self) -> str:
        """Go's server dates each answer (net/http); the cluster's time is the clock's."""
        return formatdate(self.clock.now(), usegmt=True)

    async def respond(self, response: Response) -> None:
        """Send a whole answer."""
        response.headers["date"] = self._date()
        await response(self.http.scope, self.http.receive, self.send)

    async def begin_stream(self) -> None:
        """Send the head of a watch."""
        headers = [(b"content-type", b"application/json"), (b"date", self._date().encode())]
        await self.send({"type": "http.response.start", "status": 200, "headers": headers})

    async def send_part(self, part: bytes, *, more: bool = True) -> None:
        """Send lines of a watch."""
        if part:
            self.call.sent()
        await self.send({"type": "http.response.body", "body": part, "more_body": more})

    async def truncated(self, response: Response) -> None:
        """Announce the whole body, send half of it, and close the connection."""
        response.headers["date"] = self._date()
        head = {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
        await self.send(head)
        await self.send_part(response.body[: len(response.body) // 2], more=False)

    async def reset(self) -> None:
        """Close the connection without another byte."""
        # ASGI cannot do this; uvicorn's transport can.
        self.http.scope[CONNECTION].transport.abort()
        await asyncio.sleep(0)
