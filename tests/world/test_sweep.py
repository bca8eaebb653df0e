"""The sweep in the embedded world: events that are lost, late or doubled, and instances to leave alone."""

import json
from datetime import UTC, datetime
from unittest import mock

import boto3
import pytest
from moto.stepfunctions.parser.api import ExecutionStatus
from stepdrain.adapters.aws import Aws
from stepdrain.errors import AwsThrottled
from stepdrain.intake import claim, lifecycle_events, sweep

from stepdrain_recorded import audit
from stepdrain_sandbox.aws import execution_list
from stepdrain_sandbox.aws.account import AwsFault, client_error
from stepdrain_sandbox.workload import lone_pod
from stepdrain_sandbox.world import GROUP, HOOK, World

SWEEP_S = 300


@pytest.fixture
def instance(world):
    """The instance whose node has most pods."""
    return max(world.instances, key=lambda instance: len(world.pods_on(world.instances[instance])))


@pytest.fixture
def lost(world):
    """The events that EventBridge loses from now on."""
    events = []
    world.aws.hooks.send = events.append
    return events


def sweeps(world):
    """What each sweep answered."""
    return [
        answer["Payload"] for name, answer in world.aws.delivery.answers if name.endswith("SweepFunction")
    ]


def names(world):
    return [execution["name"] for execution in world.executions()]


def put_hook(name):
    boto3.client("autoscaling", region_name="eu-west-1").put_lifecycle_hook(
        AutoScalingGroupName=GROUP,
        LifecycleHookName=name,
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
        HeartbeatTimeout=7200,
        DefaultResult="CONTINUE",
    )


def test_an_instance_whose_event_was_lost_is_drained(world, instance, lost):
    """G6 No lifecycle event is lost: EventBridge delivers them on a best effort basis."""
    node = world.instances[instance]
    world.terminate(instance)
    world.pass_time(SWEEP_S)
    world.settle()
    (execution,) = world.executions()
    assert (execution["name"], execution["status"]) == (f"{instance}-sweep", "SUCCEEDED")
    document = json.loads(execution["input"])
    assert document["reason"] == "sweep"
    assert "token" not in document["lifecycle"]
    assert [what for _, what, _ in world.aws.hooks.log] == ["CONTINUE"]
    assert world.lifecycle_state(instance) == ""
    assert any(node in event["objectRef"]["name"] for event in world.kube.audit_log if event.get("objectRef"))


def test_an_event_that_comes_late_starts_no_second_drain(world, instance, lost):
    """G7: the sweep was faster, whether its drain still runs or is done."""
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})
    world.terminate(instance)
    world.pass_time(SWEEP_S + 30)
    world.aws.delivery.send(lost[0])
    world.pass_time(5)
    assert names(world) == [f"{instance}-sweep"]
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 1}})
    world.settle()
    world.aws.delivery.send(lost[0])
    world.pass_time(5)
    assert names(world) == [f"{instance}-sweep"]
    reasons = [a["Payload"].get("ignored", "") for n, a in world.aws.delivery.answers if "StartDrain" in n]
    assert all("The sweep has started this drain" in reason for reason in reasons)
    assert len(reasons) == 2


def test_event_and_sweep_at_once_have_one_drains_effects(world, instance):
    """G7 by the steps' idempotency, should ListExecutions not show yet what has just been started."""
    node = world.instances[instance]
    leaving = sum(not pod["metadata"]["name"].startswith(("aws-", "kube-")) for pod in world.pods_on(node))
    world.terminate(instance)
    world.pass_time(1)
    (by_event,) = world.executions()
    document = json.loads(by_event["input"])
    del document["lifecycle"]["token"]
    world.start(f"{instance}-sweep", {**document, "reason": "sweep"})
    world.settle()
    assert [execution["status"] for execution in world.executions()] == ["SUCCEEDED"] * 2
    written = audit.changes(world.kube.audit_log)
    evicted = [change.object for change in written if change.kind == "evict"]
    assert len(set(evicted)) == leaving
    assert {change.object for change in written if change.kind in ("label", "cordon")} == {node}
    assert [what for _, what, _ in world.aws.hooks.log] == ["CONTINUE"]
    results = {json.loads(execution["output"])["completed"]["result"] for execution in world.executions()}
    assert results == {"CONTINUE", "ALREADY_COMPLETED"}


