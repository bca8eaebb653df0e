"""From an event to a drain: is it well formed, is it ours, and what is the execution's input?

Three answers are possible. An event that is not what its sender documents raises
InvalidEvent, so that it ends in the dead-letter queue where somebody sees it. One that
is fine but not ours is Ignored, with the reason that is logged. All else is a Start.

Of lateness, only that of events which somebody sends again is judged here (``outdated``). Whether a sweep has
started the drain before its event came is decided in stepdrain.intake.sweep (``covered``); whose drain it is
when both come at once, in stepdrain.intake.claim.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stepdrain.intake import envelope
from stepdrain.intake.envelope import Ignored
from stepdrain.intake.settings import IntakeSettings
from stepdrain.rules.policy import with_tags
from stepdrain.rules.reasons import counted

TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
# Instances of a managed node group and their groups carry this tag; EKS drains those itself
# (https://docs.aws.amazon.com/eks/latest/userguide/managed-node-groups.html).
MANAGED_NODE_GROUP_TAG = "eks:nodegroup-name"
CLUSTER_TAG_PREFIX = "kubernetes.io/cluster/"
STALE_S = 900
"""Lambda gives an event up that is older (MaximumEventAgeInSeconds in template.yaml)."""
HELD = {
    "Terminating:Wait": ("AutoScalingGroup", "EC2"),
    "ReplacingRootVolume:Wait": ("AutoScalingGroup", "AutoScalingGroup"),
    "Warmed:Terminating:Wait": ("WarmPool", "EC2"),
}
"""Lifecycle states in which a terminating hook holds an instance, with the action's origin and destination
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html and its neighbours
replace-root-volume and warm-pool-instance-lifecycle)."""


@dataclass(frozen=True)
class Start:
    """Start one execution: its name in the console, and its input."""

    name: str
    document: dict[str, Any]
    machine: str = "DrainNode"
    """Which state machine: DrainNode or AdmitNode."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Settings that could not be read and were not used; the drain also writes them on the node."""
        return tuple(self.document.get("warnings", ()))


def foreign(
    event: Mapping[str, Any], settings: IntakeSettings, expected: str = TERMINATING
) -> Ignored | None:
    """Why this event, judged by itself, is not ours; None if it may be. ``expected``: its transition.

    Runs before validation: what another tool's rule sends here need not fit our schema.
    """
    if event.get("Event") == "autoscaling:TEST_NOTIFICATION":
        return Ignored("It is the test notification that Auto Scaling sends when a hook is made.")
    if ignored := envelope.foreign(event, settings):
        return ignored
    detail = event.get("detail")
    if not isinstance(detail, Mapping):
        return None
    transition = detail.get("LifecycleTransition")
    if isinstance(transition, str) and transition != expected:
        return Ignored(f"Its transition is {transition}, not {expected}.")
    own_hook = settings.hook_name if expected == TERMINATING else settings.launch_hook_name
    group, hook = detail.get("AutoScalingGroupName"), detail.get("LifecycleHookName")
    if isinstance(hook, str) and hook != own_hook:
        return Ignored(f"Its hook is {hook}, and ours is {own_hook}: another tool completes it.")
    if isinstance(group, str) and not serves(settings, group):
        return Ignored(f"Group {group} is not among the groups this installation serves.")
    return None


def serves(settings: IntakeSettings, group: str) -> bool:
    """Whether the installation serves the group of that name: by names, by prefix, or all."""
    if not settings.group_names and not settings.group_prefix:
        return True
    by_prefix = bool(settings.group_prefix) and group.startswith(settings.group_prefix)
    return by_prefix or group in settings.group_names


def foreign_group(tags: Mapping[str, str], settings: IntakeSettings) -> Ignored | None:
    """Why the group with these tags is not ours; None if it is (or does not say)."""
    if settings.skip_managed_node_groups and MANAGED_NODE_GROUP_TAG in tags:
        return Ignored(f"Managed node group {tags[MANAGED_NODE_GROUP_TAG]}: EKS drains its nodes itself.")
    clusters = [key.removeprefix(CLUSTER_TAG_PREFIX) for key in tags if key.startswith(CLUSTER_TAG_PREFIX)]
    if clusters and not set(settings.clusters) & set(clusters):
        ours = " or ".join(settings.clusters)
        return Ignored(f"The group belongs to cluster {', '.join(clusters)}, not to {ours}.")
    if not clusters and not settings.group_names and not settings.group_prefix:
        # The functions may touch tagged groups alone then (template.yaml).
        return Ignored(
            f"The group has no tag {CLUSTER_TAG_PREFIX}{settings.cluster}, and neither GroupNames nor "
            "GroupPrefix names it."
        )
    return None


def cluster_of(tags: Mapping[str, str], settings: IntakeSettings) -> str:
    """The cluster that a group or an instance with these tags belongs to; ours where they do not say."""
    tagged = [key.removeprefix(CLUSTER_TAG_PREFIX) for key in tags if key.startswith(CLUSTER_TAG_PREFIX)]
    return next((cluster for cluster in settings.clusters if cluster in tagged), settings.cluster)


