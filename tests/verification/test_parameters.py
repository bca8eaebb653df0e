"""What an installation has switched off is not missed, and what it has switched on is found well."""

import boto3
import pytest

from stepdrain_cli.accounts.account import Account
from stepdrain_cli.commands import verify
from stepdrain_cli.verification import checks
from stepdrain_cli.verification.choice import chosen
from stepdrain_cli.verification.deployed import deployed
from stepdrain_sandbox.aws.account import REGION
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import GROUP, World

EVERYTHING = {
    "GroupNames": f"{GROUP},b,c,d,e,f",
    "OtherClusterNames": "green",
    "MaxConcurrentDrains": "3",
    "SubnetIds": "subnet-1",
    "SecurityGroupIds": "sg-1",
    "Tracing": "true",
    "KmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/1",
    "NodeConditions": "true",
    "RollBlocked": "blocked",
    "OnTimeout": "force",
    "DrainOnRebalance": "true",
    "DrainOnStateChange": "true",
    "DrainOnMaintenance": "true",
}
NOTHING = {
    "GroupNames": "",
    "GroupPrefix": GROUP[:3],
    "AllowForce": "false",
    "WaitForTargets": "off",
    "WaitForVolumes": "false",
    "DrainOnSpotInterruption": "false",
    "DrainOnHealthEvent": "false",
    "DrainOnCapacityEnd": "false",
}


def account(world):
    session = boto3.Session(region_name=REGION)
    return Account(session, world.machine, world.clock.now, world.clock.sleep, world)


@pytest.mark.parametrize("parameters", [EVERYTHING, NOTHING], ids=["everything", "nothing"])
def test_an_installation_as_it_was_deployed_has_nothing_to_fix(parameters):
    """Whatever its parameters: else verify asks for rights that nobody has granted, or that nobody needs."""
    with World(workload=cluster_workload, parameters=parameters) as world:
        sns = world._client("sns")
        (topic,) = [topic["TopicArn"] for topic in sns.list_topics()["Topics"]]
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="oncall@example.com")
        world.aws.subscriptions.confirm("oncall@example.com")
        here = account(world)
        found = verify.found(deployed(here, "stepdrain"), chosen(here, None), None, None)
    assert checks.well(found)
    skipped = {"the manifests in the cluster", *(["cluster green"] if parameters is EVERYTHING else [])}
    assert {check.what for check in checks.wrong(found)} == skipped


def test_a_group_of_another_cluster_is_rehearsed_there():
    """Its nodes are in the cluster that its tag names."""
    with World(workload=cluster_workload, parameters={"OtherClusterNames": "green"}) as world:
        client = world._client("autoscaling")
        of_group = {"ResourceId": GROUP, "ResourceType": "auto-scaling-group"}
        tag = {**of_group, "Value": "owned", "PropagateAtLaunch": True}
        client.delete_tags(Tags=[{**of_group, "Key": "kubernetes.io/cluster/demo"}])
        client.create_or_update_tags(Tags=[{**tag, "Key": "kubernetes.io/cluster/green"}])
        rehearsal = chosen(account(world), None)
    assert (rehearsal.cluster, rehearsal.group) == ("green", GROUP)
