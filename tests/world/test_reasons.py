"""Drains that no lifecycle hook asks for: notices of EC2 and Health, and a start by hand."""

import copy
import json
from pathlib import Path

import boto3
import pytest
from moto.ec2.models import ec2_backends
from moto.ec2.utils import filter_dict_attribute_mapping
from stepdrain import clock

from stepdrain_recorded import audit
from stepdrain_sandbox import guarantees
from stepdrain_sandbox.aws.account import ACCOUNT, REGION
from stepdrain_sandbox.kube.store import rfc3339
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import GROUP, World

EVENTS = Path(__file__).parent.parent / "events"


def notice(world, name, **detail):
    """The documented event, sent now."""
    event = copy.deepcopy(json.loads((EVENTS / f"{name}.json").read_text()))
    event["detail"] |= detail
    return {**event, "time": rfc3339(world.clock.now())}


def answers(world):
    """What StartDrain answered, in order."""
    return [answer["Payload"] for _, answer in world.aws.delivery.answers]


def document(execution):
    return json.loads(execution["input"])


def block(world):
    """No eviction of nginx any more."""
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})


def with_nginx(world):
    """An instance whose node runs nginx, and the node."""
    return next(
        (instance, node)
        for instance, node in world.instances.items()
        if any(pod["metadata"]["name"].startswith("nginx") for pod in world.pods_on(node))
    )


def test_a_spot_interruption_drains_within_its_two_minutes(world):
    """Same states, no lifecycle action: neither a heartbeat nor a completion is sent."""
    instance, node = with_nginx(world)
    world.aws.delivery.send(notice(world, "spot-interruption", **{"instance-id": instance}))
    world.settle(within_s=120)
    (execution,) = world.executions()
    assert execution["name"].startswith(f"{instance}-spot-")
    assert execution["status"] == "SUCCEEDED"
    assert json.loads(execution["output"])["completed"]["result"] == "NONE"
    written = audit.changes(world.kube.audit_log)
    assert guarantees.order_broken(written, node) == []
    assert guarantees.deletions_made(written, "fail") == []
    assert not [call for call in world.aws.calls if "LifecycleAction" in call[2]]


@pytest.mark.parametrize(("on_timeout", "deleted"), [("fail", True), ("force", True), ("continue", False)])
def test_at_an_interruption_a_blocked_pod_still_gets_its_grace(on_timeout, deleted):
    """Nobody can hold this instance: fail acts like force here, continue keeps the budgets to the end."""
    with World(workload=cluster_workload, parameters={"OnTimeout": on_timeout}) as world:
        instance, _ = with_nginx(world)
        block(world)
        began = world.clock.now()
        world.aws.delivery.send(notice(world, "spot-interruption", **{"instance-id": instance}))
        world.settle(within_s=180)
        written = audit.changes(world.kube.audit_log)
        forced = [change for change in written if change.kind == "delete"]
        assert bool(forced) == deleted
        # With time for its grace of 5 s before the instance goes, and not at once.
        assert all(60 < clock.to_epoch_s(change.at) - began < 115 for change in forced)
        assert {execution["status"] for execution in world.executions()} == {"SUCCEEDED"}


def test_a_drain_without_an_announced_end_keeps_the_policy(world):
    """Rebalance: nothing is lost by waiting, so budgets hold and the policy's deadline counts."""
    instance, _ = with_nginx(world)
    boto3.client("events", region_name="eu-west-1").enable_rule(Name="stepdrain-RebalanceRule")
    block(world)
    world.aws.delivery.send(notice(world, "rebalance-recommendation", **{"instance-id": instance}))
    world.settle(within_s=2 * 3600, every_s=60)
    (execution,) = world.executions()
    assert (execution["status"], execution["error"]) == ("FAILED", "DrainTimedOut")
    assert guarantees.deletions_made(audit.changes(world.kube.audit_log), "fail") == []


def test_a_health_event_drains_each_of_its_instances_once(world):
    """Two pages, an update and a second delivery: one execution for each instance."""
    first, second, _ = world.instances
    page1 = notice(world, "health-event", affectedEntities=[{"entityValue": first}], totalPages="2")
    page2 = notice(world, "health-event", affectedEntities=[{"entityValue": second}], page="2")
    for event in (page1, page2, page1):
        world.aws.delivery.send(event)
    world.settle()
    world.aws.delivery.send({**page1, "id": "update", "time": rfc3339(world.clock.now())})
    world.pass_time(5)
    assert sorted(document(execution)["instanceId"] for execution in world.executions()) == sorted(
        [first, second]
    )
    assert len(answers(world)) == 4


