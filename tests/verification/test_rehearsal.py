"""The deployed functions find each right that is missing, and change nothing while they look."""

import copy
import json
import os
from unittest import mock

import pytest
from botocore.exceptions import ConnectTimeoutError
from stepdrain.clock import to_rfc3339
from stepdrain.verification import aws_rights, kube_rights
from stepdrain.verification.findings import Result

from stepdrain_cli.doctor import groups
from stepdrain_sandbox.aws.account import ACCOUNT, REGION, AwsFault, client_error
from stepdrain_sandbox.kube.faults import Fault
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import CLUSTER, GROUP, HOOK, World, rbac_manifests

INTAKE = ("StartDrain", "Sweep", "Notify")
PARAMETERS = {
    "GroupNames": f"{GROUP},b,c,d,e,f",
    "NodeConditions": "true",
    "MaxConcurrentDrains": "2",
    "OnTimeout": "force",
    "RollBlocked": "blocked",
}
SERVICES_OWN = {"logs", "sqs", "kms"}
"""What AWS services do in a function's name: stepdrain_cli.verification.service_rights asks about that."""
PLACE = aws_rights.Place(
    "demo", GROUP, HOOK, "i-1", lease_table="leases", cache_table="cache", group_list="list"
)
"""Of an installation that has everything."""
FUNCTIONS = sorted({*aws_rights.CALLS, *kube_rights.RIGHTS})
IAM = [
    (name, action, "degraded" if (action, call) in aws_rights.PUT else "missing")
    for name in FUNCTIONS
    for action, call in aws_rights.calls_of(name, PLACE)
]
"""Function, action, and what it means if it is missing: a drain does without the cache."""
RBAC = [
    (function, right)
    for function in kube_rights.RIGHTS
    for right in kube_rights.rights_of(function, force=True, conditions=True, rolls=True)
]


@pytest.fixture(scope="module")
def world():
    """Everything on: conditions, turns, forced deletions, rolls."""
    with World(workload=cluster_workload, parameters=PARAMETERS) as world:
        yield world


def rehearsed(world, function, **more):
    """The function's findings that are not OK, by what was checked."""
    instance = next(iter(world.instances))
    asked = {
        "cluster": CLUSTER,
        "group": GROUP,
        "hook": HOOK,
        "instanceId": instance,
        "stateMachine": world.machine,
        **more,
    }
    event = {"rehearsal": {**asked, "function": function}}
    if function not in INTAKE:
        now = to_rfc3339(world.clock.now())
        event = {
            "execution": {"StartTime": now, "Name": "verify-1"},
            "state": {"EnteredTime": now, "RetryCount": 0, "Name": function},
            "drain": {"instanceId": instance, "rehearsal": asked},
        }
    with alone(world, function):
        answer = world.aws.invoke(f"stepdrain-{function}Function", json.loads(json.dumps(event)))
    return {finding["what"]: finding for finding in answer["findings"] if finding["result"] != Result.OK}


def alone(world, function):
    """The function's own environment, where the world's functions share one."""
    others = {key: value for key, value in os.environ.items() if not key.startswith("STEPDRAIN_")}
    own = world.aws.deployment.functions[f"{function}Function"].environment
    return mock.patch.dict(os.environ, {**others, **own}, clear=True)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_healthy_function_has_nothing_to_fix(world, function):
    """Else the table cries wolf, and nobody reads it the second time."""
    assert rehearsed(world, function) == {}


@pytest.mark.parametrize(("function", "action", "result"), IAM)
def test_each_iam_action_that_is_missing_is_found(world, monkeypatch, function, action, result):
    """By the function itself, which is the only one that has the role."""
    name, denied = f"{function}Function", action.partition(" ")[0]
    poorer = {**world.aws.deployment.granted, name: world.aws.deployment.granted[name] - {denied}}
    monkeypatch.setattr(world.aws.deployment, "granted", poorer)
    found = rehearsed(world, function)
    assert (found[action]["result"], found[action]["remedy"]) == (result, "iam")
    assert denied in found[action]["said"]


