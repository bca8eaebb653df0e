"""Arrivals: an instance goes into service when its node can take pods, and what a drain had set is undone.

The launch hook of managed node groups (Launch-LC-Hook), for self-managed ones. The instance is held in
Pending:Wait meanwhile (https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks.html).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from stepdrain.clock import Clock, to_rfc3339
from stepdrain.document.step import NodeRef, Step
from stepdrain.errors import NodeNeverReady, NodeNotReady, NothingToDo, WatchUnavailable
from stepdrain.intake.lifecycle_events import Start, start_for
from stepdrain.intake.settings import IntakeSettings
from stepdrain.rules import nodes, reasons
from stepdrain.rules.deadline import hook_of
from stepdrain.rules.nodes import Instance
from stepdrain.rules.reasons import Reason, counted
from stepdrain.states import find_node, node_patch, waiting
from stepdrain.states.wait_for_pods import View

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
LAUNCH = "EC2 Instance-launch Lifecycle Action"
ADMIT_NODE = "AdmitNode"
MARGIN_S = 60
"""AdmitNode decides this long before the hook's time is over, so that it is still heard."""


class Cluster(Protocol):
    """What is asked of the Kubernetes adapter."""

    def node(self, name: str) -> Mapping[str, Any] | None: ...
    def nodes(self) -> Iterable[Mapping[str, Any]]: ...
    def patch_node(self, name: str, body: Mapping[str, Any]) -> node_patch.Patched | None: ...
    def patch_node_status(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any] | None: ...
    def pods_on(self, node: str) -> View: ...
    def follow(self, view: View, seconds: float, done: Callable[[View], bool]) -> tuple[View, str]: ...
    def follow_node(self, name: str, seconds: float, done: Callable[[Mapping[str, Any]], bool]) -> str: ...


def start(
    event: Mapping[str, Any], tags: Mapping[str, str], hook: Mapping[str, Any], settings: IntakeSettings
) -> Start:
    """The execution of AdmitNode for a valid launch event of ours; see intake.lifecycle_events.start."""
    way = ("EC2", "AutoScalingGroup")
    return start_for("launch", event, way, tags, hook, settings, ADMIT_NODE)


def admit(step: Step, cluster: Cluster, instance: Instance, now: float) -> NodeRef:
    """The instance's node, once it is Ready (and its DaemonSets' pods are, under admitDaemonsets).

    Raises NodeNotReady while it is not, NodeNeverReady past the deadline, and NothingToDo for an
    instance that enters a warm pool: it serves nobody yet.
    """
    if (step.lifecycle or {}).get("destination") == "WarmPool":
        raise NothingToDo(f"{step.instance_id} enters a warm pool and takes no pods yet.")
    until = deadline(step)
    # As in FindNode: not every attempt lists all nodes, but the one that gives the instance up does.
    listed = now >= until or step.attempt % find_node.LISTED_EVERY == 0
    node = next(iter(find_node.nodes_of(cluster, instance, listed=listed)), None)
    lacking = find_node.missing(instance) if node is None else _lacking(node, step, cluster)
    if node is not None and not lacking:
        return find_node.reference(node)
    if now >= until:
        raise NodeNeverReady(
            f"{lacking} The deadline, {to_rfc3339(until)}, is over: Auto Scaling replaces the instance."
        )
    raise NodeNotReady(f"{lacking} It has until {to_rfc3339(until)}.")


def wait_for_node(
    step: Step, cluster: Cluster, instance: Instance, clock: Clock, until: float, unwatched: str = ""
) -> NodeRef:
    """As ``admit``, and where that has to wait, again after a watch that lasts no longer than ``until``.

    Watched is the node of the instance's private DNS name, there or not, and once it is Ready its pods.
    Raises WatchUnavailable in place of NodeNotReady where that was not possible, or ``unwatched`` says why
    not.
    """
    now = clock.now()
    try:
        return admit(step, cluster, instance, now)
    except NodeNotReady as lacking:
        if step.wait_s is None:
            raise
        seconds = waiting.seconds_left([deadline(step)], now, until)
        why = unwatched or _watched(cluster, instance, seconds)
        if why:
            raise WatchUnavailable(f"{lacking} Polled, since {why}.") from lacking
    return admit(step, cluster, instance, clock.now())


def _watched(cluster: Cluster, instance: Instance, seconds: float) -> str:
    """Watch for what ``admit`` lacked; "" once something has changed or the time is over, else why not."""
    name = instance.private_dns_name
    if not name:
        return "the instance's private DNS name is not known"
    node = cluster.node(name)
    if node is not None and nodes.ready(node):
        return cluster.follow(cluster.pods_on(name), seconds, lambda seen: not _late(seen))[1]
    return cluster.follow_node(name, seconds, nodes.ready)


def deadline(step: Step) -> float:
    """Until when the node may take, in epoch seconds: the policy's time, less where the hook grants less."""
    hook = hook_of(step.lifecycle)
    granted = step.policy.admit_timeout if hook is None else hook.heartbeat_timeout - MARGIN_S
    return step.begun_at + min(step.policy.admit_timeout, granted)


def _lacking(node: Mapping[str, Any], step: Step, cluster: Cluster) -> str:
    name = nodes.name_of(node)
    if not nodes.ready(node):
        return f"Node {name} is registered and not Ready."
    if not step.policy.admit_daemonsets:
        return ""
    late = _late(cluster.pods_on(name))
    named = "; ".join(reasons.phrases(late))
    return f"Node {name} waits for {counted(len(late), 'DaemonSet pod')}: {named}." if late else ""


def _late(view: View) -> list[Reason]:
    return [Reason(pod.key, "not ready") for pod in view.pods if pod.of_daemonset and not pod.ready]