def test_a_capacity_block_drains_whatever_runs_in_it(world, monkeypatch):
    """The event names the reservation alone; EC2 says who is in it."""
    instance, *_ = world.instances
    # moto knows reservations, and not who runs in them.
    monkeypatch.setitem(filter_dict_attribute_mapping, "capacity-reservation-id", "reservation_of_test")
    for machine in ec2_backends[ACCOUNT][REGION].all_instances():
        machine.reservation_of_test = "cr-1234567890abcdef0" if machine.id == instance else "none"
    world.aws.delivery.send(
        notice(world, "capacity-block-expiration", **{"end-date": "2026-01-01T01:00:00Z"})
    )
    world.settle()
    assert [document(execution)["instanceId"] for execution in world.executions()] == [instance]


def retag(instance, added=(), removed=(), value="x"):
    ec2 = boto3.client("ec2", region_name="eu-west-1")
    if removed:
        ec2.delete_tags(Resources=[instance], Tags=[{"Key": key} for key in removed])
    if added:
        ec2.create_tags(Resources=[instance], Tags=[{"Key": key, "Value": value} for key in added])


@pytest.mark.parametrize(
    ("added", "removed", "reason"),
    [
        ((), ("kubernetes.io/cluster/demo",), "it is in no cluster"),
        (("kubernetes.io/cluster/staging",), ("kubernetes.io/cluster/demo",), "belongs to cluster staging"),
        (("karpenter.sh/nodepool",), (), "Karpenter's"),
        (("eks:nodegroup-name",), (), "EKS drains its nodes itself"),
    ],
)
def test_an_instance_that_is_not_ours_is_ignored_with_the_reason(world, added, removed, reason):
    """EC2 tells of every instance of the account."""
    instance, *_ = world.instances
    retag(instance, added, removed)
    world.aws.delivery.send(notice(world, "spot-interruption", **{"instance-id": instance}))
    world.pass_time(5)
    assert reason in answers(world)[0]["drains"][instance]["ignored"]
    assert world.executions() == []


def test_an_instance_that_ec2_does_not_know_is_ignored(world):
    """It is gone already, and hides no other instance of the same event."""
    instance, *_ = world.instances
    entities = [{"entityValue": "i-00000000000000000"}, {"entityValue": instance}]
    world.aws.delivery.send(notice(world, "health-event", affectedEntities=entities))
    world.settle()
    (answer,) = answers(world)
    assert "EC2 does not know" in answer["drains"]["i-00000000000000000"]["ignored"]
    assert answer["drains"][instance]["started"]


def test_a_group_that_is_not_served_is_ignored(world):
    """By name or prefix, as for its lifecycle events."""
    instance, *_ = world.instances
    retag(instance, added=["aws:autoscaling:groupName"])
    world.aws.delivery.send(notice(world, "spot-interruption", **{"instance-id": instance}))
    world.pass_time(5)
    assert "in group x" in answers(world)[0]["drains"][instance]["ignored"]


def test_an_instance_that_is_being_drained_is_not_started_a_second_time(world):
    """A second drain would only double the requests, since its deadline is no earlier."""
    instance, _ = with_nginx(world)
    block(world)
    world.terminate(instance)
    world.pass_time(30)
    world.aws.delivery.send(notice(world, "health-event", affectedEntities=[{"entityValue": instance}]))
    world.pass_time(30)
    (execution,) = world.executions()
    assert execution["name"] in answers(world)[1]["drains"][instance]["ignored"]
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 1}})
    world.settle()


def test_a_shorter_deadline_takes_effect_on_a_drain_that_is_running(world):
    """A second execution forces what holds the first one, which then completes its action."""
    instance, _ = with_nginx(world)
    block(world)
    world.terminate(instance)
    world.pass_time(60)
    began = world.clock.now()
    world.aws.delivery.send(notice(world, "spot-interruption", **{"instance-id": instance}))
    world.aws.delivery.send(notice(world, "spot-interruption", **{"instance-id": instance}))
    world.settle(within_s=300)
    assert {execution["status"] for execution in world.executions()} == {"SUCCEEDED"}
    assert len(world.executions()) == 2
    assert [what for _, what, _ in world.aws.hooks.log if what != "heartbeat"] == ["CONTINUE"]
    assert world.clock.now() - began < 180


def test_the_hooks_own_event_starts_a_drain_whatever_runs(world):
    """Somebody has to complete the action: a spot instance in a group gets both events."""
    instance, _ = with_nginx(world)
    world.aws.delivery.send(notice(world, "spot-interruption", **{"instance-id": instance}))
    world.pass_time(3)
    world.terminate(instance)
    world.settle()
    assert len(world.executions()) == 2
    assert world.lifecycle_state(instance) == ""


def test_an_instance_that_stops_by_itself_is_drained_and_one_that_was_drained_is_not(world):
    """Each ordinary termination sends shutting-down after its drain."""
    boto3.client("events", region_name="eu-west-1").enable_rule(Name="stepdrain-StateChangeRule")
    drained, alone, _ = world.instances
    world.terminate(drained)
    world.settle()
    # moto takes the group's tag from an instance that leaves it; EC2 shows it to the end.
    retag(drained, added=["aws:autoscaling:groupName"], value=GROUP)
    for instance in (drained, alone):
        world.aws.delivery.send(notice(world, "state-change", **{"instance-id": instance}))
    world.settle()
    said = {drain: given for answer in answers(world) for drain, given in answer.get("drains", {}).items()}
    assert "was drained by execution" in said[drained]["ignored"]
    assert said[alone]["started"]


