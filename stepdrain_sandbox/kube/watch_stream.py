"""A watch on its connection, and what a proxy or a bad night makes of it."""

from __future__ import annotations

from stepdrain_sandbox.clock import Clock
from stepdrain_sandbox.kube.exchange import ClientGone, Exchange
from stepdrain_sandbox.kube.faults import Fault
from stepdrain_sandbox.kube.requests import Request
from stepdrain_sandbox.kube.status import expired
from stepdrain_sandbox.kube.store import Store
from stepdrain_sandbox.kube.watches import LONGEST_S, Watch, line_of


class WatchStream:
    """Sends a watch's events as they come, or as the fault (its ``watch``) has it."""

    def __init__(
        self, store: Store, clock: Clock, request: Request, exchange: Exchange, fault: Fault | None
    ) -> None:
        self._watch = Watch(store, clock, request, exchange.call)
        self._store, self._exchange = store, exchange
        self._fault = fault if fault is not None and (fault.watch or fault.cut) else Fault()

    async def run(self) -> None:
        """Send the head, the events and the end."""
        exchange = self._exchange
        exchange.listen()
        match self._fault.watch or self._fault.cut:
            case "buffered":
                await self._buffered()
                return
            case "endless":
                await exchange.begin_stream()
                await exchange.pass_time(min(exchange.patience_s + 1, LONGEST_S))
            case "cut" | "truncate":
                await self._cut()
                return
        await exchange.begin_stream()
        match self._fault.watch:
            case "silent":
                await exchange.pass_time(self._watch.lasts_s)
            case "expired":
                gone = expired(self._watch.since, self._store.version)
                await exchange.send_part(line_of({"type": "ERROR", "object": gone.body}))
            case "":
                await self._watch.run(exchange.send_part, exchange.disconnected)
        if not exchange.disconnected.is_set():
            await exchange.send_part(b"", more=False)

    async def _buffered(self) -> None:
        """All at the end, the head as well: the client hears nothing for the whole time of the watch."""
        held: list[bytes] = []

        async def hold(part: bytes) -> None:
            held.append(part)

        exchange = self._exchange
        if exchange.patience_s < self._watch.lasts_s:
            await exchange.pass_time(self._watch.lasts_s)
        await self._watch.run(hold, exchange.disconnected)
        if exchange.disconnected.is_set():
            raise ClientGone
        await exchange.begin_stream()
        await exchange.send_part(b"".join(held), more=False)

    async def _cut(self) -> None:
        exchange = self._exchange
        await exchange.begin_stream()
        await exchange.pass_time(self._fault.hangs_s)
        await exchange.reset()
