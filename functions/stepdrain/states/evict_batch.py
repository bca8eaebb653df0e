"""EvictBatch: one list of the node's pods, one of the budgets, and the evictions that can succeed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Protocol

from stepdrain.document import progress
from stepdrain.document.progress import Progress
from stepdrain.document.step import Step
from stepdrain.document.timing import Timing
from stepdrain.errors import DrainRefused
from stepdrain.rules import budgets, deadline, eviction_answers, pods, reasons, stuck_pods, waves
from stepdrain.rules.budgets import Budget
from stepdrain.rules.eviction_answers import Answer, Outcome, Tally
from stepdrain.rules.pods import Action, Listing, Pod
from stepdrain.rules.reasons import Reason
from stepdrain.states import remaining_pods, rolling, routes, waiting
from stepdrain.states.rolling import Rolling

QUIET_S, POLL_S = 300, 31
"""After so long without a request to evict, a refusal begins to count anew; what a poll may be late."""


class Cluster(rolling.Cluster, Protocol):
    """What EvictBatch asks of the Kubernetes adapter."""

    def pods_on(self, node: str) -> Listing: ...
    def budgets(self) -> list[Budget]: ...
    def daemonsets(self) -> set[tuple[str, str]] | None: ...
    def evict(self, doomed: Sequence[Pod], grace_s: int) -> list[tuple[Pod, Answer]]: ...
    def delete(self, doomed: Sequence[tuple[Pod, int]]) -> list[tuple[Pod, Answer]]: ...


def evict_batch(
    step: Step, cluster: Cluster, now: float, complain: Callable[[str], None], *, for_deadline: bool = False
) -> Progress:
    """Evict what can be evicted now; the record says how many, and who was blocked by what.

    It never waits: what could not go is waited for in WaitForPods. ``for_deadline`` restricts it to the pods
    whose grace would not fit any more. ``complain`` gets a sentence about annotations that cannot be read, at
    the beginning of a drain.
    Raises DrainRefused before anything is evicted if the policy forbids a pod's eviction; the errors of
    ``eviction_answers.Tally.error`` if the API refused; EvictionBlocked (or EvictionStillBlocked) if nothing
    could be evicted and the execution runs on the first definition.
    """
    timing = step.timing(now)
    everything = cluster.pods_on(step.node.name).pods
    orphans = step.progress.orphans or _orphans(everything, step, cluster)
    sorted_pods = pods.sort(everything, step.policy, orphans, step.cordoned_at)
    empty = _empty(sorted_pods, orphans)
    known = replace(step.progress, orphans=tuple(orphans), detached=step.progress.detached and empty)
    sorted_pods = remaining_pods.hold_daemonsets(sorted_pods, step.policy, known)
    _refuse(sorted_pods[Action.REFUSE], step)
    if not _begun(step) and (complaints := waves.complaints(sorted_pods[Action.EVICT])):
        complain("; ".join(complaints))
    leaving = stuck_pods.awaited(sorted_pods[Action.WAIT], step.policy, now, silent=step.progress.stuck > 0)
    moved = _move(sorted_pods[Action.EVICT], leaving, step, cluster, timing, for_deadline=for_deadline)
    if error := moved.tally.error():
        raise error
    record = _record(known, step, now, moved, len(leaving))
    if timing.pace is not None and moved.nothing and moved.tally.blocked and not timing.heartbeat_due:
        named = "; ".join(record.blockers)
        raise waiting.blocked(
            f"None of {record.blocked} pods can be evicted now: {named}.", record.blocked, timing
        )
    return replace(record, emptied_at=step.progress.emptied_at if empty else None)


@dataclass(frozen=True)
class Moved:
    """What an attempt came to."""

    tally: Tally
    forced: list[Reason]
    """The pods that were deleted; the tally counts them as evicted, too, unless they were terminating."""
    staying: int
    """How many pods from before the cordon nobody had asked to go until now."""
    old_pods: int
    """How many of those are asked now, with success."""
    rolled: Rolling

    @property
    def nothing(self) -> bool:
        """No pod was asked to go with success."""
        return not self.tally.evicted and not self.forced and not self.rolled.begun


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
        asked_at=now,
        staying=moved.staying,
        refused_since=_refused_since(record, moved, now),
        # Heartbeat's function has failed, and led here.
        heartbeat_tried_at=now if record.next == progress.HEARTBEAT else record.heartbeat_tried_at,
        next=progress.WAIT_FOR_PODS,
    )


def probing(record: Progress) -> bool:
    """Whether this is the first attempt since a heartbeat: budgets are asked whatever they say."""
    return record.asked_at is None or record.heartbeat_at >= record.asked_at


def _refused_since(record: Progress, moved: Moved, now: float) -> float | None:
    """Since when nothing has moved although it seemed possible.

    A pod that came after the cordon is no progress, nor is an eviction that was accepted without effect: where
    as many pods are found as the last time, the laps lengthen, too.
    """
    fewer = record.staying is None or moved.staying < record.staying
    if (moved.old_pods and fewer) or moved.forced or moved.rolled.begun:
        return None
    if probing(record) and moved.nothing:
        return record.refused_since
    if record.refused_since is None or now - (record.asked_at or now) > QUIET_S:
        return now
    return record.refused_since


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
    staying: list[Pod],
    leaving: list[Pod],
    step: Step,
    cluster: Cluster,
    timing: Timing,
    *,
    for_deadline: bool,
) -> Moved:
    """Evict the first wave, and under force what must be asked for the deadline, of any wave.

    Of the latter, DELETE removes what a budget or a webhook still holds, and shortens a grace that ends after
    the deadline.
    """
    # Who waits for a turn asks again only after that long.
    ahead = replace(timing, now=timing.now + POLL_S) if for_deadline else timing
    due = [pod for pod in staying if routes.must_be_asked(pod, step.policy, ahead)]
    rest = (
        [] if for_deadline else [pod for pod in waves.first([*staying, *leaving]) if pod.deletion_at is None]
    )
    chosen, held, rolled = _choose([pod for pod in rest if pod not in due], step, cluster)
    answers = _evict([*due, *chosen], step, cluster, timing)
    due_uids = {pod.uid for pod in due}
    refused = [(pod, answer) for pod, answer in answers if pod.uid in due_uids and _held(answer)]
    late = [pod for pod in leaving if routes.must_be_shortened(pod, step.policy, timing)]
    doomed = [(pod, _fitting(pod, step, timing)) for pod in [*(pod for pod, _ in refused), *late]]
    deleted = cluster.delete(doomed) if doomed else []
    forced = _forced(
        deleted, {pod.uid: grace for pod, grace in doomed}, {pod.uid: answer for pod, answer in refused}
    )
    refused_uids = {pod.uid for pod, _ in refused}
    final = [(pod, answer) for pod, answer in answers if pod.uid not in refused_uids]
    final += [(pod, answer) for pod, answer in deleted if pod.uid in refused_uids]
    tally = eviction_answers.tally(final, held)
    for pod, answer in deleted:
        if pod.uid not in refused_uids:
            # A pod that was terminating has been counted before; only what went wrong counts.
            tally.errors = eviction_answers.tally([(pod, answer)]).errors | tally.errors
    old = [pod.uid for pod in staying if pod.created_at < step.cordoned_at]
    asked = [pod for pod, answer in final if pod.uid in old and _moved(answer)]
    tally.blocked = rolled.explained(tally.blocked)
    return Moved(tally, forced, len(old), len(asked), rolled)


def _choose(rest: list[Pod], step: Step, cluster: Cluster) -> tuple[list[Pod], list[Reason], Rolling]:
    """The pods to ask for, those that are held, and the workloads that are rolled instead.

    After each heartbeat the server is asked for one even if all budgets say no: a mistake in our reading of
    them must not be what a drain hangs on.
    """
    if not rest:
        return [], [], Rolling()
    listed = cluster.budgets()
    rolled = rolling.roll(rest, listed, step, cluster)
    choice = budgets.choose(rolled.others, listed, step.policy.batch_size)
    probe = probing(step.progress) if step.wait_s is not None else step.attempt == 0
    asked = choice.evict or (rolled.others[:1] if probe else [])
    asked_keys = {pod.key for pod in asked}
    held = [held for held in choice.blocked if held.name not in asked_keys]
    return asked, [*rolled.held, *held], rolled


def _evict(asked: list[Pod], step: Step, cluster: Cluster, timing: Timing) -> list[tuple[Pod, Answer]]:
    """Evict each pod with its own grace, or with what the deadline leaves of it."""
    graces: dict[int, list[Pod]] = {}
    for pod in asked:
        fits = _fitting(pod, step, timing)
        own = fits >= routes.grace_of(pod, step.policy)
        graces.setdefault(step.policy.grace_period if own else fits, []).append(pod)
    return [answer for grace, doomed in graces.items() for answer in cluster.evict(doomed, grace)]


def _fitting(pod: Pod, step: Step, timing: Timing) -> int:
    own = routes.grace_of(pod, step.policy)
    if timing.grace_until == inf:
        return own
    return deadline.fitting_grace(own, timing.now, timing.grace_until)


def _moved(answer: Answer) -> bool:
    return eviction_answers.classify(answer) in (Outcome.ACCEPTED, Outcome.GONE)


def _held(answer: Answer) -> bool:
    """Whether what refused the eviction is not asked for a DELETE: a budget, or a webhook for evictions."""
    outcome = eviction_answers.classify(answer)
    webhook = outcome in (Outcome.THROTTLED, Outcome.UNAVAILABLE) and answer.status >= 400
    return outcome in eviction_answers.HELD or webhook


def _forced(
    deleted: Sequence[tuple[Pod, Answer]], graces: Mapping[str, int], refused: Mapping[str, Answer]
) -> list[Reason]:
    """Each pod that was deleted, with the reason as its owner reads it."""
    found = []
    for pod, answer in deleted:
        if eviction_answers.classify(answer) is not Outcome.ACCEPTED:
            continue
        grace = f"with {graces[pod.uid]} s of grace"
        if pod.uid not in refused:
            why = f"its grace was cut to {graces[pod.uid]} s"
        elif eviction_answers.classify(refused[pod.uid]) in (Outcome.BLOCKED, Outcome.MISCONFIGURED):
            why = f"deleted past its budgets, {grace}"
        else:
            why = f"deleted {grace}, since its eviction was refused ({refused[pod.uid].message.rstrip('.')})"
        found.append(Reason(pod.key, why))
    return found
