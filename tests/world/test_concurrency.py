"""A hundred instances terminated at once: a whole group replaced, or a zone that goes."""

import json
from collections import Counter

import pytest
from drain import kube

from sandbox import guarantees
from sandbox.judgement import broken
from sandbox.kube.store import rfc3339
from sandbox.workload import budget, daemonset, replica_set
from sandbox.world import World
from tests.world import trouble

MANY, SPARE, HELD = 100, 4, 20
ATTEMPTED = ("EvictBatch", "WaitForPods")


def workload(nodes):
    """A pod a node, some of them behind a budget that all drains share and that lets them go, a DaemonSet."""
    return [
        replica_set("default", "free", {"app": "free"}, MANY - HELD, 30),
        replica_set("default", "held", {"app": "held"}, HELD, 30),
        budget("default", "held", {"app": "held"}, HELD),
        *daemonset("kube-proxy", nodes),
    ]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """The world after a hundred drains; what only their threads share is real time, which counts nothing."""
    # A hundred drains do their work at one moment of virtual time and take turns in real time: timeouts
    # in real seconds would measure this machine.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kube, "TIMEOUT_S", (300, 300))
        template = trouble.template(tmp_path_factory.mktemp("patient"), task_s=600)
        with World(workload=workload, nodes=MANY + SPARE, template=template) as world:
            pods = {node: len(world.pods_on(node)) - 1 for node in world.instances.values()}
            for instance in list(world.instances)[:MANY]:
                world.terminate(instance)
            world.settle(within_s=7200, every_s=60)
            yield world, pods


def test_each_instance_has_an_execution_of_its_own_and_none_is_lost(crowd):
    """G6 No lifecycle event is lost; G7 One event delivered twice is one execution."""
    world, _ = crowd
    executions = world.executions()
    assert {one["status"] for one in executions} == {"SUCCEEDED"}
    assert Counter(json.loads(one["input"])["instanceId"] for one in executions) == Counter(world.terminated)
    assert Counter((what, one) for _, what, one in world.aws.hooks.log if what != "heartbeat") == Counter(
        ("CONTINUE", one) for one in world.terminated
    )
    assert broken(world) == []


def test_all_nodes_are_cordoned_before_the_first_drain_ends(crowd):
    """Else evicted pods land on the next node to go, and are evicted again."""
    world, _ = crowd
    cordoned = [change.at for change in guarantees.changes(world.kube.audit_log) if change.kind == "cordon"]
    assert len(cordoned) == MANY
    first_end = min(at for at, what, _ in world.aws.hooks.log if what == "CONTINUE")
    assert max(cordoned) < rfc3339(first_end, micro=True)


def test_the_requests_stay_within_the_bound_of_one_drain(crowd):
    """At most P + 6, and 2 for each attempt of EvictBatch or WaitForPods, summed over the hundred."""
    world, pods = crowd
    attempts = sum(
        any(name in event["taskScheduledEventDetails"]["parameters"] for name in ATTEMPTED)
        for one in world.executions()
        for event in world.history(one["executionArn"])
        if event["type"] == "TaskScheduled"
    )
    evictable = sum(list(pods.values())[:MANY])
    asked = sum(event["userAgent"].startswith("stepdrain/") for event in world.kube.audit_log)
    assert asked <= evictable + 6 * MANY + 2 * attempts
