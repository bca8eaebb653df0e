"""An account with typical node groups: well configured, without a hook, with a bad hook, managed by EKS."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import boto3

from stepdrain_sandbox.aws.account import REGION
from stepdrain_sandbox.examples.recordings import seeded
from stepdrain_sandbox.world import CLUSTER, HOOK, World

TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"


@contextlib.contextmanager
def groups() -> Iterator[World]:
    """Groups workers, gpu, batch and eks-web of the cluster demo; Stepdrain takes workers, gpu and batch."""
    with seeded(), World(nodes=2, parameters={"GroupNames": "workers,gpu,batch"}) as world:
        auto_scaling = boto3.client("autoscaling", region_name=REGION)
        own = f"kubernetes.io/cluster/{CLUSTER}"
        _make(auto_scaling, "gpu", 3, {own: "owned"})
        _make(auto_scaling, "batch", 1, {own: "owned"})
        _make(auto_scaling, "eks-web", 2, {"eks:cluster-name": CLUSTER, "eks:nodegroup-name": "web"})
        _make(auto_scaling, "another-clusters", 1, {"kubernetes.io/cluster/another": "owned"})
        _hook(auto_scaling, "batch", HOOK, TERMINATING, 300, "ABANDON")
        _hook(auto_scaling, "eks-web", "Launch-LC-Hook", LAUNCHING, 1800, "CONTINUE")
        _hook(auto_scaling, "eks-web", "Terminate-LC-Hook", TERMINATING, 1800, "CONTINUE")
        yield world


def _make(auto_scaling: Any, name: str, count: int, tags: dict[str, str]) -> None:
    auto_scaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateName": "workers"},
        MinSize=0,
        MaxSize=count,
        DesiredCapacity=count,
        AvailabilityZones=[f"{REGION}a"],
        Tags=[{"Key": key, "Value": value, "PropagateAtLaunch": True} for key, value in tags.items()],
    )


def _hook(auto_scaling: Any, group: str, name: str, transition: str, heartbeat_s: int, result: str) -> None:
    auto_scaling.put_lifecycle_hook(
        AutoScalingGroupName=group,
        LifecycleHookName=name,
        LifecycleTransition=transition,
        HeartbeatTimeout=heartbeat_s,
        DefaultResult=result,
    )
