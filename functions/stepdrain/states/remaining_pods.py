"""The node's pods by what becomes of them, as each state of a drain that has begun sees them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from stepdrain.document.progress import Progress
from stepdrain.document.step import Step
from stepdrain.rules import pods, stuck_pods
from stepdrain.rules.pods import Action, Pod
from stepdrain.rules.policy import Policy


def hold_daemonsets(
    sorted_pods: Mapping[Action, list[Pod]], policy: Policy, record: Progress
) -> dict[Action, list[Pod]]:
    """The node's pods by what becomes of them, DaemonSets' pods put off until the volumes are detached.

    Without the CSI driver's pod a volume stays attached for six minutes and more
    (kubernetes-sigs/aws-ebs-csi-driver #1955).
    """
    if not policy.wait_for_volumes or record.detached:
        return dict(sorted_pods)
    doomed = sorted_pods[Action.EVICT]
    held = [pod for pod in doomed if pod.of_daemonset and pod.uid not in record.orphans]
    kept = [pod for pod in doomed if pod not in held]
    return {**sorted_pods, Action.EVICT: kept, Action.LEAVE: sorted_pods[Action.LEAVE] + held}


def occupied(sorted_pods: Mapping[Action, list[Pod]], step: Step, now: float) -> bool:
    """Whether pods that must not be left behind are on the node again: the drain goes back to them.

    A cordon keeps the scheduler away, and not a pod that names its node; and somebody may have
    lifted it. Pods that were given up do not count.
    """
    leaving = awaited(sorted_pods, step, now)
    return bool(sorted_pods[Action.EVICT] or sorted_pods[Action.REFUSE] or leaving)


def awaited(sorted_pods: Mapping[Action, list[Pod]], step: Step, now: float) -> list[Pod]:
    """The pods that were asked to go and are still waited for."""
    left = given_up(sorted_pods, step, now)
    return [pod for pod in sorted_pods[Action.WAIT] if pod not in left]


def given_up(sorted_pods: Mapping[Action, list[Pod]], step: Step, now: float) -> list[Pod]:
    """The pods that were asked to go and are left, by what WaitForPods has noted about the kubelet."""
    silent = step.progress.stuck > 0
    return stuck_pods.given_up(sorted_pods[Action.WAIT], step.policy, now, silent=silent)


def sort(listed: Collection[Pod], step: Step) -> dict[Action, list[Pod]]:
    """The node's pods by what becomes of them, as ``pods.sort``, with DaemonSets' pods held."""
    sorted_pods = pods.sort(listed, step.policy, step.progress.orphans, step.cordoned_at)
    return hold_daemonsets(sorted_pods, step.policy, step.progress)
