"""What lags behind the pods: the states between the last pod's end and the completed action.

A volume is detached some time after its pod has ended, and a load balancer holds a target
until its connections have ended, or its deregistration delay is over. The node's DaemonSet pods
stay until then, since the CSI driver's pod on the node does the detaching.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from stepdrain.document import progress
from stepdrain.document.progress import Progress, Timing
from stepdrain.document.step import Step
from stepdrain.errors import DrainError
from stepdrain.rules import deadline, pods, reasons, stuck_pods
from stepdrain.rules.deadline import Pace
from stepdrain.rules.pods import Action, Pod
from stepdrain.rules.policy import Policy
from stepdrain.rules.reasons import Reason


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


def next_state(step: Step, record: Progress) -> str:
    """What a node without evictable pods waits for next.

    volumes, unless they are detached or the policy does not ask     WaitForVolumes
    load balancers, unless the policy does not ask                   WaitForTargets
    nothing                                                          CompleteAction

    The volumes of a node with stuck pods are not waited for: where no kubelet answers, nobody detaches.
    """
    if step.policy.wait_for_volumes and not record.detached and not record.stuck:
        return progress.WAIT_FOR_VOLUMES
    if step.policy.wait_for_targets != "off" and step.instance_id is not None:
        return progress.WAIT_FOR_TARGETS
    return progress.COMPLETE_ACTION


def following(step: Step, record: Progress, timing: Timing) -> str:
    """``next_state``, or Heartbeat first if there is no time for it."""
    state = next_state(step, record)
    return state if state == progress.COMPLETE_ACTION else timing.enter(state, record.heartbeat_at)


def occupied(sorted_pods: Mapping[Action, list[Pod]], step: Step, now: float) -> bool:
    """Whether pods that must not be left behind are on the node again: the drain goes back to them.

    A cordon keeps the scheduler away, and not a pod that names its node; and somebody may have
    lifted it. Pods that were given up do not count.
    """
    leaving = stuck_pods.awaited(sorted_pods[Action.WAIT], step.policy, now, silent=step.progress.stuck > 0)
    return bool(sorted_pods[Action.EVICT] or sorted_pods[Action.REFUSE] or leaving)


def sort(listed: Collection[Pod], step: Step) -> dict[Action, list[Pod]]:
    """The node's pods by what becomes of them, as ``pods.sort``, with DaemonSets' pods held."""
    sorted_pods = pods.sort(listed, step.policy, step.progress.orphans, step.cordoned_at)
    return hold_daemonsets(sorted_pods, step.policy, step.progress)


def over(timing: Timing) -> bool:
    """Whether nothing is waited for any more: under ``onTimeout: force`` the deadline ends every wait."""
    return timing.now >= timing.deadline and timing.yields_at > timing.now


def wait(
    step: Step, timing: Timing, awaited: Sequence[Reason], what: str, errors: Mapping[Pace, type[DrainError]]
) -> Progress:
    """Raise the error of the pace, naming what is ``awaited``, or give way to Heartbeat if one presses.

    ``what`` begins the sentence. A visit that was entered with a heartbeat due gives way at once:
    so a visit that waits has all of a round's time.
    """
    last = step.progress.heartbeat_at
    named = reasons.phrases(awaited)
    late = step.lifecycle is not None and deadline.heartbeat_due(step.entered_at, last, timing.hook)
    if late or timing.must_yield(last, deadline.SLOWEST_AFTERMATH_POLL_S):
        return replace(step.progress, next=progress.HEARTBEAT, blockers=tuple(named))
    raise errors[timing.at](f"{what}: {'; '.join(named)}")
