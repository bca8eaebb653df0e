"""What CloudFormation refuses for an account: names that are too long, and what exists already.

It compares properties with the schemas of their kinds, and names with those in the account, before it makes
anything (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/validate-stack-deployments.html).
What a service alone refuses it finds later, and takes everything back. Here all of it is refused first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
HOOK, ACCESS_ENTRY = "AWS::AutoScaling::LifecycleHook", "AWS::EKS::AccessEntry"
LONGEST: dict[tuple[str, str], int] = {
    # https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
    ("AWS::StepFunctions::StateMachine", "StateMachineName"): 80,
    # https://docs.aws.amazon.com/lambda/latest/api/API_PublishLayerVersion.html
    ("AWS::Lambda::LayerVersion", "LayerName"): 140,
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    ("AWS::CloudWatch::Alarm", "AlarmName"): 255,
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-logs-querydefinition.html
    ("AWS::Logs::QueryDefinition", "Name"): 255,
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html
    ("AWS::CloudWatch::Dashboard", "DashboardName"): 255,
    # https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html
    ("AWS::KMS::Alias", "AliasName"): 256,
    # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
    ("AWS::Logs::LogGroup", "LogGroupName"): 512,
}
"""How long a name may be, in characters, by kind and property."""


class DeploymentRefused(ValueError):
    """Nothing was made; the message is CloudFormation's."""


@dataclass(frozen=True)
class Existing:
    """What moto does not know, and stands in a deployment's way."""

    access_entries: Set[tuple[str, str]] = frozenset()
    """(cluster, role ARN)."""
    config_map_clusters: Set[str] = frozenset()
    """Clusters with the authentication mode CONFIG_MAP, which take no access entries."""


def check(resources: Mapping[str, Json], existing: Existing, auto_scaling: Callable[[], Any]) -> None:
    """Raise DeploymentRefused for the first of ``resources`` (resolved, by logical id) that is refused.

    ``auto_scaling`` makes the client that is asked for hooks.
    """
    for logical_id, resource in resources.items():
        kind, properties = resource["Type"], resource["Properties"]
        refusals = [*_too_long(logical_id, kind, properties), *_entry_refused(kind, properties, existing)]
        if kind == HOOK and _hook_exists(auto_scaling(), properties):
            hook = properties["AutoScalingGroupName"], properties["LifecycleHookName"]
            refusals.append(_exists(kind, *hook))
        if refusals:
            raise DeploymentRefused(refusals[0])


def _exists(kind: str, *identifier: str) -> str:
    return f"Resource of type '{kind}' with identifier '{'|'.join(identifier)}' already exists."


def _hook_exists(client: Any, properties: Json) -> bool:
    name = properties["AutoScalingGroupName"]
    # A group that is not there has no hooks: the world makes its own after the stack.
    if not client.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]:
        return False
    hooks = client.describe_lifecycle_hooks(AutoScalingGroupName=name)["LifecycleHooks"]
    return properties["LifecycleHookName"] in {hook["LifecycleHookName"] for hook in hooks}


def _too_long(logical_id: str, kind: str, properties: Json) -> Iterable[str]:
    for (of, name), most in LONGEST.items():
        length = len(str(properties.get(name, "")))
        if of == kind and length > most:
            yield (
                f"Properties validation failed for resource {logical_id} with message: "
                f"#/{name}: expected maxLength: {most}, actual: {length}"
            )


def _entry_refused(kind: str, properties: Json, existing: Existing) -> Iterable[str]:
    if kind != ACCESS_ENTRY:
        return
    cluster, role = properties["ClusterName"], properties["PrincipalArn"]
    # https://docs.aws.amazon.com/eks/latest/userguide/setting-up-access-entries.html
    if cluster in existing.config_map_clusters:
        yield (
            "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] "
            "to perform this operation."
        )
    if (cluster, role) in existing.access_entries:
        yield _exists(kind, role, cluster)
