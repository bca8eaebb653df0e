"""Rolling a workload instead of evicting its pod: whether it is asked for, and whether it would help.

A budget that can never allow an eviction (one replica, minAvailable 1) holds a drain for ever, and an
eviction of an only pod is an outage with or without a budget. On a cordoned node a rolling restart of
the Deployment puts the new pod elsewhere, waits until it is Ready and ends the old one, without asking
a budget (kubernetes/kubernetes #66811). Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from stepdrain.clock import to_epoch_s, to_rfc3339
from stepdrain.rules.budgets import Budget, spares_unready
from stepdrain.rules.pods import Owner, Pod
from stepdrain.rules.reasons import counted
from stepdrain.rules.workloads import STATEFUL_SET, Workload, owner_of, why_not_ready

ANNOTATION = "stepdrain/roll"
"""On a workload or its pods: "true" asks for a roll, "false" forbids it, whatever the policy says."""
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""What ``kubectl rollout restart`` writes into the pod template (kubernetes/kubectl,
pkg/polymorphichelpers/objectrestarter.go); the same value again is no change."""
ROLLED_BY = "stepdrain/rolled-by"
"""On a Deployment: the drain that has restarted it last."""


class Way(StrEnum):
    """What becomes of a pod under a policy of rolling.

    EVICT      as without such a policy: evicted, or held by its budget
    ROLL       its workload is restarted now
    ROLLING    its workload is being rolled already; the pod goes by itself
    HELD       a roll is asked for and not possible; evicting it would be the outage that was to be avoided
    """

    EVICT = "evict"
    ROLL = "roll"
    ROLLING = "rolling"
    HELD = "held"


@dataclass(frozen=True)
class Verdict:
    """What becomes of a pod, and why in a phrase; empty for a pod that is evicted as any other."""

    way: Way
    why: str = ""


def verdict(
    policy: str,
    pod: Pod,
    workload: Workload,
    *,
    current: bool,
    budgets: Collection[Budget],
    rolled: bool,
    cordoned_at: float,
) -> Verdict:
    """What becomes of a pod that is to leave its node; the first row that fits.

    no roll is asked for (``wanted``)               EVICT
    an old template, and a rollout that moves       ROLLING, whoever began it
    a restart would not help, or break a budget     HELD
    restarted since the node's cordon, or before
    by this drain (``rolled``)                      HELD: a restart that was taken back is not repeated
    otherwise                                       ROLL

    ``current``: the pod has the workload's present template. ``budgets`` are those that cover it.
    ``cordoned_at`` (epoch seconds) is the time of the node's cordon.
    """
    if not wanted(policy, pod, workload, budgets, going=rolled and not current):
        return Verdict(Way.EVICT)
    if not current and workload.replaces_by_itself and not workload.hangs:
        return rolling(workload)
    if obstacle := _obstacle(workload, budgets):
        return Verdict(Way.HELD, f"{workload.called} cannot be rolled: {obstacle}")
    if _restarted_at(workload) >= cordoned_at:
        came = "the pod has come to this node since"
        return Verdict(Way.HELD, f"{workload.called} was rolled after the node's cordon, and {came}")
    if rolled:
        return Verdict(
            Way.HELD, f"{workload.called} was rolled once by this drain, and its restart was taken back"
        )
    return Verdict(Way.ROLL, _reason(workload, budgets))


def rolling(workload: Workload) -> Verdict:
    """The verdict on a pod that leaves by a rollout."""
    return Verdict(Way.ROLLING, f"{workload.called} is being rolled")


def wanted(
    policy: str, pod: Pod, workload: Workload, budgets: Collection[Budget], *, going: bool = False
) -> bool:
    """Whether a roll is asked for (``policy``: off, annotated, singletons or blocked).

    annotation "false", on the workload or the pod, or off     no
    a pod that is not ready, and no budget counts it           no: its eviction takes nothing away
    this drain has begun it (``going``)                        yes: budgets count a surge pod, too, and may
                                                               seem to give way
    a StatefulSet                                              annotation "true", one replica, held for ever
    annotation "true"                                          an only pod, or one that is held for ever
    singletons                                                 an only pod
    blocked                                                    one that is held for ever
    """
    asked = (workload.annotations.get(ANNOTATION), pod.annotations.get(ANNOTATION))
    if policy == "off" or "false" in asked:
        return False
    if not pod.ready and all(spares_unready(budget, pod) for budget in budgets):
        return False
    if going:
        return True
    only, held = workload.replicas == 1, _held_for_ever(workload, budgets)
    if workload.kind == STATEFUL_SET:
        return "true" in asked and only and held
    if "true" in asked:
        return only or held
    return (policy == "singletons" and only) or (policy == "blocked" and held)


