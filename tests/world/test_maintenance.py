"""Events after which an instance comes back, and events that are called off: nodes are given back."""

import json
from email.utils import formatdate
from pathlib import Path

import pytest
from stepdrain.rules.node_marks import CORDONED_BY, EXCLUDE_LABEL, LABELLED_BY

from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import World

SAMPLE = json.loads((Path(__file__).parent.parent / "events" / "health-event.json").read_text())
HOUR_S, DAY_S = 3600, 86_400


@pytest.fixture
def world():
    """An installation that drains for maintenance, too."""
    with World(workload=cluster_workload, parameters={"DrainOnMaintenance": "true"}) as world:
        yield world


@pytest.fixture
def instance(world):
    """The instance whose node has most pods."""
    return max(world.instances, key=lambda instance: len(world.pods_on(world.instances[instance])))


def marks(world, instance):
    """Whether the node is excluded, cordoned, and annotated by us."""
    node = world.kube.cluster.get("Node", world.instances[instance])
    ours = {LABELLED_BY, CORDONED_BY} & (node["metadata"].get("annotations") or {}).keys()
    labelled = EXCLUDE_LABEL in node["metadata"]["labels"]
    return labelled, bool(node["spec"].get("unschedulable")), len(ours)


def health(world, instance, code, status="upcoming", in_s=14 * DAY_S):
    """A Health event about the instance, as EventBridge delivers it now."""
    starts = formatdate(world.clock.now() + in_s, usegmt=True)
    detail = {
        "eventArn": f"arn:aws:health:eu-west-1::event/EC2/{code}/{code}_1",
        "eventTypeCode": code,
        "statusCode": status,
        "startTime": starts,
        "affectedEntities": [{"entityValue": instance}],
    }
    world.aws.delivery.send({**SAMPLE, "detail": {**SAMPLE["detail"], **detail}})
    world.pass_time(1)


@pytest.mark.parametrize(
    "code",
    [
        "AWS_EC2_INSTANCE_REBOOT_MAINTENANCE_SCHEDULED",
        "AWS_EC2_SYSTEM_REBOOT_MAINTENANCE_SCHEDULED",
        "AWS_EC2_INSTANCE_NETWORK_MAINTENANCE_SCHEDULED",
        "AWS_EC2_INSTANCE_POWER_MAINTENANCE_SCHEDULED",
        "AWS_EC2_SOMETHING_NEW_SCHEDULED",
    ],
)
def test_an_event_after_which_the_instance_goes_on_drains_nothing_at_once(world, instance, code):
    """Nothing would ever uncordon the node, and its group does not replace it."""
    health(world, instance, code)
    assert world.executions() == []
    (answer,) = [a["Payload"] for name, a in world.aws.delivery.answers if "StartDrain" in name]
    assert "does not end the instance" in answer["ignored"]


@pytest.mark.parametrize("code", ["instance-reboot", "system-reboot", "system-maintenance"])
def test_a_node_is_drained_shortly_before_its_maintenance_and_given_back_after(world, instance, code):
    """The sweep waits for the time, so that no execution has to; the node serves again when it is over."""
    begins = world.clock.now() + 7200
    event = world.aws.scheduled_events.schedule(instance, code, begins)
    world.pass_time(7200 - 2400)
    assert world.executions() == []
    world.pass_time(1200)
    (drain,) = world.executions()
    assert (drain["status"], json.loads(drain["input"])["reason"]) == ("SUCCEEDED", "maintenance")
    assert marks(world, instance) == (True, True, 2)
    world.pass_time(3600)
    assert marks(world, instance) == (True, True, 2)
    world.aws.scheduled_events.end(event, "Completed")
    world.pass_time(400)
    assert marks(world, instance) == (False, False, 0)
    world.pass_time(3600)
    assert len(world.executions()) == len(world.executions("AdmitNode")) == 1


