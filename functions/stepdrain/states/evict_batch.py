"""EvictBatch: one list of the node's pods, one of the budgets, and the evictions that can succeed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from stepdrain.document import progress
from stepdrain.document.progress import Progress
from stepdrain.document.step import Step
from stepdrain.errors import DrainRefused
from stepdrain.rules import pods, reasons, waves
from stepdrain.rules.pods import Action, Listing, Pod
from stepdrain.rules.reasons import Reason
from stepdrain.states import batch, remaining_pods, routes, waiting
from stepdrain.states.batch import Moved
from stepdrain.states.waiting_events import Warn

QUIET_S = 300
"""After so many seconds without a request to evict, a refusal begins to count anew."""


Held = Callable[[Sequence[Pod], Sequence[Reason]], None]
"""Gets the pods that are to go, and by name those that cannot, with what holds each."""
Evicted = Callable[[Sequence[Pod]], None]
"""Gets the pods whose eviction was accepted."""


class Cluster(batch.Cluster, Protocol):
    """What EvictBatch asks of the Kubernetes adapter."""

    def pods_on(self, node: str) -> Listing: ...
    def daemonsets(self) -> set[tuple[str, str]] | None: ...


def evict_batch(
    step: Step,
    cluster: Cluster,
    now: float,
    warn: Warn,
    held: Held | None = None,
    evicted: Evicted | None = None,
    *,
    for_deadline: bool = False,
) -> Progress:
    """Evict what can be evicted now; the record says how many, and who was blocked by what.

    It never waits: what could not go is waited for in WaitForPods. ``for_deadline`` restricts it to the pods
    whose grace would not fit any more. ``warn`` gets the reason and the message of an Event, at the beginning
    of a drain: about annotations that cannot be read, and about pods that no eviction can move, since two
    budgets select them. ``held`` is called if no pod could be evicted, and budgets or webhooks hold some;
    ``evicted`` if some were, also before an error.
    Raises DrainRefused before anything is evicted if the policy forbids a pod's eviction; the errors of
    ``eviction_answers.Tally.error`` if the API refused; EvictionBlocked (or EvictionStillBlocked) if nothing
    could be evicted and the execution runs on the first definition.
    """
    timing = step.timing(now)
    everything = cluster.pods_on(step.node.name).pods
    orphans = step.progress.orphans or _orphans(everything, step, cluster)
    sorted_pods = pods.sort(everything, step.policy, orphans, step.cordoned_at)
    leaving = remaining_pods.awaited(sorted_pods, step, now)
    empty = _empty([*sorted_pods[Action.EVICT], *leaving], orphans)
    detached = step.progress.detached and empty
    known = replace(step.progress, orphans=tuple(orphans), detached=detached, unanswered_since=None)
    sorted_pods = remaining_pods.hold_daemonsets(sorted_pods, step.policy, known)
    _refuse(sorted_pods[Action.REFUSE], step)
    if not batch.begun(step) and (unreadable := waves.unreadable(sorted_pods[Action.EVICT])):
        warn("AnnotationIgnored", "; ".join(unreadable))
    staying = sorted_pods[Action.EVICT]
    moved = batch.move(staying, leaving, step, cluster, timing, warn, for_deadline=for_deadline)
    if evicted and moved.evicted:
        evicted(moved.evicted)
    if error := moved.tally.error():
        raise error
    if held and moved.tally.blocked and not moved.tally.evicted:
        held(staying, moved.tally.blocked)
    record = _record(known, step, now, moved, len(leaving))
    if timing.polling is not None and moved.nothing and moved.tally.blocked and not timing.heartbeat_due:
        sentence = reasons.cannot_be_evicted(record.blocked, record.blockers)
        raise waiting.blocked(sentence, record.blocked, timing)
    return replace(record, emptied_at=step.progress.emptied_at if empty else None)


def _record(known: Progress, step: Step, now: float, moved: Moved, leaving: int) -> Progress:
    record, tally = step.progress, moved.tally
    return replace(
        known,
        evicted=record.evicted + tally.evicted,
        leaving=leaving + tally.evicted,
        blocked=len(tally.blocked),
        forced=record.forced + len(moved.forced),
        forced_pods=(*record.forced_pods, *map(str, moved.forced))[: reasons.NAMED],
        blockers=tuple(reasons.phrases(tally.blocked)),
        rolled=moved.rolled.remembered(record.rolled),
        rolling=tuple(held.name for held in moved.rolled.held)[: reasons.NAMED],
        asked_at=now,
        asked_after=record.heartbeat_at,
        staying=moved.staying,
        refused_since=_refused_since(step, moved, now),
        # Heartbeat's function has failed, and led here.
        heartbeat_tried_at=now if record.next == progress.HEARTBEAT else record.heartbeat_tried_at,
        next=progress.WAIT_FOR_PODS,
    )


def _refused_since(step: Step, moved: Moved, now: float) -> float | None:
    """Since when nothing has moved although it seemed possible.

    A pod that came after the cordon is no progress, nor is an eviction that was accepted without effect:
    where as many pods are found as the last time, the laps lengthen, too.
    """
    record = step.progress
    fewer = record.staying is None or moved.staying < record.staying
    if (moved.old_pods and fewer) or moved.forced or moved.rolled.begun:
        return None
    # Neither a probe nor a look at rollouts was expected to move anything.
    if moved.nothing and (record.probing or _looks_at_rollouts(step, now)):
        return record.refused_since
    if record.refused_since is None or now - (record.asked_at or now) > QUIET_S:
        return now
    return record.refused_since


def _looks_at_rollouts(step: Step, now: float) -> bool:
    return bool(step.progress.rolling) and now >= routes.rollouts_looked_at(step)


def _empty(going: Iterable[Pod], orphans: Sequence[str]) -> bool:
    """Whether nothing but DaemonSets' pods is to go: what has been detached stays so then."""
    return all(pod.of_daemonset and pod.uid not in orphans for pod in going)


def _refuse(refused: list[Pod], step: Step) -> None:
    if not refused:
        return
    why = [Reason(pod.key, pods.verdict(pod, step.policy).reason) for pod in refused]
    raise DrainRefused(
        f"The policy forbids evicting {len(refused)} of the node's pods: "
        f"{'; '.join(reasons.phrases(why))}. Nothing was evicted in this attempt. "
        "Remove the pods, then redrive; or redrive with another policy."
    )


def _orphans(everything: list[Pod], step: Step, cluster: Cluster) -> list[str]:
    """UIDs of DaemonSet pods whose DaemonSet is gone; asked for once a drain, it costs a request.

    Capped like the blockers are, for the document's size; further ones stay, as DaemonSet pods do.
    """
    if batch.begun(step) or not any(pod.of_apps_daemonset for pod in everything):
        return []
    known = cluster.daemonsets()
    lost = [] if known is None else pods.orphans(everything, known)
    return [pod.uid for pod in lost][: reasons.NAMED]