def test_a_drain_that_runs_is_left_alone(world, instance):
    """However many sweeps see its instance waiting."""
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})
    world.terminate(instance)
    world.pass_time(3 * SWEEP_S)
    assert len(world.executions()) == 1
    assert sweeps(world)[-1] == {"started": [], "returned": [], "left": {instance: "its drain is running"}}
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 1}})
    world.settle()


def test_a_failed_drain_is_reported_and_left_to_its_redrive(world, instance):
    """G5 A failed drain waits for a person: a second one would hide that, and fail like it."""
    world.kube.cluster.remove("ClusterRoleBinding", "stepdrain-read")
    world.terminate(instance)
    world.pass_time(2 * SWEEP_S)
    assert [execution["status"] for execution in world.executions()] == ["FAILED"]
    assert sweeps(world)[-1]["left"] == {instance: "its drain failed and waits for a redrive"}


def test_an_old_drain_that_was_redriven_hides_no_other(world, instance):
    """G7: ListExecutions puts it first, by its redrive; its start, days ago, must not end the list."""
    world.aws.schedules.stop()
    budget = {"spec": {"maxUnavailable": 0}}
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", budget)
    binding = world.kube.cluster.get("ClusterRoleBinding", "stepdrain-read")
    world.kube.cluster.remove("ClusterRoleBinding", "stepdrain-read")
    old = world.start("by-hand", {"nodeName": list(world.instances.values())[-1]})
    world.settle()
    world.pass_time(50 * 3600)
    world.kube.cluster.load([binding])
    world.terminate(instance)
    world.pass_time(120)
    world.redrive(old)
    world.pass_time(60)
    assert {execution["status"] for execution in world.executions()} == {"RUNNING"}
    answer = world.aws.invoke("stepdrain-SweepFunction", {})
    assert answer == {"started": [], "returned": [], "left": {instance: "its drain is running"}}
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 1}})
    world.settle()


def test_an_instance_that_is_terminated_again_is_drained_again(world, instance, lost):
    """Its drain into the warm pool was of an earlier wait. Since then it has served; its event is lost."""
    world.aws.hooks.send = world.aws.delivery.send
    world.aws.hooks.hold(instance, "autoscaling:EC2_INSTANCE_TERMINATING", "AutoScalingGroup", "WarmPool")
    world.settle()
    world.pass_time(3600)
    node = world.instances[instance]
    world.kube.cluster.change("Node", node, "", {"spec": {"unschedulable": None}})
    world.aws.hooks.hold(instance, "autoscaling:EC2_INSTANCE_LAUNCHING", "WarmPool", "AutoScalingGroup")
    world.kube.cluster.create(lone_pod("new-work", node))
    world.pass_time(60)
    world.aws.hooks.send = lost.append
    world.terminate(instance)
    world.pass_time(SWEEP_S + 61)
    world.settle()
    second = world.executions()[-1]
    assert (second["name"], second["status"]) == (f"{instance}-sweep", "SUCCEEDED")
    assert world.lifecycle_state(instance) == ""
    assert [what for _, what, _ in world.aws.hooks.log] == ["CONTINUE", "CONTINUE"]


def test_a_list_that_is_seconds_behind_starts_no_second_drain(world, instance):
    """ListExecutions is eventually consistent; the sweep may come in the very seconds of the event."""
    world.pass_time(SWEEP_S - 70)
    world.aws.execution_list.lag_s = 10
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})
    late = next(other for other in world.instances if other != instance)
    world.clock.call_at(world.clock.now() + 66, lambda: world.terminate(late))
    world.terminate(instance)
    world.pass_time(90)
    assert sweeps(world)[0]["left"][late] == "it has just begun to wait; its event is on its way"
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 3}})
    world.aws.execution_list.lag_s = 0
    world.settle()
    assert len(world.executions()) == 2


