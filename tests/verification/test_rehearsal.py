"""The deployed functions find each right that is missing, and change nothing while they look."""

import copy
import json

import pytest
from stepdrain.clock import to_rfc3339
from stepdrain.verification import aws_rights, kube_rights
from stepdrain.verification.findings import Result

from stepdrain_sandbox.aws.account import AwsFault, client_error
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import CLUSTER, GROUP, HOOK, World

INTAKE = ("StartDrain", "Sweep", "Notify")
PARAMETERS = {
    "NodeConditions": "true",
    "MaxConcurrentDrains": "2",
    "OnTimeout": "force",
    "RollBlocked": "blocked",
}
IAM = [
    (function, action)
    for function, calls in aws_rights.CALLS.items()
    for action, _ in [*calls, *aws_rights.TURNS.get(function, ())]
]
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


def rehearsed(world, function):
    """The function's findings that are not OK, by what was checked."""
    instance = next(iter(world.instances))
    asked = {"cluster": CLUSTER, "group": GROUP, "hook": HOOK, "instanceId": instance}
    event = {"rehearsal": {**asked, "function": function}}
    if function not in INTAKE:
        now = to_rfc3339(world.clock.now())
        event = {
            "execution": {"StartTime": now, "Name": "verify-1"},
            "state": {"EnteredTime": now, "RetryCount": 0, "Name": function},
            "drain": {"instanceId": instance, "rehearsal": asked},
        }
    answer = world.aws.invoke(f"stepdrain-{function}Function", json.loads(json.dumps(event)))
    return {one["what"]: one for one in answer["findings"] if one["result"] != Result.OK}


@pytest.mark.parametrize("function", sorted({*aws_rights.CALLS, *kube_rights.RIGHTS}))
def test_a_healthy_function_has_nothing_to_mend(world, function):
    """Else the table cries wolf, and nobody reads it the second time."""
    assert rehearsed(world, function) == {}


@pytest.mark.parametrize(("function", "action"), IAM, ids=" ".join)
def test_each_iam_action_that_is_missing_is_found(world, monkeypatch, function, action):
    """By the function itself, which is the only one that has the role."""
    name = f"{function}Function"
    poorer = {**world.aws.deployment.granted, name: world.aws.deployment.granted[name] - {action}}
    monkeypatch.setattr(world.aws.deployment, "granted", poorer)
    found = rehearsed(world, function)
    assert (found[action]["result"], found[action]["mend"]) == ("missing", "iam")
    assert action in found[action]["said"]


@pytest.mark.parametrize(("function", "right"), RBAC, ids=lambda one: str(one).replace("/", "-"))
def test_each_right_in_the_cluster_that_is_missing_is_found(world, function, right):
    """Verb by verb; what only slows a drain down says so."""
    with without(world, right):
        found = rehearsed(world, function)[str(right)]
    assert found["result"] == ("missing" if right.needed else "degraded")
    assert found["mend"] == "rbac"


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
    assert found["the cluster's API"]["mend"] == "access entry"


def test_a_cluster_that_does_not_answer_is_one_finding(world, monkeypatch):
    """A closed security group: the connection times out after seconds, once for each function."""
    monkeypatch.setattr("stepdrain.adapters.kube.calls.Calls._send", _no_answer)
    found = rehearsed(world, "EvictBatch")
    assert list(found) == ["the cluster's API"]
    assert found["the cluster's API"]["mend"] == "network"


def _no_answer(*_arguments, **_options):
    import urllib3

    raise urllib3.exceptions.ConnectTimeoutError("timed out")


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
    for function in sorted({*aws_rights.CALLS, *kube_rights.RIGHTS}):
        rehearsed(world, function)
    wrote = [
        one["requestURI"]
        for one in world.kube.audit_log[before:]
        if one["verb"] not in ("get", "list", "watch") and "dryRun=All" not in one["requestURI"]
    ]
    assert {uri.rsplit("/", 1)[1].split("?")[0] for uri in wrote} <= {"selfsubjectaccessreviews"}
    assert (world.aws.hooks.log, len(world.executions()), len(world.aws.messages())) == (
        log,
        executions,
        messages,
    )