def event(**detail):
    """As Auto Scaling would send it if the instance were to be terminated."""
    sent = groups.event(GROUP, HOOK, ACCOUNT, REGION)
    return {**sent, "detail": {**sent["detail"], **detail}}


@pytest.mark.parametrize(
    ("detail", "reason"),
    [
        (
            {"AutoScalingGroupName": "others"},
            "Group others is not among the groups",
        ),
        ({"LifecycleHookName": "backup"}, "Its hook is backup, and ours is stepdrain"),
        ({"AutoScalingGroupName": "b"}, "Group b is gone since"),
    ],
)
def test_an_event_that_start_drain_would_ignore_is_found(world, detail, reason):
    """The rule takes it, and nothing would come of it."""
    (found,) = rehearsed(world, "StartDrain", event=event(**detail)).values()
    assert found["said"].startswith(f"It would be ignored: {reason}")
    assert (found["what"], found["result"]) == (f"an event about group {GROUP}", "missing")


def test_an_event_that_start_drain_would_take_starts_nothing(world):
    """A rehearsal is no drain."""
    before = len(world.executions())
    assert rehearsed(world, "StartDrain", event=event()) == {}
    assert len(world.executions()) == before


def test_a_groups_tag_that_cannot_be_read_is_said(world):
    """A drain goes on with the installation's own value, and the group's owner would wonder."""
    client = world._client("autoscaling")
    tag = {"ResourceId": GROUP, "ResourceType": "auto-scaling-group", "Key": "stepdrain:batch-size"}
    client.create_or_update_tags(Tags=[{**tag, "Value": "many", "PropagateAtLaunch": False}])
    (found,) = rehearsed(world, "StartDrain", event=event()).values()
    client.delete_tags(Tags=[tag])
    assert found["result"] == "degraded"
    assert "stepdrain:batch-size" in found["said"]


def test_what_is_tried_is_what_the_template_grants(world):
    """A right that is granted and not tried would be missed by nobody but a drain."""
    granted = {
        name.removesuffix("Function"): {
            action for action in actions if action.split(":")[0] not in SERVICES_OWN
        }
        for name, actions in world.aws.deployment.granted.items()
    }
    tried = {
        name: {action.partition(" ")[0] for action, _ in aws_rights.calls_of(name, PLACE)} for name in granted
    }
    assert tried == granted


def test_what_is_asked_for_in_the_cluster_is_what_the_manifests_grant():
    """Verb by verb, of all files."""
    rules = [rule for manifest in rbac_manifests(PARAMETERS) for rule in manifest.get("rules", ())]
    granted = {
        (verb, f"{resource}.{group}".rstrip("."))
        for rule in rules
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for group in rule["apiGroups"]
    }
    assert {(right.verb, right.resource) for _, right in RBAC} == granted


def test_a_groups_tag_asks_for_the_right_to_roll_as_the_parameter_does(world, monkeypatch):
    """The tag stepdrain:roll of one group is enough for a drain to roll."""
    own = world.aws.deployment.functions["EvictBatchFunction"].environment
    monkeypatch.setitem(own, "STEPDRAIN_ROLL", "off")
    with without(world, kube_rights.Right("patch", "statefulsets.apps")):
        assert rehearsed(world, "EvictBatch") == {}
        assert "patch statefulsets.apps" in rehearsed(world, "EvictBatch", rolls=True)


@pytest.mark.parametrize(("function", "right"), RBAC, ids=lambda one: str(one).replace("/", "-"))
def test_each_right_in_the_cluster_that_is_missing_is_found(world, function, right):
    """Verb by verb; what only slows a drain down says so."""
    with without(world, right):
        found = rehearsed(world, function)[str(right)]
    assert found["result"] == ("missing" if right.needed else "degraded")
    assert found["remedy"] == "rbac"


