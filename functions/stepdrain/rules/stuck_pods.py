"""Pods that never leave, because the kubelet that would end them no longer answers.

An evicted pod stays until its kubelet says that its containers have ended. If that kubelet is
gone, the pod stays for ever (https://kubernetes.io/docs/concepts/architecture/nodes/#condition),
and with it the drain would stay until its deadline, for an instance that dies anyway. So such a
pod is given up: named in the result, and left to the end of its machine. It is never deleted with
grace 0, which would let a StatefulSet start its successor while it may still run
(https://kubernetes.io/docs/tasks/run-application/force-delete-stateful-set-pod/).

Where the kubelet answers, a finalizer or a process that cannot be killed holds the pod. It is named, and
waited for or given up as the policy's ``overdue_pods`` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stepdrain.clock import to_rfc3339
from stepdrain.rules import nodes, reasons
from stepdrain.rules.pods import Pod
from stepdrain.rules.policy import Policy
from stepdrain.rules.reasons import Reason

NAMED_AFTER_S = 300
"""So many seconds after ``stuckAfter`` a terminating pod is named although its kubelet answers."""


def overdue_from(pod: Pod, policy: Policy) -> float:
    """Epoch seconds from which on a terminating pod is given up where its kubelet does not answer."""
    return (pod.deletion_at or 0) + policy.stuck_after


def overdue(leaving: Iterable[Pod], policy: Policy, now: float) -> list[Pod]:
    """The terminating pods whose grace ended ``stuckAfter`` seconds ago or more (``now``: epoch seconds)."""
    return [pod for pod in leaving if pod.deletion_at and now >= overdue_from(pod, policy)]


def named_from(pod: Pod, policy: Policy) -> float:
    """Epoch seconds from which on a terminating pod is named although its kubelet answers."""
    return overdue_from(pod, policy) + NAMED_AFTER_S


def unended(late: Iterable[Pod], policy: Policy, now: float) -> list[Pod]:
    """The pods among ``late`` that are named although their kubelet answers, the latest first."""
    named = [pod for pod in late if pod.deletion_at and now >= named_from(pod, policy)]
    return sorted(named, key=lambda pod: overdue_from(pod, policy))


def why_unended(pods: Iterable[Pod]) -> list[Reason]:
    """What each of them is, as ``unended`` gives them: since when it is late, and where to look."""
    return [Reason(pod.key, _why_unended(pod)) for pod in pods]


def _why_unended(pod: Pod) -> str:
    late = f"should have ended by {to_rfc3339(pod.deletion_at or 0)}, and its node is Ready"
    if pod.finalizers:
        return f"{late}: its finalizers hold it ({', '.join(pod.finalizers)})"
    return f"{late}: it has no finalizers; look at the kubelet's log"


def given_up(terminating: Sequence[Pod], policy: Policy, now: float, *, silent: bool) -> list[Pod]:
    """The overdue where the node's kubelet is ``silent``; else those five minutes later, if the policy says
    so."""
    if silent:
        return overdue(terminating, policy, now)
    return unended(terminating, policy, now) if policy.overdue_pods == "give-up" else []


def silent(node: Mapping[str, Any] | None, uid: str) -> bool:
    """Whether nobody would end the pods of the drain's node any more.

    ``node`` is its JSON, None if it is gone; ``uid`` is the UID that the drain has found.

    Its Ready condition is Unknown (the kubelet reports nothing) or False (it cannot run pods), or
    the Node object is gone or another one's by now.
    """
    if node is None or node["metadata"]["uid"] != uid:
        return True
    return not nodes.ready(node)


def names_unended(pods: Iterable[Pod]) -> tuple[str, ...]:
    """At most 20 of the pods given up on a Ready node as phrases, then how many more there are."""
    return tuple(reasons.phrases([Reason(pod.key, f"given up: it {_why_unended(pod)}") for pod in pods]))


def names(stuck: Sequence[Pod]) -> tuple[str, ...]:
    """At most 20 of the pods given up on a silent node as phrases, then how many more there are."""
    named = [
        Reason(pod.key, f"given up, its grace ended at {to_rfc3339(pod.deletion_at or 0)}") for pod in stuck
    ]
    return tuple(reasons.phrases(named))
