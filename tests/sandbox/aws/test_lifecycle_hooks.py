"""Lifecycle hooks hold an instance as Auto Scaling's do; the numbers are those of its user guide."""

import boto3
import pytest
from botocore.exceptions import ClientError

from stepdrain_sandbox.aws.account import REGION
from stepdrain_sandbox.aws.lifecycle_hooks import LifecycleHooks
from tests.sandbox.aws.conftest import T0

GROUP = "workers"


class Group:
    """An Auto Scaling group of three instances, and what its hooks said."""

    def __init__(self, clock):
        self.clock, self.events, self.gone = clock, [], []
        self.hooks = LifecycleHooks(clock, self.events.append, self.gone.append)
        self.api = boto3.client("autoscaling", region_name=REGION)

    def make(self):
        ec2 = boto3.client("ec2", region_name=REGION)
        image = ec2.register_image(Name="node")["ImageId"]
        ec2.create_launch_template(LaunchTemplateName="workers", LaunchTemplateData={"ImageId": image})
        self.api.create_auto_scaling_group(
            AutoScalingGroupName=GROUP,
            LaunchTemplate={"LaunchTemplateName": "workers"},
            MinSize=0,
            MaxSize=3,
            DesiredCapacity=3,
            AvailabilityZones=[f"{REGION}a"],
        )

    def hook(self, name="ours", heartbeat_s=300, result="CONTINUE"):
        self.api.put_lifecycle_hook(
            AutoScalingGroupName=GROUP,
            LifecycleHookName=name,
            LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
            HeartbeatTimeout=heartbeat_s,
            DefaultResult=result,
        )

    def terminate(self):
        """Terminate one instance; its id."""
        found = self.api.describe_auto_scaling_groups()["AutoScalingGroups"][0]["Instances"]
        instance = found[0]["InstanceId"]
        self.api.terminate_instance_in_auto_scaling_group(
            InstanceId=instance, ShouldDecrementDesiredCapacity=True
        )
        return instance

    def state(self, instance):
        found = self.api.describe_auto_scaling_instances(InstanceIds=[instance])["AutoScalingInstances"]
        return found[0]["LifecycleState"] if found else ""

    def act(self, call, name="ours", **which):
        return getattr(self.api, call)(AutoScalingGroupName=GROUP, LifecycleHookName=name, **which)

    def beat(self, **which):
        return self.act("record_lifecycle_action_heartbeat", **which)

    def complete(self, result="CONTINUE", **which):
        return self.act("complete_lifecycle_action", LifecycleActionResult=result, **which)

    def pass_time(self, seconds):
        self.clock.enter()
        self.clock.sleep(seconds)
        self.clock.leave()


@pytest.fixture
def group(clock, account):
    """The group; its hooks are each test's own."""
    made = Group(clock)
    made.make()
    with made.hooks.holding():
        yield made


def token(event):
    return event["detail"]["LifecycleActionToken"]


def test_a_group_without_a_hook_terminates_at_once(group):
    """What self-managed node groups do today."""
    instance = group.terminate()
    assert (group.state(instance), group.gone, group.events) == ("", [instance], [])


def test_a_hook_holds_the_instance_and_tells_it(group):
    """In the documented form; the group's capacity shrinks at once."""
    group.hook()
    instance = group.terminate()
    assert (group.state(instance), group.gone) == ("Terminating:Wait", [])
    (event,) = group.events
    assert event["detail-type"] == "EC2 Instance-terminate Lifecycle Action"
    assert (event["detail"]["EC2InstanceId"], len(token(event))) == (instance, 36)
    assert event["time"] == "2026-01-01T00:00:00Z"
    assert group.api.describe_auto_scaling_groups()["AutoScalingGroups"][0]["DesiredCapacity"] == 2


@pytest.mark.parametrize("by", ["token", "instance"])
def test_it_is_completed_by_token_or_instance_id(group, by):
    """Both are documented."""
    group.hook()
    instance = group.terminate()
    which = {"InstanceId": instance} if by == "instance" else {"LifecycleActionToken": token(group.events[0])}
    group.complete(**which)
    assert (group.state(instance), group.gone) == ("", [instance])


