"""The requests of a batch: an eviction for each pod, and a DELETE for what is held past its deadline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

from stepdrain.clock import to_rfc3339
from stepdrain.document.step import Step
from stepdrain.document.timing import Timing
from stepdrain.rules import deadline, eviction_answers
from stepdrain.rules.eviction_answers import Answer, Outcome, Tally
from stepdrain.rules.pods import Pod
from stepdrain.rules.reasons import Reason
from stepdrain.states import routes

Answers = list[tuple[Pod, Answer]]


class Cluster(Protocol):
    """What is asked of the Kubernetes adapter; graces are seconds."""

    def evict(self, doomed: Sequence[Pod], grace_s: int) -> Answers: ...
    def delete(self, doomed: Sequence[tuple[Pod, int]], condition: Mapping[str, str]) -> Answers: ...


@dataclass(frozen=True)
class Asked:
    """What the requests came to."""

    tally: Tally
    forced: list[Reason]
    """The pods that were deleted; the tally counts them as evicted, too, unless they were terminating."""
    moved: frozenset[str]
    """UIDs of the pods that leave since."""
    evicted: list[Pod]
    """The pods whose eviction was accepted: neither those that were deleted, nor those that were gone."""


def send(
    due: list[Pod],
    chosen: list[Pod],
    late: list[Pod],
    held: list[Reason],
    step: Step,
    cluster: Cluster,
    timing: Timing,
) -> Asked:
    """Evict ``due`` and ``chosen``; DELETE what of ``due`` is refused, and ``late``.

    ``due`` must be asked now for the deadline, ``late`` is terminating and ends after it. ``held`` are the
    pods that budgets or rollouts hold by our own reading, whether asked or not, with what holds them.
    """
    answers = _evict([*due, *chosen], step, cluster, timing)
    due_uids = {pod.uid for pod in due}
    refused = {pod.uid: answer for pod, answer in answers if pod.uid in due_uids and _held(answer)}
    doomed = [*(pod for pod in due if pod.uid in refused), *late]
    graces = {pod.uid: fitting(pod, step, timing) for pod in doomed}
    deleted = (
        cluster.delete([(pod, graces[pod.uid]) for pod in doomed], _disruption_target(timing.now))
        if doomed
        else []
    )
    final = [(pod, answer) for pod, answer in answers if pod.uid not in refused]
    final += [(pod, answer) for pod, answer in deleted if pod.uid in refused]
    tally = eviction_answers.tally(final, held)
    # A pod that was terminating has been counted before; only what went wrong counts.
    shortened = [(pod, answer) for pod, answer in deleted if pod.uid not in refused]
    tally.errors = eviction_answers.tally(shortened).errors | tally.errors
    moved = frozenset(pod.uid for pod, answer in final if _leaves(answer))
    return Asked(tally, _forced(deleted, graces, refused), moved, _accepted(answers))


def _evict(asked: list[Pod], step: Step, cluster: Cluster, timing: Timing) -> Answers:
    """Evict each pod with its own grace, or with what the deadline leaves of it."""
    graces: dict[int, list[Pod]] = {}
    for pod in asked:
        fits = fitting(pod, step, timing)
        own = fits >= routes.grace_of(pod, step.policy)
        graces.setdefault(step.policy.grace_period if own else fits, []).append(pod)
    return [answer for grace, doomed in graces.items() for answer in cluster.evict(doomed, grace)]


def fitting(pod: Pod, step: Step, timing: Timing) -> int:
    """Seconds of grace that the pod gets: its own, or what the deadline leaves of it."""
    own = routes.grace_of(pod, step.policy)
    if timing.grace_until == inf:
        return own
    return deadline.fitting_grace(own, timing.now, timing.grace_until)


def _leaves(answer: Answer) -> bool:
    return eviction_answers.classify(answer) in (Outcome.ACCEPTED, Outcome.GONE)


def _accepted(answers: Answers) -> list[Pod]:
    return [pod for pod, answer in answers if eviction_answers.classify(answer) is Outcome.ACCEPTED]


def _held(answer: Answer) -> bool:
    """Whether what refused the eviction is not asked for a DELETE: a budget, or a webhook for evictions."""
    outcome = eviction_answers.classify(answer)
    webhook = outcome in (Outcome.THROTTLED, Outcome.UNAVAILABLE) and answer.status >= 400
    return outcome in eviction_answers.HELD or webhook


def _forced(deleted: Answers, graces: Mapping[str, int], refused: Mapping[str, Answer]) -> list[Reason]:
    """Each pod that was deleted, with the reason as its owner reads it."""
    return [Reason(pod.key, _why_forced(graces[pod.uid], refused.get(pod.uid))) for pod in _accepted(deleted)]


def _why_forced(grace_s: int, refusal: Answer | None) -> str:
    if refusal is None:
        return f"its grace was cut to {grace_s} s"
    if eviction_answers.classify(refusal) in (Outcome.BLOCKED, Outcome.MISCONFIGURED):
        return f"deleted past its budgets, with {grace_s} s of grace"
    why = refusal.message.rstrip(".")
    return f"deleted with {grace_s} s of grace, since its eviction was refused ({why})"


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
