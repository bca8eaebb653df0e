"""How far a drain has come since it began, and which state comes next.

``$.progress`` in the document is small on purpose: counts, at most 20 named blockers, never a
list of pods. Executions that began before this version carry it as ``$.round``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stepdrain import clock
from stepdrain.errors import (
    Blocked,
    DrainError,
    EvictionBlocked,
    EvictionStillBlocked,
    PodsRemaining,
    PodsStillRemaining,
    TargetsDraining,
    TargetsStillDraining,
    VolumesAttached,
    VolumesStillAttached,
)
from stepdrain.rules import deadline
from stepdrain.rules.deadline import SLOWEST_POLL_S, Hook, Pace

FIND_NODE = "FindNode"
EVICT_BATCH, WAIT_FOR_PODS = "EvictBatch", "WaitForPods"
WAIT_FOR_VOLUMES, WAIT_FOR_TARGETS = "WaitForVolumes", "WaitForTargets"
HEARTBEAT, COMPLETE_ACTION = "Heartbeat", "CompleteAction"

BLOCKED: dict[Pace, type[Blocked]] = {Pace.QUICK: EvictionBlocked, Pace.SLOW: EvictionStillBlocked}
REMAINING: dict[Pace, type[DrainError]] = {Pace.QUICK: PodsRemaining, Pace.SLOW: PodsStillRemaining}
ATTACHED: dict[Pace, type[DrainError]] = {Pace.QUICK: VolumesAttached, Pace.SLOW: VolumesStillAttached}
DRAINING: dict[Pace, type[DrainError]] = {Pace.QUICK: TargetsDraining, Pace.SLOW: TargetsStillDraining}


@dataclass(frozen=True)
class Progress:
    """The record of the drain so far; all numbers are counts of pods, except ``number``."""

    number: int
    """Heartbeats sent so far."""
    heartbeat_at: float
    """Epoch seconds of the last heartbeat, at first of the start or redrive."""
    evicted: int = 0
    """Evictions accepted since the start."""
    leaving: int = 0
    blocked: int = 0
    stuck: int = 0
    """Pods given up because the node's kubelet no longer answers."""
    stuck_pods: tuple[str, ...] = ()
    """The first 20 of them as phrases."""
    forced: int = 0
    """Pods deleted past their budgets because the policy said force."""
    forced_pods: tuple[str, ...] = ()
    """The first 20 of them as phrases."""
    returned: tuple[str, ...] = ()
    """The first 20 pods, as phrases, that tolerate the cordon and came back."""
    blockers: tuple[str, ...] = ()
    rolled: tuple[str, ...] = ()
    """The first 20 workloads (``namespace/name``) that this drain has restarted; none of them twice."""
    orphans: tuple[str, ...] = ()
    """UIDs of DaemonSet pods whose DaemonSet is gone."""
    emptied_at: float | None = None
    """Epoch seconds since which nothing but DaemonSets' and static pods is on the node; None if more is."""
    detached: bool = False
    """Since then WaitForVolumes has found no volume of a pod that has left."""
    found_again_in: int | None = -1
    """The ``number`` at which the drain last went back to find and mark its node again; -1: never. None: its
    execution's definition knows no way back."""
    next: str = WAIT_FOR_PODS
    findings: tuple[Mapping[str, Any], ...] = ()
    """What the states before have found out, in a rehearsal."""

    def to_document(self) -> dict[str, Any]:
        """``$.progress`` as a function returns it."""
        return {
            "number": self.number,
            "heartbeatAt": clock.to_rfc3339(self.heartbeat_at),
            "next": self.next,
            "evicted": self.evicted,
            "leaving": self.leaving,
            "blocked": self.blocked,
            "stuck": self.stuck,
            "stuckPods": list(self.stuck_pods),
            "forced": self.forced,
            "forcedPods": list(self.forced_pods),
            "returned": list(self.returned),
            "blockers": list(self.blockers),
            "rolled": list(self.rolled),
            "orphans": list(self.orphans),
            "emptiedAt": "" if self.emptied_at is None else clock.to_rfc3339(self.emptied_at),
            "detached": self.detached,
            "foundAgainIn": self.found_again_in,
            "findings": list(self.findings),
        }


def recorded(drain: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The progress in a drain's document, which executions of the version before carry as ``round``."""
    found: Mapping[str, Any] | None = drain.get("progress") or drain.get("round")
    return found


def from_document(document: Mapping[str, Any] | None, begun_at: str) -> Progress:
    """The record in ``$.progress``; a drain that has none yet begins one at ``begun_at`` (RFC 3339).

    After a redrive the last heartbeat may lie long before the redrive; only what this
    run of the drain has sent counts, so the later of both times is taken; the same goes
    for the time since which the node is empty, so that a person who redrives sees it ask often.
    """
    begun = clock.to_epoch_s(begun_at)
    if document is None:
        return Progress(0, begun)
    emptied_at = document.get("emptiedAt")
    return Progress(
        number=document["number"],
        heartbeat_at=max(begun, clock.to_epoch_s(document["heartbeatAt"])),
        evicted=document["evicted"],
        leaving=document["leaving"],
        blocked=document["blocked"],
        stuck=document["stuck"],
        stuck_pods=tuple(document.get("stuckPods", ())),
        forced=document["forced"],
        forced_pods=tuple(document.get("forcedPods", ())),
        returned=tuple(document.get("returned", ())),
        blockers=tuple(document["blockers"]),
        rolled=tuple(document.get("rolled", ())),
        orphans=tuple(document["orphans"]),
        emptied_at=max(begun, clock.to_epoch_s(emptied_at)) if emptied_at else None,
        detached=document.get("detached", False),
        found_again_in=document.get("foundAgainIn"),
        next=document["next"],
    )


@dataclass(frozen=True)
class Timing:
    """When the drain stands where; epoch seconds."""

    now: float
    deadline: float
    hook: Hook | None
    at: Pace
    yields_at: float
    """From here on every waiting state gives way to Heartbeat; infinite under onTimeout: force."""
    interrupted: bool = False
    """The deadline is the moment at which EC2 takes the instance."""

    def must_yield(self, last_heartbeat: float, longest_pause_s: int = SLOWEST_POLL_S) -> bool:
        """Whether a state with nothing to show for must give way to Heartbeat.

        ``longest_pause_s``: between two attempts of the state at the slow pace.
        """
        return deadline.heartbeat_pressing(
            self.now, last_heartbeat, self.at, self.hook, self.yields_at, longest_pause_s
        )

    def enter(self, state: str, last_heartbeat: float) -> str:
        """``state``, which waits for what lags behind the pods; Heartbeat first if there is no time for it.

        Not each time that one is due: mostly there is nothing to wait for, and the drain is over.
        """
        late = deadline.late_for_the_aftermath(self.now, last_heartbeat, self.hook)
        return HEARTBEAT if late else state

    def onward(self, state: str, last_heartbeat: float) -> str:
        """``state``, or Heartbeat first when one is due or the deadline is over."""
        due = deadline.heartbeat_due(self.now, last_heartbeat, self.hook) or self.now >= self.yields_at
        return HEARTBEAT if due else state
