"""Each role grants what its function calls: a call too many is denied, a grant too many is found here.

What is called is recorded while drains of all kinds run; the world denies what the template does not
grant (stepdrain_sandbox.aws.permissions), in every test and in the demo.
"""

import copy
import json
from unittest import mock

import pytest
from samtranslator.yaml_helper import yaml_parse
from stepdrain.adapters import instances
from stepdrain.clock import to_rfc3339

from stepdrain_sandbox.aws import permissions
from stepdrain_sandbox.aws.account import AwsFault, client_error
from stepdrain_sandbox.aws.deploy import ROOT, translate
from stepdrain_sandbox.workload import cluster_workload, lone_pod
from stepdrain_sandbox.world import CLUSTER, GROUP, HOOK, World
from tests.template.stack import Stack
from tests.world.test_maintenance import RETIREMENT, health

SERVICES_OWN = {
    "logs:CreateLogStream": "Lambda writes a function's log with the function's role",
    "logs:PutLogEvents": "Lambda writes a function's log with the function's role",
    "sqs:ReceiveMessage": "Lambda takes notices from their queue with the function's role",
    "sqs:DeleteMessage": "Lambda takes notices from their queue with the function's role",
    "sqs:GetQueueAttributes": "Lambda takes notices from their queue with the function's role",
    "sqs:SendMessage": "Lambda hands a failed event to the on-failure destination with the function's role",
    "kms:Decrypt": "SNS encrypts a message for an encrypted topic in the name of whoever publishes",
    "kms:GenerateDataKey": "SNS encrypts a message for an encrypted topic in the name of whoever publishes",
}
"""Granted, and called by no line of the code."""


KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
MANY = {"GroupNames": "workers,a,b,c,d,e"}
"""More than stand in an environment."""


def translated():
    """The template's resources as CloudFormation gets them, a copy of the caller's own."""
    return copy.deepcopy(translate(ROOT / "template.yaml", {"ClusterName": "demo"})["Resources"])


def granted_by(resources):
    """What the roles grant where everything optional is there."""
    return permissions.granted(resources, Stack(MaxConcurrentDrains="1", **MANY).resolve)


def excess(granted, calls):
    """What roles grant and nobody called, (function, action)."""
    return {
        (function, action)
        for function, actions in granted.items()
        for action in actions - set(SERVICES_OWN)
        if (function, action) not in calls
    }


def ordinary(world, _node):
    """Nothing in the way."""


def never_joined(world, node):
    """The instance has no node."""
    world.kube.cluster.remove("Node", node)


def gone(world, node):
    """Somebody else ends the wait for an instance that has no node, and it is terminated."""
    other, name = list(world.instances.items())[1]
    world.kube.cluster.remove("Node", name)
    world.terminate(other)
    world.pass_time(60)
    world._client("autoscaling").complete_lifecycle_action(
        AutoScalingGroupName=GROUP,
        LifecycleHookName=HOOK,
        InstanceId=other,
        LifecycleActionResult="CONTINUE",
    )


def blocked(world, _node):
    """A budget holds pods until the deadline; heartbeats, then deletions."""
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 0}})


def refused(world, node):
    """The policy forbids an eviction: the drain fails, and somebody is notified."""
    world.kube.cluster.create(lone_pod("lone", node))
    world.pass_time(5)


def lost(world, _node):
    """No event arrives: the sweep starts the drain."""
    world.aws.hooks.send = lambda _event: None


def swept_before(world, _node):
    """The sweep's drain is done, another hook still holds the instance, and no list shows the drain yet."""
    other = list(world.instances)[1]
    world.aws.hooks.send, send = lambda _event: None, world.aws.hooks.send
    world._client("autoscaling").put_lifecycle_hook(
        AutoScalingGroupName=GROUP,
        LifecycleHookName="backup",
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
        HeartbeatTimeout=7200,
    )
    world.aws.execution_list.lag_s = 1200
    world.terminate(other)
    world.pass_time(700)
    world.aws.hooks.send = send


def called_off(world, _node):
    """Maintenance of one instance and the retirement of another are called off while their drains run."""
    one, other = list(world.instances)[1:]
    budget = {"spec": {"maxUnavailable": 0}}
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", budget)
    begins = world.clock.now() + 1500
    maintenance = world.aws.scheduled_events.schedule(one, "instance-reboot", begins)
    health(world, other, RETIREMENT)
    world.pass_time(400)
    world.aws.scheduled_events.end(maintenance, "Canceled")
    health(world, other, RETIREMENT, status="closed")
    world.pass_time(400)
    world.kube.cluster.change("PodDisruptionBudget", "nginx", "default", {"spec": {"maxUnavailable": 1}})


