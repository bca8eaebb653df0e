"""Which events start a drain, which are not ours, and which are wrong."""

from dataclasses import replace

import pytest
from stepdrain.errors import InvalidEvent, InvalidSettings
from stepdrain.intake import lifecycle_events
from stepdrain.intake.settings import intake
from stepdrain.schemas.validation import validate

HOOK = {"HeartbeatTimeout": 1800, "GlobalTimeout": 172_800}


def test_an_event_of_ours_becomes_a_named_execution(terminate_event, settings):
    """Name and input as the console lists them."""
    start = lifecycle_events.start(terminate_event, {}, HOOK, settings)
    assert start.name == "i-1234567890abcdef0-87654321"
    assert start.document == {
        "instanceId": "i-1234567890abcdef0",
        "cluster": "demo",
        "reason": "lifecycle",
        "lifecycle": {
            "group": "workers",
            "hook": "stepdrain",
            "token": "87654321-4321-4321-4321-210987654321",
            "heartbeatTimeout": 1800,
            "globalTimeout": 172_800,
            "origin": "AutoScalingGroup",
            "destination": "EC2",
        },
        "policy": settings.policy.to_document(),
    }


def test_the_same_event_at_another_time_is_the_same_execution(terminate_event, settings):
    """G7: name and input depend on the lifecycle action alone, so a duplicate is taken as one."""
    first = lifecycle_events.start(terminate_event, {}, HOOK, settings)
    again = lifecycle_events.start(
        {**terminate_event, "id": "other", "time": "2026-01-01T00:05:00Z"}, {}, HOOK, settings
    )
    assert first == again


def test_tags_of_the_group_change_the_policy(terminate_event, settings):
    """And a bad one is reported with the start, whose document takes it to the node."""
    tags = {"stepdrain:drain-timeout": "600", "stepdrain:on-timeout": "x"}
    start = lifecycle_events.start(terminate_event, tags, HOOK, settings)
    assert start.document["policy"]["drainTimeout"] == 600
    assert start.document["warnings"] == list(start.warnings)
    assert len(start.warnings) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING"}, "Its transition is"),
        ({"LifecycleHookName": "node-termination-handler"}, "another tool completes it"),
        ({"AutoScalingGroupName": "databases"}, "not among the groups"),
    ],
)
def test_what_is_not_ours_is_ignored_with_the_reason(terminate_event, settings, change, reason):
    """Another tool's hook must never be completed by us."""
    terminate_event["detail"] |= change
    assert reason in lifecycle_events.foreign(terminate_event, settings).reason


def test_an_event_of_another_account_is_ignored(terminate_event, settings):
    """A shared event bus delivers those too."""
    terminate_event["account"] = "999999999999"
    assert "account 999999999999" in lifecycle_events.foreign(terminate_event, settings).reason


def test_the_test_notification_of_a_new_hook_is_ignored(settings):
    """Auto Scaling sends it to a hook's notification target when the hook is made."""
    assert (
        "test notification"
        in lifecycle_events.foreign({"Event": "autoscaling:TEST_NOTIFICATION"}, settings).reason
    )


def test_groups_are_served_by_name_by_prefix_or_all(terminate_event, settings):
    """Both left empty means every group of the cluster."""
    for change in ({"group_names": ("workers",)}, {"group_prefix": "work"}, {}):
        ours = replace(settings, **{"group_names": (), "group_prefix": "", **change})
        assert lifecycle_events.foreign(terminate_event, ours) is None


def test_a_managed_node_group_is_left_to_eks(settings):
    """Two drainers on one node would race for its pods; a parameter allows it all the same."""
    tags = {"eks:nodegroup-name": "managed"}
    assert "EKS drains its nodes itself" in lifecycle_events.foreign_group(tags, settings).reason
    assert lifecycle_events.foreign_group(tags, replace(settings, skip_managed_node_groups=False)) is None


def test_a_group_of_another_cluster_is_ignored(settings):
    """Its nodes would not be found, and the drain would wrongly be reported as never joined."""
    tags = {"kubernetes.io/cluster/staging": "owned"}
    assert "belongs to cluster staging, not to demo" in lifecycle_events.foreign_group(tags, settings).reason
    assert lifecycle_events.foreign_group({"kubernetes.io/cluster/demo": "owned"}, settings) is None


def test_without_names_and_prefix_a_group_needs_the_clusters_tag(settings):
    """The functions may touch no other group then, and a drain would fail at its first heartbeat."""
    by_tag = replace(settings, group_names=(), group_prefix="")
    assert "has no tag kubernetes.io/cluster/demo" in lifecycle_events.foreign_group({}, by_tag).reason
    assert lifecycle_events.foreign_group({"kubernetes.io/cluster/demo": "owned"}, by_tag) is None
    assert lifecycle_events.foreign_group({}, settings) is None


def test_the_tag_says_which_of_several_clusters_a_group_belongs_to(terminate_event, settings):
    """A group that does not say belongs to the first."""
    several = replace(settings, other_clusters=("blue", "green"))
    for tags, cluster in (({"kubernetes.io/cluster/green": "owned"}, "green"), ({}, "demo")):
        assert lifecycle_events.foreign_group(tags, several) is None
        assert lifecycle_events.start(terminate_event, tags, HOOK, several).document["cluster"] == cluster
    assert (
        "not to demo or blue or green"
        in lifecycle_events.foreign_group({"kubernetes.io/cluster/staging": "owned"}, several).reason
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"EC2InstanceId": "mi-0123"}, r"at detail\.EC2InstanceId"),
        ({"LifecycleActionToken": "short"}, r"at detail\.LifecycleActionToken"),
        ({"LifecycleActionToken": None}, r"at detail\.LifecycleActionToken"),
        ({"AutoScalingGroupName": 7}, r"at detail\.AutoScalingGroupName"),
    ],
)
def test_a_wrong_field_is_refused_by_its_name(terminate_event, change, named):
    """The sentence stands in the dead-letter queue; it must say what to look at."""
    terminate_event["detail"] |= change
    with pytest.raises(InvalidEvent, match=named):
        validate("lifecycle-action", terminate_event)


def test_a_hook_event_without_a_token_is_refused(terminate_event):
    """Without it the completion could hit another action of the same instance."""
    del terminate_event["detail"]["LifecycleActionToken"]
    with pytest.raises(InvalidEvent, match="'LifecycleActionToken' is a required property"):
        validate("lifecycle-action", terminate_event)


@pytest.mark.parametrize("event", [None, [], "text", {}, {"detail": None}])
def test_what_is_no_event_at_all_is_refused(event):
    """Anybody with the permission can invoke the function with anything."""
    with pytest.raises(InvalidEvent):
        validate("lifecycle-action", event)


def test_a_missing_variable_is_named():
    """A function without its environment must say so, not fail on a KeyError."""
    with pytest.raises(InvalidSettings, match="lacks STEPDRAIN_CLUSTER"):
        intake({}, {}.__getitem__)
