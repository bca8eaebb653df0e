"""Which instance a rehearsal takes: the one that is named, or one in service of a group that is served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stepdrain.intake.lifecycle_events import cluster_of, foreign_group, serves
from stepdrain.intake.settings import IntakeSettings
from stepdrain.rules.policy import with_tags

from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.installation import installed
from stepdrain_cli.accounts.targets import enrolled
from stepdrain_cli.doctor.groups import tags
from stepdrain_cli.terminal.exits import CommandError
from stepdrain_cli.verification.rehearsal import Rehearsal

Json = Mapping[str, Any]
UNDONE = "Nothing was rehearsed; without NODE an instance is chosen."


def chosen(account: Account, text: str | None) -> Rehearsal:
    """The instance to rehearse with; ``text`` is an instance id, a node's name, or its first label.

    CommandError with the exact reason if that is none of ours, or if no group of ours has an instance.
    """
    own = installed(account)
    groups = [group for group in _all_groups(account) if _ours(group, own)]
    policies = [with_tags(own.policy, tags(group))[0] for group in groups]
    asked = {
        "rolls": any(policy.roll != "off" for policy in policies),
        "targets": any(policy.wait_for_targets != "off" for policy in policies),
    }
    if text is not None:
        instance, ours = enrolled(account, text, own, UNDONE)
        if not ours.group:
            raise CommandError(
                f"Instance {instance} is in no Auto Scaling group, and no hook holds it. {UNDONE}"
            )
        return Rehearsal(instance, ours.cluster, ours.group, own.hook_name, own.clusters, **asked)
    for group in groups:
        for instance in group["Instances"]:
            if instance["LifecycleState"] == "InService":
                cluster, name = cluster_of(tags(group), own), group["AutoScalingGroupName"]
                return Rehearsal(instance["InstanceId"], cluster, name, own.hook_name, own.clusters, **asked)
    raise CommandError(_nobody(groups, own))


def _nobody(groups: Sequence[Json], own: IntakeSettings) -> str:
    if groups:
        names = ", ".join(group["AutoScalingGroupName"] for group in groups)
        return (
            f"No group of this installation ({names}) has an instance in service: scale one up, then verify."
        )
    asked = ", ".join(own.group_names) or (f"{own.group_prefix}…" if own.group_prefix else "")
    which = f"called {asked}" if asked else f"with the tag kubernetes.io/cluster/{own.cluster}"
    return (
        f"There is no Auto Scaling group {which} that this installation serves; "
        f"`stepdrain doctor --cluster {own.cluster}` shows the groups of the cluster."
    )


def _all_groups(account: Account) -> list[dict[str, Any]]:
    pages = account.client("autoscaling").get_paginator("describe_auto_scaling_groups").paginate()
    return [group for page in pages for group in page["AutoScalingGroups"]]


def _ours(group: Json, own: IntakeSettings) -> bool:
    return serves(own, group["AutoScalingGroupName"]) and foreign_group(tags(group), own) is None
