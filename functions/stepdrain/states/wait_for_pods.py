"""WaitForPods: are the evicted pods gone, and what is to be done next?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from stepdrain.clock import to_rfc3339
from stepdrain.document import progress
from stepdrain.document.progress import Progress, Timing
from stepdrain.document.step import Step
from stepdrain.rules import pods, reasons, stuck_pods, waves
from stepdrain.rules.deadline import SLOWEST_POLL_S, Pace
from stepdrain.rules.pods import Action, Listing, Pod
from stepdrain.rules.reasons import Reason
from stepdrain.states import after_pods

WATCHED_ATTEMPTS = 3
"""Attempts of a visit that hold a watch; later ones only list, and leave staying to the state machine."""
WATCH_S = 15
PAUSES = {Pace.QUICK: 3, Pace.SLOW: 1}
"""Attempts of a visit that only wait where pods come to the node while it is drained: 5 or 228 seconds."""


L = TypeVar("L", bound=Listing)


Warn = Callable[[str, str], None]
"""Writes a Warning on the Node: its reason (reporting.node_events.REASONS), and its message."""


class Cluster(Protocol[L]):
    """What WaitForPods asks of the Kubernetes adapter."""

    def pods_on(self, node: str) -> L: ...
    def watch_until_gone(self, node: str, listing: L, leaving: Iterable[Pod], seconds: int) -> list[Pod]: ...
    def node(self, name: str) -> Mapping[str, Any] | None: ...


@dataclass(frozen=True)
class Seen:
    """The node's pods that count for the drain, by what is to be waited for."""

    staying: list[Pod]
    leaving: list[Pod]
    returned: list[Pod]
    """They tolerate the cordon, and go with the machine."""
    stuck: list[Pod] = field(default_factory=list)
    unended: list[Pod] = field(default_factory=list)
    """Those of ``leaving`` that are long past their grace although their kubelet answers."""

    @property
    def to_evict(self) -> list[Pod]:
        """The pods of this wave that nobody has asked to go; stuck pods hold no wave."""
        return [pod for pod in waves.first([*self.staying, *self.leaving]) if pod.deletion_at is None]


def wait_for_pods(step: Step, cluster: Cluster[L], now: float, warn: Warn) -> Progress:
    """The record with the state that comes next; sends two requests at most: a list, and one more.

        pods of this wave that nobody has asked to go     EvictBatch, after a pause if they are new
        pods of this wave that are terminating            ask again, unless a heartbeat presses
        none left but those that stay or are stuck        what else is waited for, or CompleteAction

    ``warn`` gets the reason and the message of an Event about pods that are long past their grace on a node
    that is Ready, when they become so and at the first attempt of a visit.
    Raises PodsRemaining (or PodsStillRemaining), naming the pods and until when they may take.
    """
    seen = _look(step, cluster, now)
    timing, last = step.timing(now), step.progress.heartbeat_at
    unended = stuck_pods.why_unended(seen.unended)
    if unended and _told_now(seen.unended, step, now):
        warn("PodsOverdue", f"{len(unended)} evicted pods do not end: {'; '.join(reasons.phrases(unended))}")
    here = replace(
        step.progress,
        leaving=len(seen.leaving),
        stuck=len(seen.stuck),
        stuck_pods=stuck_pods.names(seen.stuck),
        returned=tuple(reasons.phrases([_why_left(pod, step) for pod in seen.returned])),
        blocked=min(step.progress.blocked, len(seen.staying)),
    )
    pause = _pause(seen, step, timing)
    if seen.to_evict and not pause:
        return replace(here, next=timing.onward(progress.EVICT_BATCH, last))
    if not seen.to_evict and not seen.leaving:
        return _emptied(step, here, timing)
    if timing.must_yield(last):
        blockers = tuple(reasons.phrases(unended)) or here.blockers
        return replace(here, next=progress.HEARTBEAT, blockers=blockers)
    raise progress.REMAINING[timing.at](pause or _sentence(seen, unended))


def _told_now(unended: list[Pod], step: Step, now: float) -> bool:
    """At the first attempt, and when a pod has become one of them since the attempt before, or nearly so."""
    recent = now - 2 * SLOWEST_POLL_S
    return step.attempt == 0 or any(stuck_pods.named_from(pod, step.policy) > recent for pod in unended)


def _pause(seen: Seen, step: Step, timing: Timing) -> str:
    """Why the eviction of pods that came after the cordon is put off, "" if it is not.

    Where the cordon was lifted, or a controller names the node in its pods, each evicted pod has a
    successor at once: without a pause a drain would use up its history in minutes (G8).
    """
    young = [pod for pod in seen.to_evict if pod.created_at >= step.cordoned_at]
    if not young or step.attempt >= PAUSES[timing.at]:
        return ""
    named = "; ".join(reasons.phrases([Reason(pod.key, "is to be evicted next") for pod in young]))
    return f"{len(young)} pods came to the node after its cordon: {named}"


def _emptied(step: Step, here: Progress, timing: Timing) -> Progress:
    since = timing.now if here.emptied_at is None else here.emptied_at
    empty = replace(here, emptied_at=since, blocked=0, blockers=())
    return replace(empty, next=after_pods.following(step, empty, timing))


def _look(step: Step, cluster: Cluster[L], now: float) -> Seen:
    node = step.node
    listing = cluster.pods_on(node.name)
    seen = _sorted(listing.pods, step)
    late = stuck_pods.overdue(seen.leaving, step.policy, now)
    if late:
        # Instead of a watch, so that an attempt stays at two requests.
        given_up = late if stuck_pods.silent(cluster.node(node.name), node.uid) else []
        leaving = [pod for pod in seen.leaving if pod not in given_up]
        unended = [] if given_up else stuck_pods.unended(late, step.policy, now)
        return replace(seen, leaving=leaving, stuck=given_up, unended=unended)
    if seen.leaving and not seen.to_evict and step.attempt < WATCHED_ATTEMPTS:
        awaited = waves.first(seen.leaving)
        return _sorted(cluster.watch_until_gone(node.name, listing, awaited, WATCH_S), step)
    return seen


def _sorted(listed: list[Pod], step: Step) -> Seen:
    by_action = after_pods.sort(listed, step)
    returned = [pod for pod in by_action[Action.LEAVE] if pods.returned(pod, step.cordoned_at)]
    return Seen(by_action[Action.EVICT] + by_action[Action.REFUSE], by_action[Action.WAIT], returned)


def _why_left(pod: Pod, step: Step) -> Reason:
    return Reason(pod.key, pods.verdict(pod, step.policy, since=step.cordoned_at).reason)


def _sentence(seen: Seen, unended: list[Reason]) -> str:
    others = [pod for pod in seen.leaving if pod not in seen.unended]
    slowest = sorted(others, key=lambda pod: -(pod.deletion_at or 0))
    named = [Reason(pod.key, f"has until {to_rfc3339(pod.deletion_at or 0)}") for pod in slowest]
    phrases = "; ".join(reasons.phrases([*unended, *named]))
    return f"{len(seen.leaving)} evicted pods are still on the node: {phrases}"
