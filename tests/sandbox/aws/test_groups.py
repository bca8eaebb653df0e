"""A group can be described without its instances, and loses none by it."""

import boto3

from stepdrain_sandbox.aws import groups
from stepdrain_sandbox.aws.account import REGION


def test_instances_are_left_out_where_asked_for(account):
    """500 of them are what an answer takes its time for, and StartDrain wants the tags."""
    api, ec2 = (boto3.client(name, region_name=REGION) for name in ("autoscaling", "ec2"))
    image = ec2.register_image(Name="node")["ImageId"]
    api.create_launch_configuration(LaunchConfigurationName="l", ImageId=image, InstanceType="m5.large")
    api.create_auto_scaling_group(
        AutoScalingGroupName="workers",
        LaunchConfigurationName="l",
        MinSize=2,
        MaxSize=2,
        AvailabilityZones=[f"{REGION}a"],
        Tags=[{"Key": "a", "Value": "b", "PropagateAtLaunch": False}],
    )
    with groups.described_in_part():
        (alone,) = api.describe_auto_scaling_groups(IncludeInstances=False)["AutoScalingGroups"]
        (whole,) = api.describe_auto_scaling_groups()["AutoScalingGroups"]
    assert not alone.get("Instances")
    assert len(whole["Instances"]) == 2
    assert alone["Tags"][0]["Key"] == "a"
