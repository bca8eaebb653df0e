"""Bursts: drains of one group take turns under a limit, in order of arrival.

Every dying node is labelled and cordoned at once, so that no evicted pod lands on the next victim;
only evictions wait. The limit is a number of slots in a DynamoDB table, each held by one drain under a
lease: a conditional write gives a slot to one drain alone, and a drain that has died frees its slot when
its lease runs out. A ticket, written at the first attempt, keeps the place in the queue.

    groupName   entry                                   holder          expiresAt (epoch seconds, TTL)
    workers     slot#000                                i-1…-87654321   1767226500
    workers     ticket#2026-01-01T00:00:05Z#i-2…-…      i-2…-…          1767226500
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from stepdrain.clock import to_rfc3339
from stepdrain.document.step import Step
from stepdrain.errors import DrainError, NotYourTurn
from stepdrain.rules import reasons
from stepdrain.rules.reasons import Reason, counted
from stepdrain.states import waiting

SILENCE_S, SHORTEST_HALF_S = 900, 300
"""Seconds that a lease lasts beyond half of the heartbeat timeout, and the least that counts as that half."""
SLOT, TICKET = "slot#", "ticket#"


@dataclass(frozen=True)
class Entry:
    """A row of the table; ``expires_at`` in epoch seconds."""

    group: str
    entry: str
    holder: str
    expires_at: float


class Ledger(Protocol):
    """What is asked of the AWS adapter, for one table."""

    def entries(self, group: str) -> list[Entry]: ...
    def put(self, entry: Entry, now: float) -> bool: ...
    def drop(self, entry: Entry) -> None: ...


def lease_s(heartbeat_timeout_s: float) -> float:
    """Seconds for which a drain has its turn without a word.

    Longer than EvictBatch can stay away between two attempts, which goes with the hook's heartbeat
    timeout, in seconds (statemachine/arithmetic.py, longest_silence_s): each heartbeat leads to it.
    """
    return max(heartbeat_timeout_s / 2, SHORTEST_HALF_S) + SILENCE_S


def limited(step: Step, now: float) -> bool:
    """Whether the drain has to take turns: not without a group, and not when EC2 takes the instance."""
    grouped = step.lifecycle is not None and step.policy.max_concurrent_drains > 0
    return grouped and not step.timing(now).interrupted


def take(step: Step, ledger: Ledger, now: float) -> None:
    """Take or renew the drain's turn; raises NotYourTurn (or StillNotYourTurn), naming who goes first."""
    group = str((step.lifecycle or {})["group"])
    live = [entry for entry in ledger.entries(group) if entry.expires_at > now]
    if not _claims(step, group, live, ledger, now):
        raise waiting.not_yet(NotYourTurn, _sentence(step, live), step.timing(now))


def release(step: Step, ledger: Ledger) -> str | None:
    """Give up the drain's slot and place; None, or why not, for the log: the lease runs out by itself."""
    try:
        for entry in ledger.entries(str((step.lifecycle or {})["group"])):
            if entry.holder == step.name:
                ledger.drop(entry)
    except DrainError as error:
        return f"The turn could not be given up: {error} It ends with its lease."
    return None


def _claims(step: Step, group: str, live: Sequence[Entry], ledger: Ledger, now: float) -> bool:
    until = now + lease_s((step.lifecycle or {})["heartbeatTimeout"])
    slots = {entry.entry: entry for entry in live if entry.entry.startswith(SLOT)}
    for own in (entry for entry in slots.values() if entry.holder == step.name):
        return ledger.put(replace(own, expires_at=until), now)
    ticket = Entry(group, f"{TICKET}{to_rfc3339(step.begun_at)}#{step.name}", step.name, until)
    ledger.put(ticket, now)
    names = [f"{SLOT}{number:03d}" for number in range(step.policy.max_concurrent_drains)]
    free, ahead = [name for name in names if name not in slots], _ahead(ticket, live)
    return len(ahead) < len(free) and ledger.put(replace(ticket, entry=free[len(ahead)]), now)


def _ahead(ticket: Entry, live: Sequence[Entry]) -> list[Entry]:
    """Those that came earlier and still wait."""
    running = {entry.holder for entry in live if entry.entry.startswith(SLOT)}
    waiting = [entry for entry in live if entry.entry.startswith(TICKET) and entry.holder not in running]
    return [entry for entry in waiting if entry.entry < ticket.entry]


def _sentence(step: Step, live: Sequence[Entry]) -> str:
    running = [Reason(entry.holder, "is draining") for entry in live if entry.entry.startswith(SLOT)]
    named = "; ".join(reasons.phrases(running)) or "drains that came earlier"
    most = step.policy.max_concurrent_drains
    return (
        f"At most {counted(most, 'drain')} of the group may evict at once (maxConcurrentDrains); the "
        f"node is cordoned and waits for its turn behind: {named}."
    )