def not_rollable(policy: str, pod: Pod, owner: Owner, budgets: Collection[Budget]) -> str:
    """Why a pod of another controller (``owner``) is not rolled; "" where nobody asks for it.

    Argo Rollouts' ``spec.restartAt`` is no way round a budget either: its controller evicts the pods
    (https://argoproj.github.io/argo-rollouts/features/restart/).
    """
    asked = pod.annotations.get(ANNOTATION)
    held = any(budget.never_gives_way for budget in budgets)
    if policy == "off" or asked == "false" or not held or (asked != "true" and policy != "blocked"):
        return ""
    kinds = "only Deployments are, and StatefulSets of one replica that ask for it"
    return f"{owner.kind} {owner.name} cannot be rolled: {kinds}"


def _held_for_ever(workload: Workload, budgets: Collection[Budget]) -> bool:
    """Whether no eviction of its pods will ever be allowed.

    Of two budgets the Eviction API refuses each pod. In the middle of a rollout surge pods are counted as
    well, so that the budget is compared with what the Deployment asks for: an eviction that it then allows
    would come on top of what the rollout takes away.
    """
    known = [budget for budget in budgets if budget.observed and not budget.sync_failure]
    if len(known) > 1 or any(budget.never_gives_way for budget in known):
        return bool(known)
    return not workload.complete and any(budget.desired >= workload.replicas > 0 for budget in known)


def _reason(workload: Workload, budgets: Collection[Budget]) -> str:
    """``Deployment web, 1 pod, because …``: all its pods are replaced once, not only the one on this node."""
    count = counted(workload.replicas, "pod")
    names = sorted(budget.name for budget in budgets)
    if len(names) > 1:
        why = f"budgets {' and '.join(names)} both select it, and the Eviction API refuses that"
    elif names and _held_for_ever(workload, budgets):
        why = f"budget {names[0]} can never allow its eviction"
    else:
        why = "it has no other pod"
    outage = "" if workload.kind != STATEFUL_SET else "; its pod is away until the next one is Ready"
    return f"{workload.called}, {count}, because {why}{outage}"


def _obstacle(workload: Workload, budgets: Collection[Budget]) -> str:
    """Why a restart would not help, or would itself break a budget; "" if it would."""
    if not workload.replaces_by_itself or workload.strategy != "RollingUpdate":
        return _strategy(workload)
    if workload.paused:
        return "it is paused"
    if workload.overdue:
        message = workload.progressing[1]
        return f"its last rollout has exceeded its progress deadline: {message}".rstrip(": .")
    if not workload.complete:
        updated = f"{workload.updated} of {counted(workload.replicas, 'pod')} updated"
        return f"its last rollout is not complete ({updated}, {workload.available} available)"
    return "" if workload.kind == STATEFUL_SET else _short(workload, budgets)


def _strategy(workload: Workload) -> str:
    if workload.kind != STATEFUL_SET:
        return f"its strategy is {workload.strategy}, which ends the old pod first"
    if workload.partition:
        return f"its update strategy keeps pods below number {workload.partition} (partition)"
    return f"its update strategy is {workload.strategy}, which replaces no pod by itself"


def _short(workload: Workload, budgets: Collection[Budget]) -> str:
    if workload.max_surge < 1:
        return "its maxSurge is 0, so that the old pod ends first"
    needed = max([1 if workload.replicas == 1 else 0, *(budget.desired for budget in budgets)])
    least = workload.replicas - workload.max_unavailable
    if workload.max_unavailable and least < needed:
        return f"a rollout may leave {least} of its pods available, and {needed} must be"
    return ""


def _restarted_at(workload: Workload) -> float:
    try:
        return to_epoch_s(workload.template_annotations[RESTARTED_AT])
    except (KeyError, ValueError, AttributeError):
        # Anybody may write there what they like.
        return 0.0


def successor(workload: Workload, pod: Pod, listed: Iterable[Mapping[str, Any]]) -> str:
    """What a Deployment's rollout waits for before it ends ``pod``; ``listed``: its pods, core/v1 JSON."""
    if workload.failure:
        return f"its new pod cannot be created: {workload.failure}"
    others = [raw for raw in listed if owner_of(raw) != pod.owner]
    new = [raw for raw in others if not raw["metadata"].get("deletionTimestamp")]
    if not new:
        return "its new pod does not exist yet"
    for raw in sorted(new, key=lambda raw: str(raw["metadata"].get("creationTimestamp")), reverse=True):
        if why := why_not_ready(raw):
            return f"its new pod {raw['metadata']['name']} is not Ready: {why}"
    return "its new pods are Ready, and this one is about to end"


def restart(workload: Workload, cordoned_at: float, drain: str) -> dict[str, Any]:
    """The strategic merge patch that restarts the workload.

    The time of the cordon (epoch seconds) is the restart's, so that a second attempt or a redrive changes
    nothing. The resourceVersion that was read is a precondition: another drain may have been faster.
    """
    return {
        "metadata": {"resourceVersion": workload.resource_version, "annotations": {ROLLED_BY: drain}},
        "spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: to_rfc3339(cordoned_at)}}}},
    }
