"""What a drain would do, without doing it: every pod with its wave, its verdict and the reason."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stepdrain import clock
from stepdrain.adapters.kube import Kube
from stepdrain.rules import pods, waves
from stepdrain.rules.budgets import Budget, Ledger
from stepdrain.rules.nodes import instance_of
from stepdrain.rules.pods import Action, Owner, Pod
from stepdrain.rules.policy import Policy
from stepdrain.rules.rollouts import Verdict, Way
from stepdrain.states import rolling

from stepdrain_cli.accounts.node_names import named_node
from stepdrain_cli.planning import earlier_drains
from stepdrain_cli.planning.hazards import Hazard, hazards

Everything = Callable[[], tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]]


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
    expected_s: int = 0
    """Seconds if nothing blocks: the longest grace of each wave, one after the other; at most that."""
    hazards: tuple[Hazard, ...] = ()
    standing: tuple[str, ...] = ()
    """Who has labelled or cordoned the node already, a sentence each."""

    @property
    def blocked(self) -> list[Line]:
        """The pods that would hold the drain up now."""
        return [line for line in self.lines if line.verdict in ("blocked", "refuse")]

    def to_document(self) -> dict[str, object]:
        """The plan as JSON shows it."""
        return {**asdict(self), "blocked": len(self.blocked)}


def plan(
    cluster: Kube, target: str, policy: Policy, everything: Everything = lambda: ([], [])
) -> Plan | None:
    """The plan for a node (name, first label, or instance id); None if there is no such node. Reads only.

    ``everything`` gives all pods and nodes of the cluster, for the hints.
    """
    node = named_node(cluster, target)
    if node is None:
        return None
    node_name = node["metadata"]["name"]
    on_node = cluster.pods_on(node_name).pods
    orphans = _orphans(cluster, on_node)
    budgets = cluster.budgets()
    ledger = Ledger(budgets)
    here = sorted(on_node, key=_order)
    rolls = _rolls(cluster, here, policy, budgets, orphans)
    lines = [_line(pod, policy, ledger, orphans, rolls.get(pod.uid)) for pod in here]
    leaving = [
        pod
        for pod, line in zip(here, lines, strict=True)
        if line.wave is not None and line.verdict != str(Way.ROLL)
    ]
    found = hazards(
        leaving,
        budgets,
        *everything(),
        policy,
        now=clock.now(),
        webhooks=cluster.eviction_webhooks(),
        bound=_bound(cluster, node_name, leaving),
    )
    standing = tuple(earlier_drains.standing(node))
    return Plan(node_name, instance_of(node), lines, _expected_s(lines), tuple(found), standing)


def _bound(cluster: Kube, node: str, leaving: Sequence[Pod]) -> set[str]:
    """UIDs of the pods whose controller names the node in their spec; one request for each controller."""
    names: dict[tuple[str, Owner], bool] = {}
    for pod in leaving:
        if pod.owner is not None and (pod.namespace, pod.owner) not in names:
            group, _, version = pod.owner.api_version.rpartition("/")
            template = cluster.template_of(group, version, pod.owner.kind, pod.namespace, pod.owner.name)
            names[pod.namespace, pod.owner] = template.get("nodeName") == node
    return {pod.uid for pod in leaving if pod.owner and names[pod.namespace, pod.owner]}


def _expected_s(lines: Sequence[Line]) -> int:
    longest: dict[int, int] = {}
    for line in lines:
        if line.wave is not None:
            longest[line.wave] = max(longest.get(line.wave, 0), line.grace_s)
    return sum(longest.values())


def _order(pod: Pod) -> tuple[int, str]:
    return waves.wave(pod), pod.key


def _orphans(cluster: Kube, on_node: Sequence[Pod]) -> set[str]:
    """UIDs of the pods whose DaemonSet is gone."""
    known = cluster.daemonsets() if any(pod.of_apps_daemonset for pod in on_node) else None
    return set() if known is None else {pod.uid for pod in pods.orphans(on_node, known)}


def _rolls(
    cluster: Kube, here: Sequence[Pod], policy: Policy, budgets: Sequence[Budget], orphans: Collection[str]
) -> dict[str, Verdict]:
    """By their UIDs what the policy of rolling makes of the pods that are to go; asks only if it is on."""
    if policy.roll == "off":
        return {}
    going = [
        pod for pod in here if pods.verdict(pod, policy, orphan=pod.uid in orphans).action is Action.EVICT
    ]
    found = cluster.controllers(going)
    return {
        pod.uid: rolling.judge(pod, found.get(pod.uid), budgets, policy.roll, clock.now()) for pod in going
    }


def _rolled(roll: Verdict) -> tuple[str, str]:
    if roll.way is Way.ROLL:
        return str(Way.ROLL), f"would roll {roll.why}"
    return "blocked", roll.why


def _line(
    pod: Pod, policy: Policy, ledger: Ledger, orphans: Collection[str], roll: Verdict | None = None
) -> Line:
    judged = pods.verdict(pod, policy, orphan=pod.uid in orphans)
    grace_s = pod.grace_s if policy.grace_period < 0 else policy.grace_period
    if roll is not None and roll.way is not Way.EVICT:
        verdict, reason = _rolled(roll)
        return Line(pod.key, verdict, waves.wave(pod), reason, grace_s)
    note = f"; {roll.why}" if roll is not None and roll.why else ""
    obstacle = ledger.obstacle(pod) if judged.action is Action.EVICT else None
    if judged.action is Action.EVICT and obstacle is None:
        ledger.spend(pod)
    moves = judged.action in (Action.EVICT, Action.WAIT)
    return Line(
        pod=pod.key,
        verdict="blocked" if obstacle else str(judged.action),
        wave=waves.wave(pod) if moves else None,
        reason=f"{obstacle}{note}" if obstacle else judged.reason + _bad_annotation(pod),
        grace_s=grace_s,
    )


def _bad_annotation(pod: Pod) -> str:
    asked = pod.annotations.get(waves.ANNOTATION, "")
    if not asked or waves.readable(asked):
        return ""
    return f"; its annotation {waves.ANNOTATION}={asked!r} is no number from 0 to 9 and is not used"
