"""How many bytes each client sent and was sent: bodies alone, without headers and TLS."""

from __future__ import annotations

from collections import Counter
from typing import Any

CONNECTION = "stepdrain_sandbox.connection"
"""Where the scope of a request keeps uvicorn's object for it, whose ``transport`` can be cut."""


class Traffic:
    """Stands before the application and counts by the first word of the User-Agent (``kubectl``)."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.received: Counter[str] = Counter()
        """Bytes of request bodies."""
        self.sent: Counter[str] = Counter()
        """Bytes of answers, those of watches among them."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        client = headers.get(b"user-agent", b"").decode("latin-1").split("/")[0]

        async def counted_receive() -> Any:
            message = await receive()
            self.received[client] += len(message.get("body", b""))
            return message

        async def counted_send(message: Any) -> None:
            self.sent[client] += len(message.get("body", b""))
            await send(message)

        await self._app({**scope, CONNECTION: send.__self__}, counted_receive, counted_send)
