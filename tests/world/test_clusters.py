"""Two clusters with one stack: each drain goes to the cluster that its instance belongs to."""

import contextlib
import json

import boto3
from moto.eks.models import eks_backends

from stepdrain_recorded import audit
from stepdrain_sandbox.aws.account import ACCOUNT, REGION
from stepdrain_sandbox.kube.discovery import base64_of
from stepdrain_sandbox.kube.eks_token import EksTokens
from stepdrain_sandbox.kube.server import KubeServer
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import HOOK, World, node_manifest, rbac_manifests

GREEN = "green"


@contextlib.contextmanager
def second_cluster(world):
    """Cluster green with one node, and the cluster's server; its tokens are good for nothing else."""
    # As docs/operations.md has the entries made by hand: with the groups of those in the first cluster.
    with KubeServer(world.clock, authenticate=EksTokens(GREEN, world.aws.users())) as server:
        boto3.client("eks", region_name=REGION).create_cluster(
            name=GREEN, roleArn=f"arn:aws:iam::{ACCOUNT}:role/eks", resourcesVpcConfig={"subnetIds": []}
        )
        cluster = eks_backends[ACCOUNT][REGION].clusters[GREEN]
        cluster.endpoint, cluster.certificate_authority = server.url, {"data": base64_of(server.ca_pem)}
        server.cluster.load(rbac_manifests({}))
        yield server


def green_instance(world, server):
    """An instance of group others, which cluster green owns, and its node."""
    auto_scaling = boto3.client("autoscaling", region_name=REGION)
    tag = {"Key": f"kubernetes.io/cluster/{GREEN}", "Value": "owned", "PropagateAtLaunch": True}
    auto_scaling.create_auto_scaling_group(
        AutoScalingGroupName="others", LaunchTemplate={"LaunchTemplateName": "workers"},
        MinSize=0, MaxSize=1, DesiredCapacity=1, AvailabilityZones=[f"{REGION}a"], Tags=[tag],
    )  # fmt: skip
    auto_scaling.put_lifecycle_hook(
        AutoScalingGroupName="others",
        LifecycleHookName=HOOK,
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
        HeartbeatTimeout=1800,
    )
    group = auto_scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["others"])
    instance = group["AutoScalingGroups"][0]["Instances"][0]["InstanceId"]
    server.cluster.create(node_manifest("green-node", instance))
    return instance


def test_each_drain_goes_to_the_cluster_of_its_instance():
    """At the same time, from the same containers: endpoint, CA and token are kept for each cluster."""
    parameters = {"OtherClusterNames": GREEN, "GroupNames": "workers,others"}
    with World(workload=cluster_workload, parameters=parameters) as world, second_cluster(world) as server:
        green = green_instance(world, server)
        demo, node = next(iter(world.instances.items()))
        for instance in (green, demo):
            world.terminate(instance)
        world.settle()
        ended = {
            json.loads(execution["output"])["cluster"]: execution["status"]
            for execution in world.executions()
        }
        assert ended == {"demo": "SUCCEEDED", GREEN: "SUCCEEDED"}
        assert {c.object for c in audit.changes(server.audit_log)} == {"green-node"}
        marked = {c.object for c in audit.changes(world.kube.audit_log) if c.kind in ("label", "cordon")}
        assert marked == {node}
        assert not {401, 403} & {event["responseStatus"]["code"] for event in server.audit_log}


def test_a_cluster_that_is_not_allowed_is_ignored():
    """A tag alone must not lead the functions anywhere."""
    with (
        World(workload=cluster_workload, parameters={"GroupNames": "workers,others"}) as world,
        second_cluster(world) as server,
    ):
        instance = green_instance(world, server)
        world.terminate(instance)
        world.pass_time(5)
        (answer,) = [answer["Payload"] for _, answer in world.aws.delivery.answers]
        assert "belongs to cluster green, not to demo" in answer["ignored"]