def start(
    event: Mapping[str, Any], tags: Mapping[str, str], hook: Mapping[str, Any], settings: IntakeSettings
) -> Start:
    """The execution for a valid event of ours.

    ``hook`` is the group's hook as DescribeLifecycleHooks shows it, whose timeouts (seconds)
    the drain must fit into. Name and input depend on the event alone, never on the time: an
    event delivered twice starts the same execution twice, which Step Functions takes as one
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html).
    """
    return start_for("lifecycle", event, ("AutoScalingGroup", "EC2"), tags, hook, settings)


def start_for(
    reason: str,
    event: Mapping[str, Any],
    way: tuple[str, str],
    tags: Mapping[str, str],
    hook: Mapping[str, Any],
    settings: IntakeSettings,
    machine: str = "DrainNode",
) -> Start:
    """As ``start``, of ``machine``; ``way`` is the origin and destination if the event does not say."""
    detail, (origin, destination) = event["detail"], way
    instance, token = detail["EC2InstanceId"], detail["LifecycleActionToken"]
    action = {
        "group": detail["AutoScalingGroupName"],
        "hook": detail["LifecycleHookName"],
        "token": token,
        "origin": detail.get("Origin", origin),
        "destination": detail.get("Destination", destination),
    }
    document = {"instanceId": instance, "reason": reason, **_held(action, tags, hook, settings)}
    return Start(f"{instance}-{token[:8]}", document, machine)


def start_swept(
    instance: str,
    group: str,
    tags: Mapping[str, str],
    hook: Mapping[str, Any],
    settings: IntakeSettings,
    number: int = 1,
    way: tuple[str, str] = ("AutoScalingGroup", "EC2"),
) -> Start:
    """The execution for an instance that waits behind our hook without one, its event being lost.

    As ``start``, but without the action's token, which only the lost event had: the instance id is enough
    for Auto Scaling (adapters.aws). The name is the same at every sweep, so that two sweeps start one;
    ``number`` is 2 and more for an instance that was swept in an earlier wait, too.
    """
    origin, destination = way
    action = {"group": group, "hook": settings.hook_name, "origin": origin, "destination": destination}
    document = {"instanceId": instance, "reason": "sweep", **_held(action, tags, hook, settings)}
    return Start(swept_name(instance, number), document)


def swept_name(instance: str, number: int = 1) -> str:
    """The name of the execution that the sweep starts for ``instance``, in its ``number``-th swept wait."""
    return f"{instance}-sweep" if number == 1 else f"{instance}-sweep-{number}"


def outdated(
    event: Mapping[str, Any], now: float, state_of: Callable[[str, str], str | None]
) -> Ignored | None:
    """Why a valid event that somebody has sent again drains nothing; None if a hook holds its instance.

    ``state_of`` takes a group and an instance, and gives its lifecycle state, None outside the group. It is
    asked only for an event that is older than STALE_S at ``now`` (epoch seconds): its instance may serve.
    """
    sent_at = envelope.sent_at(event)
    if sent_at is None or now - sent_at <= STALE_S:
        return None
    group, instance = event["detail"]["AutoScalingGroupName"], event["detail"]["EC2InstanceId"]
    state = state_of(group, instance)
    if state in HELD:
        return None
    where = f"is {state}" if state else f"is not in group {group} any more"
    age = counted(round((now - sent_at) / 60), "minute")
    return Ignored(f"The event is {age} old, and instance {instance} {where}: no hook holds it.")


def names_a_sweep(name: str, instance: str) -> bool:
    """Whether an execution's name is one that the sweep gives to drains of ``instance``."""
    return name.startswith(swept_name(instance))


OPEN = ("RUNNING", "PENDING_REDRIVE")
"""Statuses of an execution that goes on, or is about to."""


def drains_of(instance: str, executions: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of ``executions`` that are named after the instance, in the same order."""
    return [execution for execution in executions if execution["name"].startswith(f"{instance}-")]


def names_an_action(name: str, instance: str) -> bool:
    """Whether event or sweep have started the execution of this name, for an action of ``instance``."""
    return re.fullmatch(rf"{re.escape(instance)}-([0-9a-fA-F-]{{8}}|sweep(-\d+)?)", name) is not None


def _held(
    action: Mapping[str, str], tags: Mapping[str, str], hook: Mapping[str, Any], settings: IntakeSettings
) -> dict[str, Any]:
    """What an execution's input says of the action that holds the instance, and of the group around it."""
    policy, problems = with_tags(settings.policy, tags)
    return {
        "cluster": cluster_of(tags, settings),
        "lifecycle": {**action, **timeouts(hook)},
        "policy": policy.to_document(),
        **noted(problems),
    }


def timeouts(hook: Mapping[str, Any]) -> dict[str, int]:
    """A hook's timeouts in seconds, from DescribeLifecycleHooks, as a document's ``lifecycle`` has them."""
    return {"heartbeatTimeout": hook["HeartbeatTimeout"], "globalTimeout": hook["GlobalTimeout"]}


def noted(problems: Sequence[str]) -> dict[str, list[str]]:
    """The part of a document that lists what could not be read; empty if everything could."""
    return {"warnings": list(problems)} if problems else {}
