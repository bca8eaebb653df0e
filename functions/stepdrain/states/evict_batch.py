"""EvictBatch: one list of the node's pods, one of the budgets, and the evictions that can succeed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from stepdrain.clock import to_rfc3339
from stepdrain.document import progress
from stepdrain.document.progress import Progress
from stepdrain.document.step import Step
from stepdrain.errors import DrainRefused
from stepdrain.rules import budgets, deadline, eviction_answers, pods, reasons, stuck_pods, waves
from stepdrain.rules.budgets import Budget
from stepdrain.rules.eviction_answers import Answer, Outcome, Tally
from stepdrain.rules.pods import Action, Listing, Pod
from stepdrain.rules.reasons import Reason
from stepdrain.states import after_pods, rolling
from stepdrain.states.rolling import Rolling

CLOCK_SKEW_S = 60
"""The API server's clock and the function's may differ by as much."""


Warn = Callable[[str, str], None]
"""Writes a Warning on the Node: its reason (reporting.node_events.REASONS), and its message."""


class Cluster(rolling.Cluster, Protocol):
    """What EvictBatch asks of the Kubernetes adapter."""

    def pods_on(self, node: str) -> Listing: ...
    def budgets(self) -> list[Budget]: ...
    def daemonsets(self) -> set[tuple[str, str]] | None: ...
    def evict(self, doomed: Sequence[Pod], grace_s: int) -> list[tuple[Pod, Answer]]: ...
    def delete(
        self, doomed: Sequence[tuple[Pod, int]], condition: Mapping[str, str]
    ) -> list[tuple[Pod, Answer]]: ...


def evict_batch(step: Step, cluster: Cluster, now: float, warn: Warn) -> Progress:
    """Evict what can be evicted now; the record says how many, and who was blocked by what.

    ``warn`` gets the reason and the message of an Event, at the beginning of a drain: about annotations
    that cannot be read, and about pods that no eviction can move, since two budgets select them.
    Raises DrainRefused before anything is evicted if the policy forbids a pod's eviction;
    EvictionBlocked (or EvictionStillBlocked) if not one pod could be evicted; the errors of
    ``eviction_answers.Tally.error`` if the API refused.
    """
    everything = cluster.pods_on(step.node.name).pods
    orphans = step.progress.orphans or _orphans(everything, step, cluster)
    sorted_pods = pods.sort(everything, step.policy, orphans, step.cordoned_at)
    empty = _empty(sorted_pods, orphans)
    known = replace(step.progress, orphans=tuple(orphans), detached=step.progress.detached and empty)
    sorted_pods = after_pods.hold_daemonsets(sorted_pods, step.policy, known)
    _refuse(sorted_pods[Action.REFUSE], step)
    if not _begun(step) and (complaints := waves.complaints(sorted_pods[Action.EVICT])):
        warn("AnnotationIgnored", "; ".join(complaints))
    leaving = stuck_pods.awaited(sorted_pods[Action.WAIT], step.policy, now, silent=step.progress.stuck > 0)
    tally, forced, rolled = _move(sorted_pods[Action.EVICT], leaving, step, cluster, now, warn)
    if error := tally.error():
        raise error
    timing = step.timing(now)
    if (
        tally.blocked
        and not tally.evicted
        and not forced
        and not rolled.begun
        and not timing.must_yield(step.progress.heartbeat_at)
    ):
        named = "; ".join(reasons.phrases(tally.blocked))
        held = len(tally.blocked)
        raise progress.BLOCKED[timing.at](f"None of {held} pods can be evicted now: {named}", held)
    return replace(
        known,
        emptied_at=step.progress.emptied_at if empty else None,
        evicted=step.progress.evicted + tally.evicted,
        leaving=len(leaving) + tally.evicted,
        blocked=len(tally.blocked),
        forced=step.progress.forced + len(forced),
        forced_pods=(*step.progress.forced_pods, *map(str, forced))[: reasons.NAMED],
        blockers=tuple(reasons.phrases(tally.blocked)),
        rolled=rolled.remembered(step.progress.rolled),
        next=progress.WAIT_FOR_PODS,
    )


def _empty(sorted_pods: Mapping[Action, list[Pod]], orphans: Sequence[str]) -> bool:
    """Whether nothing but DaemonSets' pods is to go: what has been detached stays so then."""
    going = [pod for action in (Action.EVICT, Action.WAIT) for pod in sorted_pods[action]]
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


def _begun(step: Step) -> bool:
    return step.attempt > 0 or step.progress.number > 0 or step.progress.evicted > 0


