"""A hundred instances terminated at once: a whole group replaced, or a zone that goes."""

import json
from collections import Counter

import pytest
from stepdrain.adapters.kube import calls

from stepdrain_recorded import audit
from stepdrain_sandbox.judgement import broken
from stepdrain_sandbox.kube.store import rfc3339
from stepdrain_sandbox.workload import budget, daemonset, replica_set
from stepdrain_sandbox.world import World

SPARE = 4
ATTEMPTED = ("EvictBatch", "WaitForPods", "WaitForVolumes", "WaitForTargets")


def workload(nodes):
    """A pod on each node that goes, a fifth of them behind a budget that lets all go, and a DaemonSet.

    Pods are bound to their nodes: each drain then lasts as long as its pod's grace, and none is
    over in the moment in which the others begin.
    """
    return [
        *daemonset("kube-proxy", nodes),
        *(pinned(number, node) for number, node in enumerate(nodes[:-SPARE])),
        budget("default", "held", {"app": "held"}, len(nodes)),
    ]


def pinned(number, node):
    """A ReplicaSet whose one pod runs on that node and nowhere else."""
    app = "free" if number % 5 else "held"
    controller = replica_set("default", f"{app}-{number}", {"app": app, "number": str(number)}, 1, 30)
    controller["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": node}
    return controller


@pytest.fixture(params=[12, pytest.param(100, marks=pytest.mark.long)])
def crowd(request, monkeypatch):
    """The world after that many drains; what only their threads share is real time, which counts nothing."""
    # A hundred drains do their work at one moment of virtual time and take turns in real time: timeouts
    # in real seconds would measure this machine.
    monkeypatch.setattr(calls, "TIMEOUT_S", (300, 300))
    with World(workload=workload, nodes=request.param + SPARE) as world:
        for instance in list(world.instances)[:-SPARE]:
            world.terminate(instance)
        world.settle(within_s=7200, every_s=60)
        yield world


def test_a_hundred_instances_at_once_are_drained_as_one_is(crowd):
    """G6 No lifecycle event is lost; G7 One event delivered twice is one execution.

    One test for three questions, since a hundred drains take longer than all of them.
    """
    each_has_an_execution_of_its_own_and_none_is_lost(crowd)
    all_nodes_are_cordoned_before_the_first_drain_ends(crowd)
    the_requests_stay_within_the_bound_of_one_drain(crowd)
    assert broken(crowd) == []


def each_has_an_execution_of_its_own_and_none_is_lost(world):
    executions = world.executions()
    assert {execution["status"] for execution in executions} == {"SUCCEEDED"}
    assert Counter(json.loads(execution["input"])["instanceId"] for execution in executions) == Counter(
        world.terminated
    )
    assert Counter(
        (what, instance) for _, what, instance in world.aws.hooks.log if what != "heartbeat"
    ) == Counter(("CONTINUE", instance) for instance in world.terminated)


def all_nodes_are_cordoned_before_the_first_drain_ends(world):
    """Else evicted pods land on the next node to go, and are evicted again."""
    cordoned = [change.at for change in audit.changes(world.kube.audit_log) if change.kind == "cordon"]
    assert len(cordoned) == len(world.terminated)
    first_end = min(at for at, what, _ in world.aws.hooks.log if what == "CONTINUE")
    assert max(cordoned) < rfc3339(first_end, micro=True)


def the_requests_stay_within_the_bound_of_one_drain(world):
    """P + 6, and 2 for each attempt, summed over all, with one pod each."""
    attempts = sum(
        any(name in event["taskScheduledEventDetails"]["parameters"] for name in ATTEMPTED)
        for execution in world.executions()
        for event in world.history(execution["executionArn"])
        if event["type"] == "TaskScheduled"
    )
    asked = sum(event["userAgent"].startswith("stepdrain/") for event in world.kube.audit_log)
    assert asked <= 7 * len(world.terminated) + 2 * attempts
