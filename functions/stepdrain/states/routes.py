"""What comes next: each way between the states of a drain is decided here, and ``PodsLeft`` obeys.

    WaitForPods, the first row that fits
        nothing is left but what stays or is stuck           ``after_last_pod``
        the drain's end has come                             Heartbeat, where the policy takes effect
        a pod must be asked now for its grace to fit         EvictBatch
        a heartbeat is due                                   Heartbeat, and back
        a pod of this wave may go                            EvictBatch, after ``lap_pause_s`` if it was
                                                             refused
        a pod of this wave waits for a rollout               EvictBatch, after ``rollout_pause_s``
        otherwise                                            wait
    ``after_last_pod``
        volumes may be attached, and the policy asks         WaitForVolumes
        load balancers may hold it, and the policy asks      WaitForTargets
        nothing                                              CompleteAction
    WaitForVolumes, WaitForTargets
        pods that must not be left behind are there again    EvictBatch
        nothing is awaited any more                          what is next of ``after_last_pod``
        the drain's end has come, or a heartbeat is due      Heartbeat, and back
        otherwise                                            wait
    Heartbeat
        the drain's end has come                             DrainTimedOut or DrainReleased
        the turn must be renewed, or budgets asked again     EvictBatch
        otherwise                                            where it came from
    EvictBatch                                               WaitForPods, always

FindNode is for a drain whose node has to be found and marked anew; it leads back here by EvictBatch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from stepdrain.document import progress
from stepdrain.document.progress import Progress
from stepdrain.document.step import Step
from stepdrain.document.timing import Timing
from stepdrain.rules import deadline, reasons
from stepdrain.rules.pods import Pod
from stepdrain.rules.policy import Policy
from stepdrain.rules.reasons import Reason

PROBE_AFTER_S = 3600
"""Budgets that say no are asked all the same after so long: our reading of them might be wrong."""
SHORTENED_AGAIN_S = 60
"""A grace that was cut is cut again only if it ends so long after the deadline: clocks differ."""


def grace_of(pod: Pod, policy: Policy) -> int:
    """Seconds of grace that the pod is given where all of it fits."""
    return pod.grace_s if policy.grace_period < 0 else policy.grace_period


def must_be_asked(pod: Pod, policy: Policy, timing: Timing) -> bool:
    """Under force, whether the pod has to be asked now, whatever holds it: its grace just fits."""
    return timing.forces and pod.deletion_at is None and timing.now >= asked_by(pod, policy, timing)


def asked_by(pod: Pod, policy: Policy, timing: Timing) -> float:
    """When the pod must be asked under force, in epoch seconds."""
    return deadline.ask_at(grace_of(pod, policy), timing.deadline)


def must_be_shortened(pod: Pod, policy: Policy, timing: Timing) -> bool:
    """Under force, whether a terminating pod's grace ends too late and has to be cut.

    Once: after that only if the deadline has moved, since the server's clock and ours may differ; and never
    to as much as it has, which the API server ignores.
    """
    if not timing.forces or pod.deletion_at is None:
        return False
    own, has = grace_of(pod, policy), pod.deletion_grace_s
    late_s = SHORTENED_AGAIN_S if has is not None and has < own else 1
    if pod.deletion_at <= timing.grace_until + late_s:
        return False
    return has is None or deadline.fitting_grace(own, timing.now, timing.grace_until) < has


def pause_over_at(record: Progress) -> float:
    """From when on evictions may be asked for again, in epoch seconds."""
    if record.refused_since is None or record.asked_at is None:
        return 0.0
    return record.asked_at + deadline.lap_pause_s(record.asked_at - record.refused_since)


def rollouts_looked_at(step: Step) -> float:
    """When EvictBatch has to look at the rollouts for which it holds pods, in epoch seconds."""
    record = step.progress
    asked_at = step.running_since if record.asked_at is None else record.asked_at
    # Rollouts begin with the cordon, or later.
    since = max(step.cordoned_at, step.running_since)
    return asked_at + deadline.rollout_pause_s(asked_at - since)


def urgent(present: Iterable[Pod], step: Step, timing: Timing) -> bool:
    """Whether EvictBatch has to act for the deadline now."""
    shorten = pause_over_at(step.progress) <= timing.now
    return any(
        (must_be_asked(pod, step.policy, timing) and _urgent_at(pod, step, timing) <= timing.now)
        or (shorten and must_be_shortened(pod, step.policy, timing))
        for pod in present
    )


def _urgent_at(pod: Pod, step: Step, timing: Timing) -> float:
    """When the pod must be asked for the deadline; again after a pause where that was refused already."""
    due, asked_at = asked_by(pod, step.policy, timing), step.progress.asked_at
    return due if asked_at is None or asked_at < due else asked_at + deadline.lap_pause_s(asked_at - due)


def moments(present: Iterable[Pod], step: Step, timing: Timing) -> list[float]:
    """When the state must look again though nothing has happened, in epoch seconds."""
    coming = [timing.heartbeat_at, timing.ends_at]
    if timing.forces:
        coming += [_urgent_at(pod, step, timing) for pod in present if pod.deletion_at is None]
    return [moment for moment in coming if moment > timing.now]


def after_last_pod(step: Step, record: Progress) -> str:
    """What a node without evictable pods waits for next.

    The volumes of a node with stuck pods are not waited for: where no kubelet answers, nobody detaches.
    """
    if step.policy.wait_for_volumes and not record.detached and not record.stuck:
        return progress.WAIT_FOR_VOLUMES
    if step.policy.wait_for_targets != "off" and step.instance_id is not None:
        return progress.WAIT_FOR_TARGETS
    return progress.COMPLETE_ACTION


def heartbeat_needed(timing: Timing) -> bool:
    """Whether a state that waits has to give way to Heartbeat."""
    return timing.over or timing.heartbeat_due


def to_heartbeat(record: Progress, back_to: str, awaited: Sequence[Reason] | None = None) -> Progress:
    """``record`` on its way to Heartbeat, naming what was ``awaited``; None: as it stands there."""
    named = record.blockers if awaited is None else tuple(reasons.phrases(awaited))
    return replace(record, next=progress.HEARTBEAT, then=back_to, blockers=named)


def unanswered(step: Step, error: str) -> Progress:
    """The record of an attempt that saw nothing until Heartbeat had to come: what was known, and the error,
    once however often it came."""
    known = tuple(blocker for blocker in step.progress.blockers if blocker != error)[: reasons.NAMED]
    return replace(to_heartbeat(step.progress, step.state), blockers=(*known, error))


def after_heartbeat(step: Step, now: float, *, limited: bool) -> str:
    """Where a heartbeat leads to. ``limited``: EvictBatch renews the drain's turn."""
    record = step.progress
    back = record.then if record.next == progress.HEARTBEAT else record.next
    if back != progress.WAIT_FOR_PODS:
        return back
    probe = record.asked_at is None or now - record.asked_at >= PROBE_AFTER_S
    return progress.EVICT_BATCH if limited or probe else back