@pytest.mark.parametrize("result", ["CONTINUE", "ABANDON"])
def test_the_heartbeat_timeout_ends_the_action_by_the_default_result(group, result):
    """Either terminates; the log says that nobody completed it."""
    group.hook(heartbeat_s=300, result=result)
    instance = group.terminate()
    group.pass_time(299)
    assert group.state(instance) == "Terminating:Wait"
    group.pass_time(2)
    assert group.state(instance) == ""
    assert group.hooks.log == [(T0 + 300, "timed out", instance)]


def test_a_heartbeat_restarts_the_timeout(group):
    """Not the whole wait, only this timer."""
    group.hook(heartbeat_s=300)
    instance = group.terminate()
    group.pass_time(200)
    group.beat(InstanceId=instance)
    group.pass_time(299)
    assert group.state(instance) == "Terminating:Wait"
    group.pass_time(2)
    assert group.state(instance) == ""


def test_no_number_of_heartbeats_outlasts_the_global_limit(group):
    """100 heartbeat timeouts, or 48 hours: here 30 s and 3,000 s."""
    group.hook(heartbeat_s=30)
    instance = group.terminate()
    for _ in range(149):
        group.pass_time(20)
        group.beat(InstanceId=instance)
    assert group.state(instance) == "Terminating:Wait"
    group.pass_time(21)
    assert group.state(instance) == ""
    assert group.hooks.log[-1] == (T0 + 3000, "timed out", instance)


def test_several_hooks_hold_until_each_is_completed(group):
    """Each has an event and a token of its own."""
    group.hook("ours")
    group.hook("theirs")
    instance = group.terminate()
    assert len({token(event) for event in group.events}) == 2
    group.complete(InstanceId=instance)
    assert group.state(instance) == "Terminating:Wait"
    group.complete(name="theirs", InstanceId=instance)
    assert group.state(instance) == ""


def test_abandon_drops_all_other_hooks(group):
    """A tool that waits for its own then hears "No active Lifecycle Action"."""
    group.hook("ours")
    group.hook("theirs")
    instance = group.terminate()
    group.complete("ABANDON", InstanceId=instance)
    assert (group.state(instance), group.hooks.active) == ("", [])


@pytest.mark.parametrize("call", ["beat", "complete"])
def test_an_action_that_is_not_active_is_refused_in_the_apis_words(group, call):
    """states/lifecycle_action.py knows the case by this message alone."""
    group.hook()
    instance = group.terminate()
    group.complete(InstanceId=instance)
    for which, words in (
        ({"InstanceId": instance}, f"instance ID {instance}"),
        ({"LifecycleActionToken": "0" * 36}, f"token {'0' * 36}"),
    ):
        with pytest.raises(ClientError) as caught:
            getattr(group, call)(**which)
        error = caught.value.response["Error"]
        assert error["Code"] == "ValidationError"
        assert error["Message"] == f"No active Lifecycle Action found with {words}"


def test_a_hook_of_another_name_cannot_complete_ours(group):
    """Name, group and token must fit together."""
    group.hook("ours")
    instance = group.terminate()
    with pytest.raises(ClientError, match="No active Lifecycle Action"):
        group.complete(name="theirs", LifecycleActionToken=token(group.events[0]))
    assert group.state(instance) == "Terminating:Wait"


def test_two_instances_have_an_action_each(group):
    """A scale-in takes many at once."""
    group.hook()
    first, second = group.terminate(), None
    found = group.api.describe_auto_scaling_groups()["AutoScalingGroups"][0]["Instances"]
    second = next(instance["InstanceId"] for instance in found if instance["InstanceId"] != first)
    group.api.terminate_instance_in_auto_scaling_group(InstanceId=second, ShouldDecrementDesiredCapacity=True)
    group.complete(LifecycleActionToken=token(group.events[0]))
    assert (group.state(first), group.state(second)) == ("", "Terminating:Wait")