def balanced(world, _node):
    """Load balancers of both kinds hold the instance."""
    world.balancers.target_group("web", world.instances, 20)
    world.balancers.classic("a1b2c3", world.instances, 20, CLUSTER)


def other_ways(world, _node):
    """A launch, and a spot interruption while an instance that its hook holds is drained by hand."""
    other = list(world.instances)[1]
    world.add_launch_hook()
    world.scale_out()
    send, world.aws.hooks.send = world.aws.hooks.send, lambda _event: None
    world.terminate(other)
    world.start(f"{other}-by-hand", {"instanceId": other})
    world.aws.hooks.send = send
    event = json.loads((ROOT / "tests" / "events" / "spot-interruption.json").read_text())
    event["detail"]["instance-id"] = other
    world.pass_time(1)
    world.aws.delivery.send({**event, "time": to_rfc3339(world.clock.now())})
    world.pass_time(120)


def uncached(prepare):
    """As ``prepare``, where the cache does not answer."""

    def without(world, node):
        error = client_error("GetItem", "InternalServerError", "Internal server error", 500)
        world.aws.aws_faults.append(AwsFault("GetItem", error, times=-1))
        prepare(world, node)

    return without


SCENARIOS = [
    (balanced, {}),
    (uncached(other_ways), {"MaxConcurrentDrains": "1", **MANY}),
    (ordinary, {}),
    (lost, MANY),
    (swept_before, {}),
    (called_off, {"DrainOnMaintenance": "true"}),
    (never_joined, {}),
    (gone, {}),
    (blocked, {"OnTimeout": "force", "DrainTimeout": "1500"}),
    # With a key the event of the failure says nothing: Notify asks the execution.
    (uncached(refused), {"EvictUnmanaged": "false", "NodeConditions": "true", "KmsKeyArn": KEY}),
]


def played(prepare, parameters, template=ROOT / "template.yaml"):
    """Drain one node; the calls as (function, IAM action), and the executions."""
    with World(workload=cluster_workload, parameters=parameters, template=template) as world:
        instance, node = next(iter(world.instances.items()))
        prepare(world, node)
        if instance not in world.terminated:
            world.terminate(instance)
        world.settle(7200, every_s=20)
        world.pass_time(5)
        clients = {service: world._client(service) for _, service, _ in world.aws.calls}
        calls = {
            (function, permissions.action(clients[service].meta.service_model, operation))
            for function, service, operation in world.aws.calls
        }
        return calls, world.executions()


@pytest.fixture(scope="module")
def calls():
    """What each function called in any scenario."""
    found = set().union(*(played(prepare, parameters)[0] for prepare, parameters in SCENARIOS))
    with mock.patch.object(instances, "FEWEST", 1):
        # A group that Sweep keeps, although a test's is small.
        return found | played(lost, {})[0]


def test_no_role_grants_what_its_function_never_calls(calls):
    """Whoever gets hold of a role has what is in it, used or not."""
    assert excess(granted_by(translated()), calls) == set()


def test_no_function_calls_what_its_role_does_not_grant(calls):
    """The world denies such a call; a drain that copes with the denial must not hide it."""
    granted = granted_by(translated())
    assert {(function, action) for function, action in calls if action not in granted[function]} == set()


def test_a_service_s_own_action_is_called_by_no_function(calls):
    """Else it belongs to those that are proven by being called."""
    assert {action for _, action in calls} & set(SERVICES_OWN) == set()


def test_a_planted_excess_is_found(calls):
    """This test would be worth nothing if it could not fail."""
    resources = translated()
    statements = resources["HeartbeatRole"]["Properties"]["Policies"][-1]["PolicyDocument"]["Statement"]
    statements.append({"Effect": "Allow", "Action": "ec2:TerminateInstances", "Resource": "*"})
    assert excess(granted_by(resources), calls) == {("HeartbeatFunction", "ec2:TerminateInstances")}


@pytest.mark.parametrize(
    ("role", "state"), [("FindNodeRole", "FindNode"), ("CompleteActionRole", "CompleteAction")]
)
def test_a_planted_lack_stops_the_drain_where_it_is_missed(role, state, tmp_path):
    """Not in the account of whoever deploys it."""
    (tmp_path / "statemachine").symlink_to(ROOT / "statemachine")
    template = yaml_parse((ROOT / "template.yaml").read_text())
    document = template["Resources"][role]["Properties"]["Policies"][-1]["PolicyDocument"]
    document["Statement"] = [s for s in document["Statement"] if s.get("Sid") == "OwnLog"]
    poorer = tmp_path / "template.yaml"
    poorer.write_text(json.dumps(template))
    _, (execution,) = played(ordinary, {}, poorer)
    assert (execution["status"], execution["error"]) == ("FAILED", "AwsDenied")
    assert f"{state}Function is not authorized to perform" in execution["cause"]