def _orphans(everything: list[Pod], step: Step, cluster: Cluster) -> list[str]:
    """UIDs of DaemonSet pods whose DaemonSet is gone; asked for once a drain, it costs a request.

    Capped like the blockers are, for the document's size; further ones stay, as DaemonSet pods do.
    """
    if _begun(step) or not any(pod.of_apps_daemonset for pod in everything):
        return []
    known = cluster.daemonsets()
    lost = [] if known is None else pods.orphans(everything, known)
    return [pod.uid for pod in lost][: reasons.NAMED]


def _move(
    staying: list[Pod], leaving: list[Pod], step: Step, cluster: Cluster, now: float, warn: Warn
) -> tuple[Tally, list[Reason], Rolling]:
    """Evict or roll the first wave; under onTimeout: force, delete pods of any whose grace no longer fits.

    The second value names the deleted ones, which the tally counts as evicted, too.
    """
    doomed = _past_grace([*staying, *leaving], step, now)
    answers = cluster.delete(doomed, _disruption_target(now)) if doomed else []
    graces = {pod.uid: grace for pod, grace in doomed}
    deleted = eviction_answers.tally(answers)
    # A pod that was terminating has been counted before.
    deleted.evicted = eviction_answers.tally(one for one in answers if one[0].deletion_at is None).evicted
    forced = [
        Reason(pod.key, f"deleted past its budgets, with {graces[pod.uid]} s of grace")
        for pod, answer in answers
        if eviction_answers.classify(answer) is Outcome.ACCEPTED
    ]
    forced_uids = set(graces)
    first = waves.first([*staying, *leaving])
    rest = [pod for pod in first if pod.deletion_at is None and pod.uid not in forced_uids]
    if not rest:
        return deleted, forced, Rolling()
    listed = cluster.budgets()
    rolled = rolling.roll(rest, listed, step, cluster)
    # At once, and whatever their wave: hours of other evictions may go before a drain that is blocked.
    later = [pod for pod in staying if pod not in rest and pod.uid not in forced_uids]
    if not _begun(step) and (refused := budgets.multiple([*rolled.others, *later], listed)):
        warn("MultipleBudgets", _multiple(refused))
    choice = budgets.choose(rolled.others, listed, step.policy.batch_size)
    # Once a round the server is asked even if all budgets say no: a mistake in our reading of
    # them must not be what a drain hangs on.
    asked = choice.evict or (rolled.others[:1] if step.attempt == 0 else [])
    result = eviction_answers.tally(_evict(asked, step, cluster, now), [*rolled.held, *choice.blocked])
    result.blocked = rolled.explained(result.blocked)
    result.evicted += deleted.evicted
    result.errors = deleted.errors | result.errors
    return result, forced, rolled


def _multiple(refused: list[Reason]) -> str:
    return (
        f"{len(refused)} pods cannot be evicted, now or later, until one budget alone selects each: "
        f"{'; '.join(reasons.phrases(refused))}. Change a selector, or delete a budget "
        "(kubectl get poddisruptionbudgets --all-namespaces)"
    )


def _evict(asked: list[Pod], step: Step, cluster: Cluster, now: float) -> list[tuple[Pod, Answer]]:
    """Evict each pod with its own grace, or with what EC2 leaves of it."""
    timing = step.timing(now)
    graces: dict[int, list[Pod]] = {}
    for pod in asked:
        own = _grace(pod, step)
        fits = deadline.fitting_grace(own, now, timing.deadline) if timing.interrupted else own
        graces.setdefault(step.policy.grace_period if fits >= own else fits, []).append(pod)
    return [answer for grace, doomed in graces.items() for answer in cluster.evict(doomed, grace)]


def _past_grace(present: list[Pod], step: Step, now: float) -> list[tuple[Pod, int]]:
    """Under force, the pods whose grace ends behind the deadline, each with the grace that is left for it.

    Those that are terminating already count as well: a DELETE shortens the grace they were given. A
    minute is let pass.
    """
    if not step.forces(now):
        return []
    until = step.timing(now).deadline
    # A grace that was cut must not look late again: the server's clock may be ahead of ours.
    cut_off = max(until, now + 1) + CLOCK_SKEW_S
    late = [pod for pod in present if pod.deletion_at is None or pod.deletion_at > cut_off]
    graces = [(pod, deadline.forced_grace(_grace(pod, step), now, until)) for pod in late]
    return [(pod, grace) for pod, grace in graces if grace is not None]


def _disruption_target(now: float) -> dict[str, str]:
    """The condition that an eviction gives a pod, so that a Job's podFailurePolicy sees a deletion, too.

    Type, status and reason are the API server's
    (kubernetes/kubernetes, pkg/registry/core/pod/storage/eviction.go);
    https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
    """
    return {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Stepdrain: forced, deleted past its disruption budgets",
        "lastTransitionTime": to_rfc3339(now),
    }


def _grace(pod: Pod, step: Step) -> int:
    return pod.grace_s if step.policy.grace_period < 0 else step.policy.grace_period
