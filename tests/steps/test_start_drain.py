"""StartDrain: an event of ours starts one execution; what is not ours is left alone, with a reason."""

import copy
import json

import boto3
import pytest
from stepdrain.errors import InvalidEvent, InvalidSettings
from stepdrain.steps import start_drain

from stepdrain_sandbox.aws.lifecycle_hooks import action_event


@pytest.fixture(autouse=True)
def untouched(world):
    """Each test begins with the group's own tags, without a running drain, and with an empty cache."""
    yield
    if any(execution["status"] == "RUNNING" for execution in world.executions()):
        world.settle()
    auto_scaling = boto3.client("autoscaling", region_name="eu-west-1")
    tags = auto_scaling.describe_tags()["Tags"]
    ours = [{k: t[k] for k in ("Key", "ResourceId", "ResourceType")} for t in tags if "stepdrain" in t["Key"]]
    if ours:
        auto_scaling.delete_tags(Tags=ours)
    # What is in the cache of this test's tags must not reach the next.
    world.pass_time(start_drain.GROUP_KEPT_S)


@pytest.fixture
def event(world, held):
    """The event of an instance that a hook holds, as Auto Scaling sends it."""
    action = world.aws.hooks.active[-1]
    return action_event(action, world.clock.now(), "123456789012", "eu-west-1")


def changed(event, **detail):
    return {**event, "detail": {**event["detail"], **detail}}


def tagged(**tags):
    boto3.client("autoscaling", region_name="eu-west-1").create_or_update_tags(
        Tags=[
            {
                "ResourceId": "workers",
                "ResourceType": "auto-scaling-group",
                "Key": f"stepdrain:{key.replace('_', '-')}",
                "Value": value,
                "PropagateAtLaunch": False,
            }
            for key, value in tags.items()
        ]
    )


def named(world, name):
    """The execution of that name."""
    (found,) = [execution for execution in world.executions() if execution["name"] == name]
    return found


def test_an_event_starts_an_execution_named_after_instance_and_token(world, event, held):
    """With the hook's own timeouts in its input: the drain must fit into them."""
    instance, document = held
    answer = start_drain.handler(event, None)
    assert answer == {"execution": f"{instance}-{document['lifecycle']['token'][:8]}", "started": True}
    given = json.loads(named(world, answer["execution"])["input"])
    assert given["lifecycle"]["heartbeatTimeout"] == 1800
    assert (given["instanceId"], given["cluster"], given["reason"]) == (instance, "demo", "lifecycle")


def test_the_same_event_again_is_the_same_drain(world, event):
    """G7: EventBridge delivers at least once, at any distance, also after the drain has ended."""
    first = start_drain.handler(event, None)
    world.settle()
    again = start_drain.handler({**copy.deepcopy(event), "id": "second-delivery"}, None)
    assert again == {"execution": first["execution"], "started": False}
    assert named(world, first["execution"])["redriveCount"] == 0


def test_the_groups_tags_narrow_the_policy(world, event):
    """A bad tag is reported and the installation's value stays: a typing error must not stop a drain."""
    tagged(drain_timeout="600", on_timeout="explode")
    name = start_drain.handler(event, None)["execution"]
    policy = json.loads(named(world, name)["input"])["policy"]
    assert (policy["drainTimeout"], policy["onTimeout"]) == (600, "fail")


@pytest.mark.parametrize(
    ("detail", "reason"),
    [
        ({"LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING"}, "Its transition is"),
        ({"LifecycleHookName": "somebody-elses"}, "another tool completes it"),
        ({"AutoScalingGroupName": "databases"}, "not among the groups"),
    ],
)
def test_what_is_not_ours_is_ignored_without_asking_aws(world, event, detail, reason):
    """No execution, and no call: other groups of a busy account terminate instances all day."""
    before, calls = len(world.executions()), len(world.aws.calls)
    answer = world.aws.invoke("stepdrain-StartDrainFunction", changed(event, **detail))
    assert reason in answer["ignored"]
    assert len(world.executions()) == before
    assert [call for call in world.aws.calls[calls:] if call[0] == "StartDrainFunction"] == []