def test_an_instance_that_another_tools_hook_holds_is_not_drained_again(world, instance):
    """Our action is done, theirs is not: the instance stays in Terminating:Wait without us."""
    put_hook("backup")
    world.terminate(instance)
    world.settle()
    world.pass_time(2 * SWEEP_S)
    assert world.lifecycle_state(instance) == "Terminating:Wait"
    assert len(world.executions()) == 1
    assert sweeps(world)[-1]["left"] == {instance: "its drain is done; another hook may hold it"}


def test_a_group_that_has_only_another_tools_hook_is_left_alone(world, instance, lost):
    """Nobody else's hook is ever completed."""
    boto3.client("autoscaling", region_name="eu-west-1").delete_lifecycle_hook(
        AutoScalingGroupName=GROUP, LifecycleHookName=HOOK
    )
    put_hook("backup")
    world.terminate(instance)
    world.pass_time(2 * SWEEP_S)
    assert world.lifecycle_state(instance) == "Terminating:Wait"
    assert world.executions() == []
    assert sweeps(world)[-1] == {"started": [], "returned": [], "left": {}}


@pytest.mark.parametrize("tag", ["eks:nodegroup-name", "kubernetes.io/cluster/staging"])
def test_groups_that_start_drain_ignores_are_not_swept(tag):
    """Managed node groups and other clusters' groups, by the very same rules."""
    tags = {tag: "owned", "kubernetes.io/cluster/demo": ""} if tag.startswith("eks:") else {tag: "owned"}
    with World(nodes=1, tags=tags) as world:
        if not tag.startswith("eks:"):
            boto3.client("autoscaling", region_name="eu-west-1").delete_tags(
                Tags=[{"ResourceId": GROUP, "Key": "kubernetes.io/cluster/demo"}]
            )
        (instance,) = world.instances
        world.terminate(instance)
        world.pass_time(SWEEP_S)
        assert world.lifecycle_state(instance) == "Terminating:Wait"
        assert world.executions() == []
        assert sweeps(world)[-1] == {"started": [], "returned": [], "left": {}}


def test_a_throttled_sweep_starts_nothing_and_the_next_one_goes_on(world, instance, lost):
    """It asks again for half a minute, Lambda tries again after one minute and two, and keeps its event."""
    error = client_error("DescribeAutoScalingGroups", "Throttling", "Rate exceeded")
    world.aws.aws_faults.append(AwsFault("DescribeAutoScalingGroups", error, times=-1))
    world.terminate(instance)
    world.pass_time(SWEEP_S + 290)
    world.aws.aws_faults.clear()
    assert [p["errorType"] for p in sweeps(world) if "errorType" in p] == [AwsThrottled.__name__] * 3
    assert world.executions() == []
    letters = boto3.client("sqs", region_name="eu-west-1").receive_message(
        QueueUrl=world.aws.deployment.queues["DeadLetters"]
    )["Messages"]
    assert len(letters) == 1
    world.pass_time(SWEEP_S)
    world.settle()
    assert names(world) == [f"{instance}-sweep"]


@pytest.mark.parametrize("operation", ["DescribeAutoScalingGroups", "StartExecution"])
def test_a_sweep_outlasts_twenty_seconds_of_throttling(world, instance, lost, operation):
    """By its own patience: the instance need not wait for Lambda's second attempt, a minute later."""
    world.terminate(instance)
    world.pass_time(SWEEP_S - 20)
    fault = AwsFault(operation, client_error(operation, "ThrottlingException", "Rate exceeded"), times=-1)
    world.aws.aws_faults.append(fault)
    world.clock.call_at(world.clock.now() + 40, world.aws.aws_faults.clear)
    world.pass_time(45)
    assert names(world) == [f"{instance}-sweep"]
    assert [answer for answer in sweeps(world) if "errorType" in answer] == []
    world.settle()


