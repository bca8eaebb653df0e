"""Lifecycle hooks of the rehearsed group: the terminating one, and the launching one if it has one."""

from __future__ import annotations

from typing import Any

from stepdrain.rules.policy import Policy
from stepdrain.verification.findings import Result

from stepdrain_cli.doctor import groups
from stepdrain_cli.verification.checks import BY, Check
from stepdrain_cli.verification.deployed import Deployed

Json = dict[str, Any]
MARGIN_S = 60
"""AdmitTimeout counts up to so long before the hook's heartbeat timeout (template.yaml)."""


def terminating(deployed: Deployed, group: str, hook: str) -> Check:
    """Without it nothing holds an instance while its node is drained."""
    what = f"the hook {hook} of group {group}"
    found = _hooks(deployed, group)
    ours = next((existing for existing in found if existing["LifecycleHookName"] == hook), None)
    command = groups.put_hook({"AutoScalingGroupName": group}, hook, deployed.region)
    if ours is None:
        others = ", ".join(existing["LifecycleHookName"] for existing in found) or "none"
        return Check(what, BY, Result.MISSING, f"The group has no such hook; it has: {others}.", command)
    wrong = groups.wrong(ours)
    return Check(what, BY, Result.MISSING if wrong else Result.OK, "; ".join(wrong), command if wrong else "")


def launching(deployed: Deployed, group: str) -> Check:
    """A group may do without; its instances then serve before their nodes are Ready."""
    hook = deployed.parameters.get("LaunchHookName", "")
    what = f"the launch hook {hook} of group {group}"
    ours = next(
        (existing for existing in _hooks(deployed, group) if existing["LifecycleHookName"] == hook), None
    )
    if ours is None:
        return Check(what, BY, Result.OK, "The group has none, and needs none.")
    admit_s = int(deployed.parameters.get("AdmitTimeout", Policy().admit_timeout))
    wrong = _wrong(ours, admit_s)
    command = (
        f"aws autoscaling put-lifecycle-hook --region {deployed.region} --auto-scaling-group-name {group} "
        f"--lifecycle-hook-name {hook} --lifecycle-transition {groups.LAUNCHING} "
        f"--heartbeat-timeout {max(groups.HEARTBEAT_S, admit_s + MARGIN_S)} --default-result CONTINUE"
    )
    return Check(
        what, BY, Result.DEGRADED if wrong else Result.OK, "; ".join(wrong), command if wrong else ""
    )


def _wrong(hook: Json, admit_s: int) -> list[str]:
    said = []
    if hook["LifecycleTransition"] != groups.LAUNCHING:
        said.append(f"it is for {hook['LifecycleTransition']}, not for launching")
    if hook["HeartbeatTimeout"] < admit_s + MARGIN_S:
        said.append(
            f"its heartbeat timeout of {hook['HeartbeatTimeout']} s ends before AdmitTimeout ({admit_s} s) "
            f"and {MARGIN_S} s more"
        )
    if hook["DefaultResult"] != groups.DEFAULT_RESULT:
        said.append(f"its default result is {hook['DefaultResult']}: a stack that is ill stops the group")
    return said


def _hooks(deployed: Deployed, group: str) -> list[Json]:
    client = deployed.account.client("autoscaling")
    found: list[Json] = client.describe_lifecycle_hooks(AutoScalingGroupName=group)["LifecycleHooks"]
    return found