def test_the_test_notification_is_ignored(world):
    """Auto Scaling sends it when a hook gets a function as its target; it is no failure."""
    answer = start_drain.handler({"Event": "autoscaling:TEST_NOTIFICATION"}, None)
    assert "test notification" in answer["ignored"]


@pytest.mark.parametrize(
    ("detail", "named"),
    [
        ({"EC2InstanceId": "mi-0123456789abcdef0"}, r"detail\.EC2InstanceId"),
        ({"LifecycleActionToken": ""}, r"detail\.LifecycleActionToken"),
    ],
)
def test_an_event_with_a_wrong_field_fails_by_its_name(world, event, detail, named):
    """Lambda hands it to the dead-letter queue with this sentence; nothing was started."""
    before = len(world.executions())
    with pytest.raises(InvalidEvent, match=rf"does not fit lifecycle-action\.json at {named}"):
        start_drain.handler(changed(event, **detail), None)
    assert len(world.executions()) == before


def test_an_event_without_a_token_fails(world, event):
    """Without it the completion could hit another action of the instance."""
    del event["detail"]["LifecycleActionToken"]
    with pytest.raises(InvalidEvent, match="'LifecycleActionToken' is a required property"):
        start_drain.handler(event, None)


@pytest.mark.parametrize("nonsense", [None, [], "text", 7, {}])
def test_what_is_no_event_fails_with_a_sentence(world, nonsense):
    """Anybody with the permission can invoke the function with anything."""
    with pytest.raises(InvalidEvent, match=r"does not fit lifecycle-action\.json"):
        start_drain.handler(nonsense, None)


def test_an_event_whose_hook_was_deleted_meanwhile_is_ignored(world, terminate_event, monkeypatch):
    """Nothing holds the instance any longer; a dead letter would only call somebody for nothing."""
    monkeypatch.setenv("STEPDRAIN_HOOK_NAME", "gone")
    answer = start_drain.handler(changed(terminate_event, LifecycleHookName="gone"), None)
    assert "Group workers has no hook gone any more" in answer["ignored"]


def test_an_event_whose_group_was_deleted_meanwhile_is_ignored(world, terminate_event, monkeypatch):
    """As a group that is deleted by force, with all its instances."""
    monkeypatch.setenv("STEPDRAIN_GROUP_NAMES", "gone")
    answer = start_drain.handler(changed(terminate_event, AutoScalingGroupName="gone"), None)
    assert "Group gone is gone since" in answer["ignored"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"account": "210987654321"}, "comes from account 210987654321"),
        ({"region": "us-east-1"}, "comes from region us-east-1; this installation serves eu-west-1"),
        ({"source": "my.application"}, "Its source is 'my.application'"),
        ({"source": "aws.ec2"}, "is sent by aws.autoscaling"),
        ({"detail-type": "EC2 Instance Launch Successful"}, "which starts nothing here"),
    ],
)
@pytest.mark.parametrize("kind", ["lifecycle", "spot"])
def test_what_another_envelope_carries_is_ignored_without_asking_aws(
    world, terminate_event, kind, change, reason
):
    """Somebody's rule may send anything; only what is ours in every field starts something."""
    event = terminate_event
    if kind == "spot":
        event = {
            **event,
            "source": "aws.ec2",
            "detail-type": "EC2 Spot Instance Interruption Warning",
            "detail": {"instance-id": event["detail"]["EC2InstanceId"], "instance-action": "terminate"},
        }
        reason = reason.replace("sent by aws.autoscaling", "sent by aws.ec2")
        change = {"source": "aws.health"} if change == {"source": "aws.ec2"} else change
    calls = len(world.aws.calls)
    answer = world.aws.invoke("stepdrain-StartDrainFunction", {**event, **change})
    assert reason in answer["ignored"]
    assert world.aws.calls[calls:] == []


def test_a_missing_variable_is_named(world, event, monkeypatch):
    """A function that somebody edited by hand."""
    monkeypatch.delenv("STEPDRAIN_CLUSTER")
    with pytest.raises(InvalidSettings, match="lacks STEPDRAIN_CLUSTER"):
        start_drain.handler(event, None)
