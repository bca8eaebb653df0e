"""WaitForTargets: have the cluster's load balancers let go of the instance?

With instance targets traffic for any pod of the cluster may cross this node, and the
connections that do end only when the target has drained. An instance that goes before
gives its clients errors (aws/aws-node-termination-handler #316).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from stepdrain.document import progress
from stepdrain.document.progress import Progress
from stepdrain.document.step import Step
from stepdrain.errors import AwsThrottled, TargetsDraining
from stepdrain.rules import reasons
from stepdrain.rules.pods import Listing
from stepdrain.rules.policy import LONGEST_DELAY_S
from stepdrain.rules.reasons import Reason
from stepdrain.states import remaining_pods, routes, waiting

REGISTERED_S = 60
"""So long after the last pod a target that has not begun to drain is waited for, too. Controllers see the
label at once; one that has not deregistered the instance by then is not there, or does not read it."""
MARGIN_S = 60
"""What a deregistration may begin late, on top of its delay."""
DRAINING = ("draining", "deregistration currently in progress")
"""In a target's state, and in the description of a classic load balancer's instance
(https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/API_InstanceState.html)."""
LET_GO = ("unused", "not currently registered")


class Cluster(Protocol):
    """What WaitForTargets asks of the Kubernetes adapter."""

    def pods_on(self, node: str) -> Listing: ...
    def target_group_arns(self) -> list[str]: ...


class Account(Protocol):
    """What WaitForTargets asks of the AWS adapter."""

    def balancers_of(self, cluster: str) -> list[str]: ...
    def group_target_groups(self, group: str) -> list[str]: ...
    def target_states(self, target_groups: Sequence[str], instance_id: str) -> dict[str, str]: ...
    def classic_states(self, names: Sequence[str], instance_id: str) -> dict[str, str]: ...


def wait_for_targets(step: Step, cluster: Cluster, account: Account, now: float) -> Progress:
    """The record with the state that comes next (states.routes).
    One list of the node's pods if this visit has waited; one of TargetGroupBindings, the load balancers
    with the cluster's tag, the Auto Scaling group's own; then one call for each target group. A
    throttled look counts as one that saw a target drain. Raises TargetsDraining naming the target groups.
    """
    timing = step.timing(now)
    waited_s = now - (step.entered_at if step.progress.emptied_at is None else step.progress.emptied_at)
    # A connection may take an hour to end, and WaitForPods has looked before that.
    if step.attempt > 0 and _occupied(step, cluster, now):
        return replace(step.progress, next=progress.EVICT_BATCH)
    if timing.waits_over or waited_s >= _longest_s(step.policy.wait_for_targets):
        return _drained(step)
    try:
        states = _states(step, cluster, account)
    except AwsThrottled as throttled:
        awaited = [Reason("the load balancers", str(throttled))]
    else:
        awaited = [Reason(name, state) for name, state in states.items() if _holds(state, waited_s)]
    if not awaited:
        return _drained(step)
    if routes.heartbeat_needed(timing):
        return routes.to_heartbeat(step.progress, progress.WAIT_FOR_TARGETS, awaited)
    what = f"{len(awaited)} load balancer targets of {step.instance_id} have not drained"
    raise waiting.not_yet(TargetsDraining, f"{what}: {'; '.join(reasons.phrases(awaited))}.", timing)


def _occupied(step: Step, cluster: Cluster, now: float) -> bool:
    return remaining_pods.occupied(remaining_pods.sort(cluster.pods_on(step.node.name).pods, step), step, now)


def _longest_s(asked: str) -> int:
    return LONGEST_DELAY_S + MARGIN_S if asked == "auto" else int(asked)


def _holds(state: str, waited_s: float) -> bool:
    if any(word in state for word in DRAINING):
        return True
    return waited_s < REGISTERED_S and not any(word in state for word in LET_GO)


def _states(step: Step, cluster: Cluster, account: Account) -> Mapping[str, str]:
    """The instance's state by the name of the target group or classic load balancer that holds it."""
    instance_id, tagged = str(step.instance_id), account.balancers_of(step.cluster)
    own = account.group_target_groups(step.lifecycle["group"]) if step.lifecycle else []
    groups = {*cluster.target_group_arns(), *own, *(arn for arn in tagged if ":targetgroup/" in arn)}
    # A classic load balancer's ARN ends in its name; newer ones have their kind before it.
    names = [arn.split(":loadbalancer/")[1] for arn in tagged if ":loadbalancer/" in arn]
    classic = account.classic_states([name for name in names if "/" not in name], instance_id)
    targets = account.target_states(sorted(groups), instance_id)
    return {**{arn.split("/")[1]: state for arn, state in targets.items()}, **classic}


def _drained(step: Step) -> Progress:
    return replace(step.progress, next=progress.COMPLETE_ACTION, blockers=())