def test_an_instance_id_alone_starts_a_drain_by_hand():
    """In the console nobody types policies: those of the installation and of the group's tags count."""
    with World(
        workload=cluster_workload, parameters={"BatchSize": "7"}, tags={"stepdrain:drain-timeout": "601"}
    ) as world:
        instance, node = with_nginx(world)
        world.start("by-hand", {"instanceId": instance})
        world.settle()
        (execution,) = world.executions()
        output = json.loads(execution["output"])
        assert (output["cluster"], output["reason"], output["lifecycle"]) == ("demo", "manual", None)
        assert output["node"]["name"] == node
        assert (output["policy"]["batchSize"], output["policy"]["drainTimeout"]) == (7, 601)
        assert output["completed"]["result"] == "NONE"


def test_a_drain_by_hand_completes_the_action_that_holds_its_instance(world):
    """Nobody has its token any more; the instance id is enough."""
    instance, _ = with_nginx(world)
    world.aws.delivery.invoke = lambda *_: None  # The event is lost.
    world.terminate(instance)
    world.pass_time(5)
    assert world.executions() == []
    world.start("by-hand", {"instanceId": instance})
    world.settle()
    assert json.loads(world.executions()[0]["output"])["lifecycle"]["group"] == GROUP
    assert [what for _, what, _ in world.aws.hooks.log] == ["CONTINUE"]


def test_a_drain_by_hand_of_a_foreign_instance_stops_with_the_reason(world):
    """Not silently done: somebody looks at it."""
    instance, *_ = world.instances
    retag(instance, removed=["kubernetes.io/cluster/demo"])
    world.start("by-hand", {"instanceId": instance})
    world.settle()
    (execution,) = world.executions()
    assert (execution["status"], execution["error"]) == ("FAILED", "InvalidEvent")
    assert "it is in no cluster. Nothing was drained." in execution["cause"]


def test_a_drain_by_hand_by_a_nodes_name_is_the_same_as_by_its_instance():
    """Whatever a person types, policy and lifecycle action are those of the installation."""
    with World(
        workload=cluster_workload, parameters={"BatchSize": "7"}, tags={"stepdrain:drain-timeout": "601"}
    ) as world:
        instance, node = with_nginx(world)
        world.aws.delivery.invoke = lambda *_: None  # The event is lost.
        world.terminate(instance)
        world.pass_time(5)
        typed = {"nodeName": node, "cluster": "demo", "reason": "manual", "policy": {"batchSize": 9}}
        world.start("by-hand", typed)
        world.settle()
        output = json.loads(world.executions()[0]["output"])
        assert (output["instanceId"], output["lifecycle"]["group"]) == (instance, GROUP)
        assert (output["policy"]["batchSize"], output["policy"]["drainTimeout"]) == (9, 601)
        assert [what for _, what, _ in world.aws.hooks.log] == ["CONTINUE"]


@pytest.mark.parametrize(
    ("typed", "error", "why"),
    [
        ({"nodeName": "nope"}, "NodeNotFound", "Cluster demo has no node called nope. Nothing was drained."),
        (
            {"instanceId": "i-of-a-node", "cluster": "other"},
            "InvalidEvent",
            "belongs to cluster demo, not to other. Nothing was drained.",
        ),
        (
            {"instanceId": "i-without-node"},
            "NodeNotFound",
            "No node of the cluster has the providerID of i-",
        ),
    ],
)
def test_a_drain_by_hand_without_a_node_fails_and_says_so(world, typed, error, why):
    """It used to succeed: "never joined"."""
    instance, other, _ = world.instances
    world.kube.cluster.remove("Node", world.instances[other])
    ids = {"i-of-a-node": instance, "i-without-node": other}
    world.start("by-hand", {key: ids.get(value, value) for key, value in typed.items()})
    world.settle()
    (execution,) = world.executions()
    assert (execution["status"], execution["error"]) == ("FAILED", error)
    assert why in execution["cause"]


def test_a_drain_by_hand_of_an_instance_that_waits_without_a_node_says_how_to_let_it_go(world):
    """It must not succeed and leave the instance waiting."""
    instance, *_ = world.instances
    world.aws.delivery.invoke = lambda *_: None  # The event is lost.
    world.kube.cluster.remove("Node", world.instances[instance])
    world.terminate(instance)
    world.pass_time(5)
    world.start("by-hand", {"instanceId": instance})
    world.settle()
    (execution,) = world.executions()
    assert (execution["status"], execution["error"]) == ("FAILED", "NodeNotFound")
    assert (
        "let it go: aws autoscaling complete-lifecycle-action --auto-scaling-group-name workers "
        f"--lifecycle-hook-name stepdrain --instance-id {instance} --lifecycle-action-result CONTINUE"
    ) in execution["cause"]
