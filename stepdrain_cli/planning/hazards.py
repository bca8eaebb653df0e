"""Why a drain would hang, before it begins: budgets, webhooks, finalizers, graces, no room. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stepdrain.clock import to_rfc3339
from stepdrain.rules import stuck_pods
from stepdrain.rules.budgets import Budget, Ledger
from stepdrain.rules.pods import Pod
from stepdrain.rules.policy import Policy
from stepdrain.rules.reasons import counted

from stepdrain_cli.planning.placement import homeless, lone

Json = Mapping[str, Any]
JOB_TRACKING = "batch.kubernetes.io/job-tracking"
"""The Job controller takes this finalizer away by itself
(https://kubernetes.io/docs/concepts/workloads/controllers/job/#job-tracking-with-finalizers)."""
Webhook = tuple[str, str, int]
"""Name, failurePolicy, timeout in seconds."""


@dataclass(frozen=True)
class Hazard:
    """What may hold a drain up; ``hint``: it is likely, not certain."""

    what: str
    hint: bool = False

    def __str__(self) -> str:
        return f"{'hint: ' if self.hint else ''}{self.what}"


def hazards(
    leaving: Sequence[Pod],
    budgets: Sequence[Budget],
    pods: Sequence[Json],
    nodes: Sequence[Json],
    policy: Policy,
    *,
    now: float = 0.0,
    webhooks: Sequence[Webhook] = (),
    bound: Collection[str] = (),
) -> list[Hazard]:
    """All hazards for the pods that would leave.

    ``pods`` and ``nodes`` are those of the whole cluster, as the API lists them; ``now`` in epoch seconds;
    ``webhooks`` are asked about evictions; ``bound``: UIDs of pods whose controller names the node.
    """
    raw = {pod["metadata"]["uid"]: pod for pod in pods}
    here = {raw[pod.uid]["spec"].get("nodeName") for pod in leaving if pod.uid in raw}
    others = [node for node in nodes if node["metadata"]["name"] not in here]
    hints = [
        *_returning(leaving, bound),
        *(_webhook(*webhook) for webhook in webhooks if leaving),
        *lone(leaving, raw),
        *homeless([raw[pod.uid] for pod in leaving if pod.uid in raw], others, pods),
    ]
    return [
        *_budgets(leaving, Ledger(budgets)),
        *(Hazard(what) for pod in leaving for what in _of_pod(pod, policy, now)),
        *(Hazard(what, hint=True) for what in hints),
    ]


def _budgets(leaving: Sequence[Pod], ledger: Ledger) -> Iterable[Hazard]:
    """What the drain itself reads in the budgets, for each budget once."""
    held = [pod for pod in leaving if ledger.obstacle(pod)]
    for budget in ledger.budgets:
        waiting = [pod for pod in held if ledger.covering(pod) == [budget]]
        if waiting:
            name = f"disruption budget {budget.namespace}/{budget.name}"
            yield Hazard(f"{name} {_why(budget)}; {_pods(len(waiting))} of this node waits for it")
    for pod in held:
        names = sorted(budget.name for budget in ledger.covering(pod))
        if len(names) > 1:
            yield Hazard(
                f"{pod.key} is selected by {len(names)} budgets ({', '.join(names)}): "
                "the Eviction API refuses that until one is changed"
            )


def _why(budget: Budget) -> str:
    if budget.sync_failure:
        return f"cannot be counted: {budget.sync_failure}"
    if budget.never_gives_way:
        pods = f"{'its' if budget.expected == 1 else 'all of its'} {counted(budget.expected, 'pod')}"
        return f"can never give way: {pods} must be healthy"
    return f"allows no disruption now: it {budget.need}"


def _pods(count: int) -> str:
    return f"{'each of ' if count > 1 else ''}{counted(count, 'pod')}"


def _of_pod(pod: Pod, policy: Policy, now: float) -> Iterable[str]:
    grace = pod.grace_s if policy.grace_period < 0 else policy.grace_period
    if pod.deletion_at is not None and now > pod.deletion_at:
        late = f"should have ended at {to_rfc3339(pod.deletion_at)}, {int(now - pod.deletion_at)} s ago"
        yield f"{pod.key} {late}: {_still_there(pod)}; {_then(pod, policy)}"
    elif finalizers := _finalizers(pod):
        yield f"{pod.key} stays after its end until its finalizers are taken away: {', '.join(finalizers)}"
    if grace >= policy.drain_timeout:
        deadline = f"the drain's deadline is after {policy.drain_timeout} s"
        yield f"{pod.key} has a grace of {grace} s, and {deadline}"


def _finalizers(pod: Pod) -> list[str]:
    return [name for name in pod.finalizers if name != JOB_TRACKING]


def _still_there(pod: Pod) -> str:
    finalizers = _finalizers(pod)
    return f"it has finalizers, {', '.join(finalizers)}" if finalizers else "its kubelet has not ended it"


def _then(pod: Pod, policy: Policy) -> str:
    if policy.overdue_pods == "wait":
        return "the drain waits for it (overduePods is wait)"
    named_from = to_rfc3339(stuck_pods.named_from(pod, policy))
    return f"the drain gives it up from {named_from} on (overduePods is give-up)"


def _returning(leaving: Sequence[Pod], bound: Collection[str]) -> Iterable[str]:
    for pod in leaving:
        if pod.owner is None:
            continue
        if pod.uid in bound:
            owner = f"{pod.owner.kind} {pod.owner.name}"
            yield f"{pod.key} comes back to this node, past the cordon: {owner} names it (spec.nodeName)"
        elif pod.tolerates_cordon:
            yield f"{pod.key} tolerates the cordon: its replacement may start on this node, and is left there"


def _webhook(name: str, failure_policy: str, timeout_s: int) -> str:
    fails = "holds the pods" if failure_policy == "Fail" else "does not"
    return (
        f"webhook {name} is asked about each eviction: it may refuse it, or delay it by {timeout_s} s; "
        f"its own failure {fails}"
    )
