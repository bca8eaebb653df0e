"""A kubelet that no longer answers: the drain completes, names what it gave up, and forces nothing."""

import json

import pytest

from stepdrain_recorded import audit
from stepdrain_sandbox import guarantees, judgement
from stepdrain_sandbox.kube.kubelet import DEAD, UNKILLABLE
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import World
from tests.world.test_drain import attempts, fullest, requests_of


@pytest.fixture
def dying(world):
    """The fullest node's instance and name; its kubelet has just died."""
    instance, node = fullest(world)
    world.kube.cluster.change("Node", node, "", {"metadata": {"annotations": {DEAD: "true"}}})
    world.pass_time(1)
    return instance, node


def evictable(world, node):
    return [
        pod
        for pod in world.pods_on(node)
        if not pod["metadata"]["name"].startswith(("aws-node", "kube-proxy"))
    ]


def output(world):
    return json.loads(world.executions()[0]["output"])


def test_pods_of_a_dead_kubelet_are_given_up_and_named(world, dying):
    """They were evicted and would never leave; the instance dies anyway. One wave holds no other."""
    instance, node = dying
    leaving = len(evictable(world, node))
    began = world.clock.now()
    world.terminate(instance)
    world.settle()
    result = output(world)
    assert (result["progress"]["stuck"], result["progress"]["evicted"]) == (leaving, leaving)
    assert len(result["progress"]["stuckPods"]) == leaving
    assert all("given up, its grace ended at" in named for named in result["progress"]["stuckPods"])
    assert result["completed"]["result"] == "CONTINUE"
    assert f"{leaving} pods were given up" in result["completed"]["reason"]
    # Both waves, each with its grace and the margin of 300 s, and the pauses of the slow pace.
    assert world.clock.now() - began < 2 * (300 + 225 + 30)


def test_the_event_on_the_node_names_them(world, dying):
    """kubectl describe node is where somebody looks for a pod that vanished."""
    instance, _ = dying
    world.terminate(instance)
    world.pass_time(1)
    world.settle()
    recorded = {event["reason"]: event for event in world.kube.cluster.list("Event")}
    assert "Drained" not in recorded
    assert recorded["DrainedButStuck"]["type"] == "Warning"
    assert "kube-system/coredns" in recorded["DrainedButStuck"]["message"]


def test_nothing_is_deleted_by_force(world, dying):
    """G2 Only the Eviction API removes pods: grace 0 could let a StatefulSet's pod run twice."""
    instance, _ = dying
    world.terminate(instance)
    world.settle()
    written = audit.changes(world.kube.audit_log)
    assert guarantees.deletions_made(written, "fail") == []
    assert len([c for c in written if c.kind == "evict"]) == output(world)["progress"]["evicted"]


def test_requests_stay_within_the_bound_with_a_dead_kubelet(world, dying):
    """At most 4 for each attempt, which lasts up to two minutes: its list and its watch, a second list if the
    watch was quiet, and the node if a pod is long past its grace."""
    instance, node = dying
    leaving = len(evictable(world, node))
    world.terminate(instance)
    world.settle()
    assert len(requests_of(world)) <= leaving + 6 + 4 * attempts(world)
    assert attempts(world) <= 12


def test_a_kubelet_that_comes_back_in_time_ends_its_pods(world, dying):
    """A restart of the kubelet is no reason to give pods up."""
    instance, node = dying
    world.terminate(instance)
    world.pass_time(120)
    assert evictable(world, node)
    world.kube.cluster.change("Node", node, "", {"metadata": {"annotations": {DEAD: None}}})
    world.settle()
    assert output(world)["progress"]["stuck"] == 0
    assert output(world)["completed"]["reason"] == ""


