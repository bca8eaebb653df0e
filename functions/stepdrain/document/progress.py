"""How far a drain has come since it began, and which state comes next.

``$.progress`` in the document is small on purpose: counts, at most 20 named blockers, never a
list of pods. Executions that began before this version carry it as ``$.round``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stepdrain import clock
from stepdrain.rules.reasons import counted

FIND_NODE = "FindNode"
EVICT_BATCH, WAIT_FOR_PODS = "EvictBatch", "WaitForPods"
WAIT_FOR_VOLUMES, WAIT_FOR_TARGETS = "WaitForVolumes", "WaitForTargets"
HEARTBEAT, COMPLETE_ACTION = "Heartbeat", "CompleteAction"
HOLD_INSTANCE = "HoldInstance"
HEARTBEATS = (HEARTBEAT, HOLD_INSTANCE)
"""The states that tell Auto Scaling that the drain goes on; both call the function Heartbeat."""


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
    unended: int = 0
    """Pods given up although the node is Ready, since they should have ended long ago."""
    unended_pods: tuple[str, ...] = ()
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
    then: str = EVICT_BATCH
    """Where a heartbeat that comes ``next`` leads back to."""
    asked_at: float | None = None
    """Epoch seconds at which EvictBatch last asked for evictions."""
    asked_after: float | None = None
    """``heartbeat_at`` when it did."""
    staying: int | None = None
    """Pods from before the cordon that EvictBatch found not asked to go when it last looked."""
    refused_since: float | None = None
    """Epoch seconds since which each eviction that seemed possible was refused."""
    heartbeat_tried_at: float | None = None
    """Epoch seconds of the last heartbeat that could not be sent; None if the last one was."""
    heartbeat_failing_since: float | None = None
    """Epoch seconds of the first heartbeat since the last one sent that could not be sent."""
    unanswered_since: float | None = None
    """Epoch seconds since which FindNode, Label or Cordon has failed; None once the node is marked."""
    rolling: tuple[str, ...] = ()
    """Pods that EvictBatch has left to the rollout of their workload, at most reasons.NAMED."""
    unwatched: str = ""
    """Why attempts poll although they should watch, e.g. a proxy holds watches back; "" if they watch."""

    @property
    def probing(self) -> bool:
        """Whether evictions have not been asked for since the last heartbeat: budgets are asked whatever they
        say."""
        # Not by ``asked_at``: the clocks of EvictBatch, of Heartbeat and of Step Functions may differ.
        return self.asked_after is None or int(self.asked_after) != int(self.heartbeat_at)

    @property
    def held_before(self) -> bool:
        """Whether EvictBatch comes back to pods that it has found held since the last heartbeat."""
        return not self.probing and (self.refused_since is not None or bool(self.rolling))

    @property
    def given_up(self) -> tuple[str, ...]:
        """A sentence about the pods that were given up for each reason there is for it."""
        silent = f"since the node's kubelet no longer answers: {'; '.join(self.stuck_pods)}."
        late = f"although the node is Ready: {'; '.join(self.unended_pods)}."
        sentences = ((self.stuck, silent), (self.unended, late))
        return tuple(f"{counted(pods, 'pod', 'were')} given up, {why}" for pods, why in sentences if pods)

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
            "unended": self.unended,
            "unendedPods": list(self.unended_pods),
            "forced": self.forced,
            "forcedPods": list(self.forced_pods),
            "returned": list(self.returned),
            "blockers": list(self.blockers),
            "rolled": list(self.rolled),
            "orphans": list(self.orphans),
            "emptiedAt": _written(self.emptied_at),
            "detached": self.detached,
            "foundAgainIn": self.found_again_in,
            "findings": list(self.findings),
            "then": self.then,
            "askedAt": _written(self.asked_at),
            "askedAfter": _written(self.asked_after),
            "staying": self.staying,
            "refusedSince": _written(self.refused_since),
            "heartbeatTriedAt": _written(self.heartbeat_tried_at),
            "heartbeatFailingSince": _written(self.heartbeat_failing_since),
            "unansweredSince": _written(self.unanswered_since),
            "rolling": list(self.rolling),
            "unwatched": self.unwatched,
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
    return Progress(
        number=document["number"],
        heartbeat_at=max(begun, clock.to_epoch_s(document["heartbeatAt"])),
        evicted=document["evicted"],
        leaving=document["leaving"],
        blocked=document["blocked"],
        stuck=document["stuck"],
        stuck_pods=tuple(document.get("stuckPods", ())),
        unended=document.get("unended", 0),
        unended_pods=tuple(document.get("unendedPods", ())),
        forced=document["forced"],
        forced_pods=tuple(document.get("forcedPods", ())),
        returned=tuple(document.get("returned", ())),
        blockers=tuple(document["blockers"]),
        rolled=tuple(document.get("rolled", ())),
        orphans=tuple(document["orphans"]),
        emptied_at=_read(document, "emptiedAt", begun),
        detached=document.get("detached", False),
        found_again_in=document.get("foundAgainIn"),
        next=document["next"],
        then=document.get("then", EVICT_BATCH),
        asked_at=_read(document, "askedAt"),
        asked_after=_read(document, "askedAfter"),
        staying=document.get("staying"),
        refused_since=_read(document, "refusedSince", begun),
        heartbeat_tried_at=_read(document, "heartbeatTriedAt"),
        heartbeat_failing_since=_read(document, "heartbeatFailingSince", begun),
        unanswered_since=_read(document, "unansweredSince", begun),
        rolling=tuple(document.get("rolling", ())),
        unwatched=document.get("unwatched", ""),
    )


def _written(moment: float | None) -> str:
    return "" if moment is None else clock.to_rfc3339(moment)


def _read(document: Mapping[str, Any], field: str, not_before: float = 0.0) -> float | None:
    """A moment of the document in epoch seconds; None where it is absent or empty."""
    text = document.get(field)
    return max(not_before, clock.to_epoch_s(text)) if text else None
