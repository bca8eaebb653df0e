"""WaitForPods: are the evicted pods gone, and what is to be done next?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol, TypeVar

from drain import evictions, pods, rounds, waves
from drain.budgets import Blocker
from drain.clock import to_rfc3339
from drain.invocation import Step
from drain.pods import Action, Pod
from drain.rounds import Round

WATCHED_ATTEMPTS = 3
"""Attempts of a visit that hold a watch; later ones only list, and leave staying to the state machine."""
WATCH_S = 15


class Listing(Protocol):
    """A node's pods at one moment."""

    @property
    def pods(self) -> list[Pod]: ...


L = TypeVar("L", bound=Listing)


class Cluster(Protocol[L]):
    """What WaitForPods asks of the Kubernetes adapter."""

    def pods_on(self, node: str) -> L: ...
    def watch_until_gone(self, node: str, listing: L, leaving: Iterable[Pod], seconds: int) -> list[Pod]: ...


def wait_for_pods(step: Step, cluster: Cluster[L], now: float) -> Round:
    """The record with the state that comes next; asks for the pods once, and may hold one watch.

        pods of this wave that nobody has asked to go     EvictBatch
        pods of this wave that are terminating            ask again, unless a heartbeat presses
        none left but those that stay                     CompleteAction

    Raises PodsRemaining (or PodsStillRemaining), naming the pods and until when they may take.
    """
    staying, leaving = _look(step, cluster)
    timing, last = step.timing(now), step.round.heartbeat_at
    here = replace(step.round, leaving=len(leaving), blocked=min(step.round.blocked, len(staying)))
    if _to_evict(staying, leaving):
        return replace(here, next=timing.onward(rounds.EVICT_BATCH, last))
    if not leaving:
        return replace(here, next=rounds.COMPLETE_ACTION, blocked=0, blockers=())
    if timing.must_yield(last):
        return replace(here, next=rounds.HEARTBEAT)
    raise rounds.REMAINING[timing.at](_sentence(leaving))


def _to_evict(staying: list[Pod], leaving: list[Pod]) -> bool:
    return any(pod.deletion_at is None for pod in waves.first([*staying, *leaving]))


def _look(step: Step, cluster: Cluster[L]) -> tuple[list[Pod], list[Pod]]:
    node = step.the_node.name
    listing = cluster.pods_on(node)
    staying, leaving = _sort(listing.pods, step)
    if leaving and not _to_evict(staying, leaving) and step.attempt < WATCHED_ATTEMPTS:
        awaited = waves.first(leaving)
        return _sort(cluster.watch_until_gone(node, listing, awaited, WATCH_S), step)
    return staying, leaving


def _sort(seen: list[Pod], step: Step) -> tuple[list[Pod], list[Pod]]:
    sorted_pods = pods.sort(seen, step.policy, step.round.orphans, step.begun_at)
    return sorted_pods[Action.EVICT] + sorted_pods[Action.REFUSE], sorted_pods[Action.WAIT]


def _sentence(leaving: list[Pod]) -> str:
    slowest = sorted(leaving, key=lambda pod: -(pod.deletion_at or 0))
    named = [Blocker(pod.key, f"has until {to_rfc3339(pod.deletion_at or 0)}") for pod in slowest]
    return f"{len(leaving)} evicted pods are still on the node: {'; '.join(evictions.name_blockers(named))}"