def test_a_pod_with_a_finalizer_on_a_healthy_node_is_waited_for(world):
    """Its owner still has something to do, and its kubelet answers: that is not stuck."""
    instance, node = fullest(world)
    pod = evictable(world, node)[0]["metadata"]
    world.kube.cluster.change(
        "Pod", pod["name"], pod["namespace"], {"metadata": {"finalizers": ["example.com/wait"]}}
    )
    world.terminate(instance)
    world.pass_time(900)
    assert world.executions()[0]["status"] == "RUNNING"
    assert world.lifecycle_state(instance) == "Terminating:Wait"
    named = [event for event in world.kube.cluster.list("Event") if event["reason"] == "PodsOverdue"]
    assert len(named) == 2, "one in each of two rounds"
    assert f"{pod['namespace']}/{pod['name']}: should have ended by " in named[0]["message"]
    world.kube.cluster.remove("Pod", pod["name"], pod["namespace"])
    world.settle()
    assert output(world)["progress"]["stuck"] == 0


HELD = [
    ({"finalizers": ["example.com/wait"]}, "its finalizers hold it (example.com/wait)"),
    ({"annotations": {UNKILLABLE: "true"}}, "it has no finalizers; look at the kubelet's log"),
]


def held_on_a_ready_node(world, metadata):
    """The fullest node's instance, and the first of its pods, which will not end."""
    instance, node = fullest(world)
    pod = evictable(world, node)[0]["metadata"]
    world.kube.cluster.change("Pod", pod["name"], pod["namespace"], {"metadata": metadata})
    return instance, f"{pod['namespace']}/{pod['name']}"


@pytest.mark.parametrize(("metadata", "why"), HELD, ids=["finalizer", "unkillable"])
def test_a_pod_that_does_not_end_on_a_ready_node_is_given_up_where_the_policy_says_so(metadata, why):
    """G4 The action is completed by what the policy lets go, and each pod that is left is named."""
    with World(workload=cluster_workload, tags={"stepdrain:overdue-pods": "give-up"}) as world:
        instance, pod = held_on_a_ready_node(world, metadata)
        began = world.clock.now()
        world.terminate(instance)
        world.settle()
        result = output(world)
        named = result["progress"]["unendedPods"]
        assert (result["progress"]["unended"], result["progress"]["stuck"]) == (1, 0)
        assert named[0].startswith(f"{pod}: given up: it should have ended by ")
        assert named[0].endswith(why)
        assert f"1 pod was given up, although the node is Ready: {named[0]}." in result["completed"]["reason"]
        assert result["completed"]["outcome"] == "drained"
        recorded = {event["reason"]: event["message"] for event in world.kube.cluster.list("Event")}
        assert named[0] in recorded["DrainedButStuck"]
        assert "Drained" not in recorded
        # The next wave has up to 225 s of grace.
        assert 600 < world.clock.now() - began < 600 + 300 + 225
        assert judgement.broken(world) == []


def test_the_other_pods_are_waited_for_and_the_next_wave_leaves():
    """The pod that is given up holds nothing; under evictDaemonsets, theirs leave after it, too."""
    tags = {"stepdrain:overdue-pods": "give-up", "stepdrain:evict-daemonsets": "true"}
    with World(workload=cluster_workload, tags=tags) as world:
        instance, _ = held_on_a_ready_node(world, {"finalizers": ["example.com/wait"]})
        leaving = len(world.pods_on(world.instances[instance]))
        world.terminate(instance)
        world.settle()
        assert output(world)["progress"]["evicted"] == leaving


def test_by_default_it_holds_the_drain_to_its_deadline():
    """And the message about the failure names it."""
    with World(workload=cluster_workload, tags={"stepdrain:drain-timeout": "1800"}) as world:
        instance, pod = held_on_a_ready_node(world, {"finalizers": ["example.com/wait"]})
        world.terminate(instance)
        world.settle()
        execution = world.executions()[0]
        assert (execution["status"], execution["error"]) == ("FAILED", "DrainTimedOut")
        assert f"{pod}: should have ended by " in execution["cause"]


def test_the_margin_is_the_groups_to_choose():
    """As a tag, like every other policy."""
    with World(workload=cluster_workload, tags={"stepdrain:stuck-after": "60"}) as world:
        instance, node = fullest(world)
        world.kube.cluster.change("Node", node, "", {"metadata": {"annotations": {DEAD: "true"}}})
        began = world.clock.now()
        world.terminate(instance)
        world.settle()
        assert output(world)["progress"]["stuck"] > 0
        assert world.clock.now() - began < 400
