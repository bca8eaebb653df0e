"""What a drain would do, without doing it: every pod with its wave, its verdict and the reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from drain import pods, waves
from drain.budgets import Ledger
from drain.kube import Kube
from drain.nodes import instance_of
from drain.pods import Action, Pod
from drain.policy import Policy


@dataclass(frozen=True)
class Line:
    """One pod of the plan. ``wave`` is None for pods that stay."""

    pod: str
    verdict: str
    wave: int | None
    reason: str
    grace_s: int


@dataclass(frozen=True)
class Plan:
    """A node's drain as it would begin now."""

    node: str
    instance: str
    lines: list[Line]

    @property
    def blocked(self) -> list[Line]:
        """The pods that would hold the drain up now."""
        return [line for line in self.lines if line.verdict in ("blocked", "refuse")]

    def to_document(self) -> dict[str, object]:
        """The plan as JSON shows it."""
        return {**asdict(self), "blocked": len(self.blocked)}


def plan(cluster: Kube, node_name: str, policy: Policy) -> Plan | None:
    """The plan for a node; None if the cluster has no such node. Reads only."""
    node = cluster.node(node_name)
    if node is None:
        return None
    everything = cluster.pods_on(node_name).pods
    known = cluster.daemonsets() if any(pod.of_daemonset for pod in everything) else set()
    ledger = Ledger(cluster.budgets())
    lines = [_line(pod, policy, ledger, known) for pod in sorted(everything, key=_order)]
    return Plan(node_name, instance_of(node), lines)


def _order(pod: Pod) -> tuple[int, str]:
    return waves.wave(pod), pod.key


def _line(pod: Pod, policy: Policy, ledger: Ledger, known: set[tuple[str, str]]) -> Line:
    orphan = pod.of_daemonset and pod.owner is not None and (pod.namespace, pod.owner.name) not in known
    judged = pods.verdict(pod, policy, orphan=orphan)
    obstacle = ledger.obstacle(pod) if judged.action is Action.EVICT else None
    if judged.action is Action.EVICT and obstacle is None:
        ledger.spend(pod)
    moves = judged.action in (Action.EVICT, Action.WAIT)
    return Line(
        pod=pod.key,
        verdict="blocked" if obstacle else str(judged.action),
        wave=waves.wave(pod) if moves else None,
        reason=obstacle or judged.reason + _bad_annotation(pod),
        grace_s=pod.grace_s if policy.grace_period < 0 else policy.grace_period,
    )


def _bad_annotation(pod: Pod) -> str:
    asked = pod.annotations.get(waves.ANNOTATION, "")
    if not asked or waves.readable(asked):
        return ""
    return f"; its annotation {waves.ANNOTATION}={asked!r} is no number from 0 to 9 and is not used"