def test_a_drain_that_ends_while_the_sweep_reads_the_list_is_not_missed(world, instance, monkeypatch):
    """It moves from a page that is still to come to the first, which has been read (API reference)."""
    monkeypatch.setattr(execution_list, "LARGEST_PAGE", 1)
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})
    world.terminate(instance)
    world.pass_time(10)
    other = next(other for other in world.instances if other != instance)
    world.terminate(other)
    world.pass_time(SWEEP_S - 30)
    (first,) = [e["executionArn"] for e in world.executions() if e["name"].startswith(instance)]
    page = execution_list.ExecutionList._page

    def page_after_an_end(lists, response):
        if response._get_param("nextToken"):
            drain = response.stepfunction_backend.describe_execution(first)
            drain.exec_status = ExecutionStatus.FAILED
            drain.stop_date = datetime.fromtimestamp(world.clock.now(), UTC)
        return page(lists, response)

    monkeypatch.setattr(execution_list.ExecutionList, "_page", page_after_an_end)
    world.pass_time(40)
    assert sweeps(world)[-1]["started"] == []
    assert sweeps(world)[-1]["left"][instance] == sweep.STATUS["FAILED"]


@pytest.fixture
def throttled(world):
    """Throttles StartExecution for the function that is named, until the faults are cleared."""

    def throttle(function):
        error = client_error("StartExecution", "ThrottlingException", "Rate exceeded")
        world.aws.aws_faults.append(AwsFault("StartExecution", error, times=-1, function=function))

    return throttle


def ignored(world):
    """Why StartDrain has ignored events; None for each that it has not."""
    answers = [answer for name, answer in world.aws.delivery.answers if "StartDrain" in name]
    return [answer["Payload"].get("ignored") for answer in answers]


def test_an_event_that_comes_during_a_sweep_starts_no_second_drain(world, instance, lost, throttled):
    """G7: no execution is there yet, since the sweep waits for StartExecution's quota."""
    world.terminate(instance)
    throttled("SweepFunction")
    world.pass_time(SWEEP_S + 5)
    world.aws.delivery.send(lost[0])
    world.pass_time(5)
    assert (world.executions(), ignored(world)) == ([], [])
    world.aws.aws_faults.clear()
    world.pass_time(30)
    assert names(world) == [f"{instance}-sweep"]
    (reason,) = ignored(world)
    assert f"The sweep has started this drain: {instance}-sweep." in reason
    world.settle()


def test_a_sweep_leaves_the_instance_whose_late_event_is_being_taken(world, instance, lost, throttled):
    """The same the other way round: StartDrain waits for the quota when the sweep comes."""
    world.terminate(instance)
    world.pass_time(SWEEP_S - 5)
    throttled("StartDrainFunction")
    world.aws.delivery.send(lost[0])
    world.pass_time(8)
    world.aws.aws_faults.clear()
    world.pass_time(30)
    (name,) = names(world)
    assert name != f"{instance}-sweep"
    assert sweeps(world)[-1]["left"] == {instance: f"execution {name} has claimed it"}
    world.settle()


def test_a_sweep_that_waits_for_an_event_that_fails_starts_the_drain(world, instance, lost, throttled):
    """StartDrain gives its claim back; what Lambda sends again later is covered by the sweep's drain."""
    world.terminate(instance)
    world.pass_time(SWEEP_S - 5)
    throttled("StartDrainFunction")
    world.aws.delivery.send(lost[0])
    world.pass_time(60)
    assert names(world) == [f"{instance}-sweep"]
    world.aws.aws_faults.clear()
    world.pass_time(SWEEP_S)
    assert names(world) == [f"{instance}-sweep"]
    world.settle()


