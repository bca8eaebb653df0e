"""Which of a wave's pods leave by a restart of their workload instead of an eviction, for EvictBatch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from stepdrain.document.step import Step
from stepdrain.errors import DrainError, KubeConflict, KubeUnauthorized, Transient
from stepdrain.rules import reasons, rollouts, workloads
from stepdrain.rules.budgets import Budget, covers
from stepdrain.rules.pods import Pod
from stepdrain.rules.reasons import Reason
from stepdrain.rules.rollouts import Verdict, Way
from stepdrain.rules.workloads import STATEFUL_SET, Controllers, Workload

READS = 2
"""Times that a workload is judged in one attempt: it may change between the GET and the PATCH."""


class Cluster(Protocol):
    """What is asked of the Kubernetes adapter; pods are core/v1 JSON."""

    def controllers(self, pods: Sequence[Pod]) -> Mapping[str, Controllers]: ...
    def restart(self, workload: Workload, change: Mapping[str, Any]) -> bool: ...
    def pods_of(self, workload: Workload) -> list[dict[str, Any]]: ...


@dataclass
class Rolling:
    """What becomes of the pods of a wave."""

    others: list[Pod] = field(default_factory=list)
    """They are evicted, as without a policy of rolling."""
    held: list[Reason] = field(default_factory=list)
    """They are not: their workload is being rolled, or cannot be."""
    notes: dict[str, str] = field(default_factory=dict)
    """By a pod's key why it is not rolled, though it might have been, for those of ``others``."""
    begun: dict[str, str] = field(default_factory=dict)
    """Workloads (``namespace/name``) that this attempt has restarted, each with the reason."""

    def explained(self, blocked: Sequence[Reason]) -> list[Reason]:
        """What holds pods, with the notes."""
        whole = ((each.name, filter(None, (each.why, self.notes.get(each.name)))) for each in blocked)
        return [Reason(name, "; ".join(why)) for name, why in whole]

    def remembered(self, before: Sequence[str]) -> tuple[str, ...]:
        """What the drain has rolled by now, for its document."""
        return tuple(dict.fromkeys((*before, *self.begun)))[: reasons.NAMED]


def roll(pods: Sequence[Pod], budgets: Sequence[Budget], step: Step, cluster: Cluster) -> Rolling:
    """Restart the workloads of the pods that the policy wants rolled, one PATCH each.

    Sends nothing where the policy is off. Otherwise the GETs of ``controllers``, a PATCH for each workload
    that is restarted, and a list of the pods of each that is being rolled. Raises KubeUnauthorized; any other
    answer is about its workload, and holds its pods.
    """
    if step.policy.roll == "off" or not pods:
        return Rolling(others=list(pods))
    return _Attempt(budgets, step, cluster).of(pods)


def judge(
    pod: Pod,
    found: Controllers | None,
    budgets: Sequence[Budget],
    policy: str,
    cordoned_at: float,
    rolled_before: Callable[[Workload], bool] = lambda _workload: False,
) -> Verdict:
    """What becomes of a pod whose controllers are ``found`` under the policy of rolling; changes nothing.

    ``why`` beside EVICT says why the pod is not rolled, where it might have been. ``rolled_before``: whether
    the drain has restarted a workload. ``cordoned_at``: epoch seconds.
    """
    own = [budget for budget in budgets if covers(budget, pod)]
    if found is None:
        return Verdict(Way.EVICT)
    if found.error is not None:
        return _unread(found, found.error)
    workload = found.workload
    if workload is None:
        return Verdict(Way.EVICT, rollouts.not_rollable(policy, pod, found.owner, own))
    return rollouts.verdict(
        policy,
        pod,
        workload,
        current=workloads.current(workload, pod, found.replica_set),
        budgets=own,
        rolled=rolled_before(workload),
        cordoned_at=cordoned_at,
    )


def _unread(found: Controllers, error: DrainError) -> Verdict:
    """Where a right is missing all goes on as without the policy; what passes by itself is waited for."""
    why = f"{found.owner.kind} {found.owner.name} cannot be rolled: {_words(error)}"
    return Verdict(Way.HELD if isinstance(error, Transient) else Way.EVICT, why)


def _words(error: DrainError) -> str:
    return str(error).rstrip(".")


class _Attempt:
    """One look at a wave, and what it begins."""

    def __init__(self, budgets: Sequence[Budget], step: Step, cluster: Cluster) -> None:
        self._budgets, self._step, self._cluster = budgets, step, cluster
        self._result = Rolling()
        self._successors: dict[str, str] = {}

    def of(self, pods: Sequence[Pod]) -> Rolling:
        controllers = self._cluster.controllers(pods)
        for pod in pods:
            self._add(pod, controllers.get(pod.uid))
        return self._result

    def _add(self, pod: Pod, found: Controllers | None) -> None:
        verdict = self._judge(pod, found)
        workload = found.workload if found else None
        if workload is not None and verdict.way is Way.ROLL:
            verdict = self._begin(pod, workload, verdict)
        if verdict.way is Way.EVICT:
            self._result.others.append(pod)
            if verdict.why:
                self._result.notes[pod.key] = verdict.why
            return
        moves = verdict.way is Way.ROLLING or (workload is not None and workload.overdue)
        more = self._successor(workload, pod) if workload is not None and moves else ""
        self._result.held.append(Reason(pod.key, "; ".join(filter(None, (verdict.why, more)))))

    def _judge(self, pod: Pod, found: Controllers | None) -> Verdict:
        step = self._step
        return judge(pod, found, self._budgets, step.policy.roll, step.cordoned_at, self._rolled_before)

    def _rolled_before(self, workload: Workload) -> bool:
        # The annotation remembers what an attempt that died has begun.
        by_us = workload.annotations.get(rollouts.ROLLED_BY) == self._step.name
        return by_us or workload.key in self._step.progress.rolled

    def _begin(self, pod: Pod, workload: Workload, verdict: Verdict) -> Verdict:
        """Restart the workload, unless it was just restarted for another of its pods."""
        if workload.key in self._result.begun:
            return rollouts.rolling(workload)
        for _ in range(READS):
            change = rollouts.restart(workload, self._step.cordoned_at, self._step.name)
            try:
                if not self._cluster.restart(workload, change):
                    return Verdict(Way.EVICT)
                self._result.begun[workload.key] = verdict.why
                return rollouts.rolling(workload)
            except KubeConflict:
                # Its status has changed, or another drain was faster.
                found = self._cluster.controllers([pod]).get(pod.uid)
                verdict = self._judge(pod, found)
                if found is None or found.workload is None or verdict.way is not Way.ROLL:
                    return verdict
                workload = found.workload
            except KubeUnauthorized:
                raise
            except DrainError as error:
                return Verdict(Way.HELD, f"{workload.called} cannot be rolled: {_words(error)}")
        return Verdict(Way.HELD, f"{workload.called} changed while it was to be rolled, and is tried again")

    def _successor(self, workload: Workload, pod: Pod) -> str:
        """What the rollout waits for: the new pod, in the words of whoever keeps it from being Ready."""
        if workload.kind == STATEFUL_SET:
            return ""
        if workload.key not in self._successors:
            self._successors[workload.key] = self._look(workload, pod)
        return self._successors[workload.key]

    def _look(self, workload: Workload, pod: Pod) -> str:
        try:
            listed = self._cluster.pods_of(workload)
        except KubeUnauthorized:
            raise
        except DrainError as error:
            return f"its new pod cannot be looked for: {_words(error)}"
        return rollouts.successor(workload, pod, listed)
