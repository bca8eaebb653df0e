"""From the version with hooks by position to this one: what is kept, what goes, and how hooks come along.

``before.json`` is the template of that version, written out for PARAMETERS: kinds and create-only properties.
An update makes what is new, then removes what is gone
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.template.stack import ROOT, Stack

PARAMETERS = {
    "ClusterName": "demo",
    "GroupNames": "blue,green",
    "CreateLifecycleHooks": "true",
    "CreateLaunchHooks": "true",
    "SubnetIds": "subnet-0a1b2c3d",
    "SecurityGroupIds": "sg-0a1b2c3d",
    "Tracing": "true",
    "NotificationEmail": "on-call@example.com",
    "MaxConcurrentDrains": "2",
}
BEFORE: dict[str, Any] = json.loads((Path(__file__).parent / "before.json").read_text())
HOOK = "AWS::AutoScaling::LifecycleHook"
# A change of one of these replaces the resource: CloudFormation's resource schemas, createOnlyProperties.
CREATE_ONLY: dict[str, tuple[str, ...]] = {
    HOOK: ("AutoScalingGroupName", "LifecycleHookName"),
    "AWS::CloudWatch::Alarm": ("AlarmName",),
    "AWS::CloudWatch::Dashboard": ("DashboardName",),
    "AWS::DynamoDB::Table": ("TableName", "KeySchema"),
    "AWS::EKS::AccessEntry": ("ClusterName", "PrincipalArn", "Type"),
    "AWS::Events::Rule": ("Name", "EventBusName"),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", "Path", "Description"),
    "AWS::IAM::Role": ("RoleName", "Path"),
    "AWS::KMS::Alias": ("AliasName",),
    "AWS::KMS::Key": (),
    "AWS::Lambda::EventInvokeConfig": ("FunctionName", "Qualifier"),
    "AWS::Lambda::Function": ("FunctionName", "PackageType"),
    "AWS::Lambda::Permission": ("FunctionName", "Action", "Principal", "SourceArn"),
    "AWS::Logs::LogGroup": ("LogGroupName",),
    "AWS::Logs::QueryDefinition": (),
    "AWS::SNS::Subscription": ("TopicArn", "Protocol", "Endpoint"),
    "AWS::SNS::Topic": ("TopicName", "FifoTopic"),
    "AWS::SNS::TopicPolicy": (),
    "AWS::SQS::Queue": ("QueueName", "FifoQueue"),
    "AWS::SQS::QueuePolicy": (),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", "StateMachineType"),
    "AWS::StepFunctions::StateMachineAlias": ("Name",),
}
# Each change makes a new one, and old versions of state machines stay for the drains that run on them.
BY_CONTENT = {"AWS::Lambda::LayerVersion", "AWS::StepFunctions::StateMachineVersion"}
# These notices come by a queue now.
BY_QUEUE = {f"{rule}RulePermission" for rule in ("SpotInterruption", "Rebalance", "Capacity", "StateChange")}


def now(**changes: str) -> dict[str, Any]:
    """This version's resources for the same parameters, in the form of ``before.json``."""
    given = {**PARAMETERS, **changes}
    return {
        name: {"Type": resource["Type"], "Properties": fixed(resource)}
        for name, resource in Stack(**given).resources.items()
    }


def fixed(resource: dict[str, Any]) -> dict[str, Any]:
    """A resource's create-only properties."""
    names = CREATE_ONLY.get(resource["Type"], ())
    return {name: value for name, value in resource.get("Properties", {}).items() if name in names}


def hooks(resources: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Group and hook of each hook, by logical id."""
    return {
        name: (resource["Properties"]["AutoScalingGroupName"], resource["Properties"]["LifecycleHookName"])
        for name, resource in resources.items()
        if resource["Type"] == HOOK
    }


def test_nothing_is_replaced_and_only_positions_are_removed() -> None:
    """What has a fixed name keeps its logical id: logs stay, alarms stay, and drains run on."""
    after = now()
    replaced = {name for name in BEFORE.keys() & after.keys() if BEFORE[name] != after[name]}
    assert replaced == set()
    removed = {n for n, resource in BEFORE.items() if n not in after and resource["Type"] not in BY_CONTENT}
    assert removed == {*hooks(BEFORE), *BY_QUEUE}


@pytest.mark.parametrize(
    "kind", sorted({resource["Type"] for resource in BEFORE.values()} - {HOOK, *BY_CONTENT})
)
def test_the_table_knows_each_kind(kind: str) -> None:
    """A kind that is not in it would count as never replaced."""
    assert kind in CREATE_ONLY


class AlreadyExists(Exception):
    """What CloudFormation says of a hook that is there already."""


def update(
    account: set[tuple[str, str]], old: dict[str, Any], new: dict[str, Any], *, retained: bool
) -> None:
    """An update of the account's hooks; ``retained``: the old template has DeletionPolicy Retain."""
    before, after = hooks(old), hooks(new)
    for name in after.keys() - before.keys():
        if after[name] in account:
            raise AlreadyExists(f"{after[name]}")
        account.add(after[name])
    for name in before.keys() - after.keys():
        if not retained:
            account.discard(before[name])


def test_without_a_step_between_the_update_fails_before_it_has_changed_a_hook() -> None:
    """The hook of a group is there already, by another logical id: the update is rolled back."""
    account = set(hooks(BEFORE).values())
    with pytest.raises(AlreadyExists):
        update(account, BEFORE, now(), retained=False)


def test_hooks_that_are_retained_hold_instances_all_the_time() -> None:
    """The first way of the manual: no instance is let go, and the hooks are their owner's from then on."""
    account = set(hooks(BEFORE).values())
    all_hooks = set(account)
    update(account, BEFORE, now(CreateLifecycleHooks="false", CreateLaunchHooks="false"), retained=True)
    assert account == all_hooks


def test_hooks_that_are_made_anew_are_missing_for_as_long_as_a_deployment_lasts() -> None:
    """The second way of the manual: the stack keeps making them, and an instance may go without a drain."""
    account = set(hooks(BEFORE).values())
    without = {name: resource for name, resource in BEFORE.items() if resource["Type"] != HOOK}
    update(account, BEFORE, without, retained=False)
    assert account == set()
    update(account, without, now(), retained=False)
    assert account == set(hooks(BEFORE).values())


def test_the_manual_describes_both_ways() -> None:
    """What is played here is what people do."""
    manual = (ROOT / "docs" / "operations.md").read_text()
    assert "DeletionPolicy: Retain" in manual
    assert "CreateLifecycleHooks=false CreateLaunchHooks=false" in manual


def test_a_drain_that_runs_meets_the_same_functions_and_the_same_machine() -> None:
    """Its version is retained, its functions keep their logical ids."""
    after = now()
    for name, resource in BEFORE.items():
        if resource["Type"] in (
            "AWS::Lambda::Function",
            "AWS::StepFunctions::StateMachine",
            "AWS::IAM::Role",
        ):
            assert after[name] == resource, name
