"""Auto Scaling groups of a cluster: what protects each when an instance goes, and what is wrong. Pure.

The yardstick is a managed node group's hooks: heartbeat 1800 s, global 172,800 s, CONTINUE
(https://docs.aws.amazon.com/eks/latest/userguide/managed-node-groups.html; values as DescribeLifecycleHooks
shows them on such a group).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stepdrain.intake.lifecycle_events import CLUSTER_TAG_PREFIX, MANAGED_NODE_GROUP_TAG, TERMINATING

Json = Mapping[str, Any]
LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATIONS = "EC2 Instance-terminate Lifecycle Action"
"""The ``detail-type`` of the events that a drain begins with."""
CLUSTER_NAME_TAG = "eks:cluster-name"
HEARTBEAT_S, GLOBAL_S, DEFAULT_RESULT = 1800, 172_800, "CONTINUE"
COVERED = "Stepdrain"
LEAST_HEARTBEAT_S = 1200
"""The least that the parameter HeartbeatTimeout takes. Below it a heartbeat could come too late: so long is
the longest silence between two of them, when Lambda does not answer (statemachine/arithmetic.py)."""


@dataclass(frozen=True)
class Installation:
    """Stepdrain as a stack has deployed it: its hook's name, its rule's pattern (JSON text)."""

    hook: str
    rule: str
    pattern: str
    stack: str = ""


@dataclass(frozen=True)
class Finding:
    """What is wrong, in a sentence, and the command that fixes it."""

    what: str
    command: str
    puts_hook: bool = False
    """Whether ``doctor --fix`` runs the command: only what makes or corrects our own hook."""


@dataclass(frozen=True)
class Group:
    """One group as the doctor's table shows it. ``instances`` is a count."""

    name: str
    instances: int
    managed_by: str
    launch: str
    terminate: str
    covered_by: str
    findings: tuple[Finding, ...]
    hook: str = ""
    """The name of the hook that it should have, "" if nothing is installed that could take its events."""

    def to_document(self) -> dict[str, Any]:
        """As JSON shows it."""
        findings = [{"what": finding.what, "command": finding.command} for finding in self.findings]
        return {**vars(self), "findings": findings}


def tags(group: Json) -> dict[str, str]:
    """A group's tags by key."""
    return {tag["Key"]: tag.get("Value", "") for tag in group.get("Tags", ())}


def of_cluster(group: Json, cluster: str, instances: frozenset[str]) -> bool:
    """Whether the group's tags name the cluster, or one of its instances is a node of it."""
    own = tags(group)
    tagged = f"{CLUSTER_TAG_PREFIX}{cluster}" in own or own.get(CLUSTER_NAME_TAG) == cluster
    return tagged or any(instance["InstanceId"] in instances for instance in group.get("Instances", ()))


def node_group(group: Json) -> str:
    """The managed node group's name, "" for a self-managed group."""
    return tags(group).get(MANAGED_NODE_GROUP_TAG, "")


def judge(
    group: Json, hooks: Sequence[Json], installed: Installation | None, *, taken: bool, region: str
) -> Group:
    """The group's line. ``taken``: the deployed rule matches an event of this group and our hook."""
    managed = node_group(group)
    ours = next((hook for hook in hooks if installed and hook["LifecycleHookName"] == installed.hook), None)
    findings = (
        _managed(group, ours, region)
        if managed
        else _self_managed(group, ours, installed, taken=taken, region=region)
    )
    covered = "EKS" if managed else (COVERED if ours and taken else "nothing")
    return Group(
        name=group["AutoScalingGroupName"],
        instances=len(group.get("Instances", ())),
        managed_by=f"EKS ({managed})" if managed else "you",
        launch=_shown(hooks, LAUNCHING),
        terminate=_shown(hooks, TERMINATING),
        covered_by=covered,
        findings=tuple(findings),
        hook=installed.hook if installed else "",
    )


def _shown(hooks: Sequence[Json], transition: str) -> str:
    shown = [
        f"{hook['LifecycleHookName']} {hook['HeartbeatTimeout']}/{hook.get('GlobalTimeout', GLOBAL_S)} "
        f"{hook['DefaultResult']}"
        for hook in hooks
        if hook["LifecycleTransition"] == transition
    ]
    return ", ".join(shown) or "none"


def _managed(group: Json, ours: Json | None, region: str) -> list[Finding]:
    if ours is None:
        return []
    what = "EKS drains this group itself; with Stepdrain's hook each instance is drained twice"
    return [Finding(what, _aws("delete-lifecycle-hook", group, ours["LifecycleHookName"], region))]


def _self_managed(
    group: Json, ours: Json | None, installed: Installation | None, *, taken: bool, region: str
) -> list[Finding]:
    if installed is None:
        what = "Stepdrain is not installed: its pods die with each instance"
        return [Finding(what, "sam build && sam deploy --guided")]
    found = []
    name = group["AutoScalingGroupName"]
    if not taken:
        what = f"the rule {installed.rule} does not take this group's events"
        found.append(Finding(what, f"sam deploy --parameter-overrides GroupNames={shlex.quote(name)}"))
    command = put_hook(group, installed.hook, region)
    said = [f"it has no terminating hook {installed.hook}"] if ours is None else wrong(ours)
    return found + [Finding(what, command, puts_hook=True) for what in said]


def wrong(hook: Json) -> list[str]:
    """What is wrong with our hook, phrase by phrase; empty if nothing is."""
    said = []
    if hook["LifecycleTransition"] != TERMINATING:
        said.append(f"its hook is for {hook['LifecycleTransition']}, not for terminating")
    if hook["HeartbeatTimeout"] < LEAST_HEARTBEAT_S:
        said.append(
            f"its heartbeat timeout of {hook['HeartbeatTimeout']} s may be over "
            "between two heartbeats "
            f"({LEAST_HEARTBEAT_S} s)"
        )
    if hook["DefaultResult"] != DEFAULT_RESULT:
        said.append(f"its default result is {hook['DefaultResult']}, a managed group's {DEFAULT_RESULT}")
    return said


def put_hook(group: Json, hook: str, region: str) -> str:
    """The command that makes or corrects our hook."""
    values = f"--heartbeat-timeout {HEARTBEAT_S} --default-result {DEFAULT_RESULT}"
    return _aws("put-lifecycle-hook", group, hook, region, f"--lifecycle-transition {TERMINATING} {values}")


def _aws(operation: str, group: Json, hook: str, region: str, more: str = "") -> str:
    name = shlex.quote(group["AutoScalingGroupName"])
    parts = f"aws autoscaling {operation} --region {region} --auto-scaling-group-name {name}"
    return f"{parts} --lifecycle-hook-name {hook} {more}".strip()


def event(group: str, hook: str, account: str, region: str) -> dict[str, Any]:
    """An event as Auto Scaling would send it, to ask EventBridge whether a rule takes it."""
    return {
        "version": "0",
        "id": "00000000-0000-0000-0000-000000000000",
        "detail-type": TERMINATIONS,
        "source": "aws.autoscaling",
        "account": account,
        "time": "2026-01-01T00:00:00Z",
        "region": region,
        "resources": [],
        "detail": {
            "LifecycleActionToken": "00000000-0000-0000-0000-000000000000",
            "AutoScalingGroupName": group,
            "LifecycleHookName": hook,
            "EC2InstanceId": "i-00000000000000000",
            "LifecycleTransition": TERMINATING,
            "Origin": "AutoScalingGroup",
            "Destination": "EC2",
        },
    }