class without:
    """The cluster's roles without one verb on one resource, while this lasts."""

    def __init__(self, world, right):
        self._cluster = world.kube.cluster
        path, _, group = right.resource.partition(".")
        self._verb, self._resource, self._group = right.verb, path, group

    def __enter__(self):
        self._before = copy.deepcopy(self._cluster.list("ClusterRole"))
        for role in copy.deepcopy(self._before):
            for rule in role["rules"]:
                if self._resource in rule["resources"] and self._group in rule["apiGroups"]:
                    rule["verbs"] = [verb for verb in rule["verbs"] if verb != self._verb]
            self._cluster.change("ClusterRole", role["metadata"]["name"], "", {"rules": role["rules"]})

    def __exit__(self, *_):
        for role in self._before:
            self._cluster.change("ClusterRole", role["metadata"]["name"], "", {"rules": role["rules"]})


def test_a_function_without_an_access_entry_is_one_finding(world, monkeypatch):
    """Ten denied rights would hide the one cause."""
    monkeypatch.setattr(world.kube, "authenticate", lambda _token: None, raising=False)
    for user in list(world._users):
        monkeypatch.delitem(world._users, user)
    found = rehearsed(world, "Label")
    assert list(found) == ["the cluster's API"]
    assert found["the cluster's API"]["remedy"] == "access entry"


def test_a_cluster_that_does_not_answer_is_one_finding(world, monkeypatch):
    """A closed security group: the connection times out after seconds."""
    monkeypatch.setattr("stepdrain.adapters.kube.calls.Calls._send", _no_answer)
    for function in ("FindNode", "EvictBatch"):
        found = rehearsed(world, function)
        assert list(found) == ["the cluster's API"]
        assert (found["the cluster's API"]["result"], found["the cluster's API"]["remedy"]) == (
            "missing",
            "network",
        )
        assert found["the cluster's API"]["said"].startswith("The cluster's API does not answer the function")


def _no_answer(*_arguments, **_options):
    import urllib3

    raise urllib3.exceptions.ConnectTimeoutError("timed out")


def test_a_cluster_that_answers_with_an_error_is_no_question_of_the_network(world):
    """503 from a control plane that is being upgraded: verify again."""
    world.kube.faults.add(Fault(status=503))
    found = rehearsed(world, "EvictBatch")["the cluster's API"]
    world.kube.faults.clear()
    assert (found["result"], found["remedy"]) == ("unknown", "")


def test_a_service_that_does_not_answer_is_asked_once(world):
    """In a subnet without a NAT gateway each call costs 3 s, and the function has few."""
    no_answer = ConnectTimeoutError(endpoint_url="https://autoscaling.eu-west-1.amazonaws.com")
    world.aws.aws_faults.append(AwsFault("DescribeAutoScalingInstances", no_answer, 1))
    found = rehearsed(world, "FindNode")
    assert list(found) == ["autoscaling:DescribeAutoScalingInstances"]
    (one,) = found.values()
    assert (one["result"], one["remedy"]) == ("missing", "endpoint")


def test_a_throttled_call_is_unknown_and_not_missing(world):
    """It says nothing about the right."""
    world.aws.aws_faults.append(
        AwsFault(
            "DescribeTargetHealth", client_error("DescribeTargetHealth", "Throttling", "Rate exceeded"), 1
        )
    )
    found = rehearsed(world, "WaitForTargets")
    assert found["elasticloadbalancing:DescribeTargetHealth"]["result"] == "unknown"


def test_a_rehearsal_changes_nothing(world):
    """The audit log proves it: reads, reviews and dry runs."""
    before, log = len(world.kube.audit_log), world.aws.hooks.log[:]
    executions, messages = len(world.executions()), len(world.aws.messages())
    for function in FUNCTIONS:
        rehearsed(world, function)
    wrote = [
        entry["requestURI"]
        for entry in world.kube.audit_log[before:]
        if entry["verb"] not in ("get", "list", "watch") and "dryRun=All" not in entry["requestURI"]
    ]
    assert {uri.rsplit("/", 1)[1].split("?")[0] for uri in wrote} <= {"selfsubjectaccessreviews"}
    assert (world.aws.hooks.log, len(world.executions()), len(world.aws.messages())) == (
        log,
        executions,
        messages,
    )