def test_a_node_is_given_back_after_maintenance_of_days():
    """The list of executions does not reach back to its drain, but the event has the drain's name."""
    parameters = {"DrainOnMaintenance": "true", "SweepMinutes": "15"}
    with World(nodes=1, parameters=parameters) as world:
        (instance,) = world.instances
        event = world.aws.scheduled_events.schedule(
            instance, "system-maintenance", world.clock.now() + 2 * HOUR_S
        )
        world.pass_time(2 * HOUR_S)
        assert marks(world, instance) == (True, True, 2)
        world.pass_time(50 * HOUR_S)
        assert marks(world, instance) == (True, True, 2)
        world.aws.scheduled_events.end(event, "Completed")
        world.pass_time(3 * HOUR_S)
        assert marks(world, instance) == (False, False, 0)
        assert len(world.executions("AdmitNode")) == 1


def test_maintenance_that_is_called_off_stops_its_drain_and_gives_the_node_back(world, instance):
    """A budget holds the drain still; nobody is notified, for nothing is to be done."""
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})
    event = world.aws.scheduled_events.schedule(instance, "instance-reboot", world.clock.now() + 1500)
    world.pass_time(400)
    assert [execution["status"] for execution in world.executions()] == ["RUNNING"]
    world.aws.scheduled_events.end(event, "Canceled")
    world.pass_time(400)
    assert [execution["status"] for execution in world.executions()] == ["ABORTED"]
    assert marks(world, instance) == (False, False, 0)
    assert world.aws.messages() == []


def test_maintenance_that_is_moved_gives_the_node_back_until_then(world, instance):
    """Another time is another event: the node is drained again, shortly before that."""
    event = world.aws.scheduled_events.schedule(instance, "system-reboot", world.clock.now() + 1500)
    world.pass_time(600)
    event.not_before += DAY_S
    world.pass_time(400)
    assert marks(world, instance) == (False, False, 0)
    world.pass_time(DAY_S)
    assert marks(world, instance) == (True, True, 2)
    assert len(world.executions()) == 2


def test_without_the_parameter_maintenance_drains_nothing():
    """It is one request more for each sweep, and a drain that not everybody wants."""
    with World(nodes=1) as world:
        (instance,) = world.instances
        world.aws.scheduled_events.schedule(instance, "system-reboot", world.clock.now() + 1500)
        world.pass_time(1600)
        assert world.executions() == []
        assert not any(call[2] == "DescribeInstanceStatus" for call in world.aws.calls)


RETIREMENT = "AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED"


@pytest.mark.parametrize("running", [True, False])
def test_a_retirement_that_is_called_off_is_undone(world, instance, running):
    """At once where the drain is done; where it runs, it is stopped first."""
    if running:
        world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})
    health(world, instance, RETIREMENT)
    world.pass_time(300)
    assert [execution["status"] for execution in world.executions()] == [
        "RUNNING" if running else "SUCCEEDED"
    ]
    assert marks(world, instance) == (True, True, 2)
    health(world, instance, RETIREMENT, status="closed")
    world.settle(machine="AdmitNode")
    assert marks(world, instance) == (False, False, 0)
    assert world.aws.messages() == []


def test_a_closed_event_undoes_nothing_of_a_drain_for_another_reason(world, instance):
    """Auto Scaling terminates the instance meanwhile: its node stays cordoned, and its drain runs on."""
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})
    health(world, instance, RETIREMENT)
    world.terminate(instance)
    world.pass_time(30)
    health(world, instance, RETIREMENT, status="closed")
    world.pass_time(60)
    assert marks(world, instance) == (True, True, 2)
    assert world.executions("AdmitNode") == []
    assert [execution["status"] for execution in world.executions()] == ["RUNNING"] * 2


def test_a_closed_event_that_has_drained_nothing_is_ignored(world, instance):
    """Most are: closed means over, too."""
    health(world, instance, RETIREMENT, status="closed")
    assert world.executions() == world.executions("AdmitNode") == []