def test_an_event_that_is_sent_again_drains_no_instance_that_serves(world, instance, lost):
    """From the dead-letter queue, say: its instance has come back from a warm pool meanwhile."""
    world.terminate(instance)
    (event,) = lost
    served = next(other for other in world.instances if other != instance)
    event["detail"]["EC2InstanceId"] = served
    world.pass_time(lifecycle_events.STALE_S + 60)
    before = names(world)
    world.aws.delivery.send(event)
    world.pass_time(5)
    assert names(world) == before
    assert f"16 minutes old, and instance {served} is InService: no hook holds it." in ignored(world)[-1]
    world.settle()


def test_an_event_that_is_sent_again_drains_an_instance_that_still_waits(world, instance, lost):
    """Whoever sends a dead letter again means that."""
    world.aws.schedules.stop()
    world.terminate(instance)
    world.pass_time(lifecycle_events.STALE_S + 60)
    world.aws.delivery.send(lost[0])
    world.settle()
    (execution,) = world.executions()
    assert execution["status"] == "SUCCEEDED"


def claim_of_a_function_that_died(world, instance, execution):
    cache = boto3.client("dynamodb", region_name="eu-west-1")
    (table,) = (name for name in cache.list_tables()["TableNames"] if "Cache" in name)
    until = str(int(world.clock.now() + claim.KEPT_S))
    key = {"cacheKey": {"S": f"drain/{instance}"}}
    cache.put_item(
        TableName=table, Item={**key, "content": {"S": json.dumps(execution)}, "expiresAt": {"N": until}}
    )


def test_no_instance_waits_for_an_event_whose_function_died(world, instance, lost):
    """Its claim is over before the next sweep."""
    world.terminate(instance)
    world.pass_time(SWEEP_S - 5)
    claim_of_a_function_that_died(world, instance, f"{instance}-87654321")
    world.pass_time(70)
    assert world.executions() == []
    world.pass_time(SWEEP_S)
    assert names(world) == [f"{instance}-sweep"]
    world.settle()


def test_no_event_is_ignored_for_a_sweep_that_died(world, instance, lost):
    """Lambda asks again, twice; then the claim is over."""
    world.terminate(instance)
    world.pass_time(40)
    claim_of_a_function_that_died(world, instance, f"{instance}-sweep")
    world.aws.delivery.send(lost[0])
    world.pass_time(SWEEP_S - 60)
    (name,) = names(world)
    assert name != f"{instance}-sweep"
    assert ignored(world) == [None, None, None]
    world.settle()


def test_a_wait_that_seems_old_when_it_begins_is_drained_once(world, instance):
    """Behind a load balancer the activity begins minutes before the hook's event, and here the list lags
    (https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html)."""
    world.aws.execution_list.lag_s = 10
    world.pass_time(SWEEP_S - 5)
    in_progress = Aws.in_progress_since

    def since_the_deregistration(account, group):
        return {waiting: since - 300 for waiting, since in in_progress(account, group).items()}

    with mock.patch.object(Aws, "in_progress_since", since_the_deregistration):
        world.terminate(instance)
        world.pass_time(10)
    (name,) = names(world)
    assert sweeps(world)[-1]["left"] == {instance: f"execution {name} has claimed it"}
    world.settle()


def test_more_groups_than_one_page_are_all_looked_at():
    """DescribeAutoScalingGroups answers in pages of 50, in the order of the groups' making here."""
    with World(nodes=2, parameters={"GroupNames": ""}) as world:
        auto_scaling = boto3.client("autoscaling", region_name="eu-west-1")
        for number in range(60):
            auto_scaling.create_auto_scaling_group(
                AutoScalingGroupName=f"a-{number:02}",
                LaunchTemplate={"LaunchTemplateName": "workers"},
                MinSize=0,
                MaxSize=0,
                AvailabilityZones=["eu-west-1a"],
            )
        world.aws.hooks.send = [].append
        for instance in world.instances:
            world.terminate(instance)
        world.pass_time(SWEEP_S)
        world.settle()
        assert sorted(names(world)) == sorted(f"{instance}-sweep" for instance in world.instances)
