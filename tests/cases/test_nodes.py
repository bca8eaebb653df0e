"""Which Node is the instance's, and what happens to it while a drain runs."""

import json

import boto3
import pytest

from stepdrain_sandbox.judgement import broken
from stepdrain_sandbox.kube.kubelet import DEAD, UNKILLABLE
from stepdrain_sandbox.kube.store import rfc3339
from stepdrain_sandbox.workload import cluster_workload, lone_pod
from stepdrain_sandbox.world import World, node_manifest
from tests.conftest import EVENTS


def described(instance):
    """The instance as EC2 describes it."""
    found = boto3.client("ec2", region_name="eu-west-1").describe_instances(InstanceIds=[instance])
    return found["Reservations"][0]["Instances"][0]


def test_of_two_nodes_of_one_instance_the_ready_one_is_drained(look):
    """A kubelet registered as localhost.localdomain and then, its host name set, as worker-0.

    Both carry the providerID. The cloud controller keeps the stale Node, since its instance lives.
    """
    stale, right = "localhost.localdomain", "worker-0"
    with World(workload=cluster_workload) as world:
        seen, cluster = look(world), world.kube.cluster
        instance, node = seen.fullest()
        for name in (right, stale):
            cluster.create(node_manifest(name, instance))
        world.pass_time(1)
        cluster.change("Node", stale, "", {"metadata": {"annotations": {DEAD: "true"}}})
        for pod in world.pods_on(node):
            cluster.remove("Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])
        cluster.remove("Node", node)
        cluster.create(lone_pod("app", right))
        world.pass_time(60)
        world.terminate(instance)
        world.settle()
        assert seen.executions()[0][:2] == ("SUCCEEDED", "drained")
        assert seen.pods(right) == []
        assert cluster.get("Node", right)["spec"].get("unschedulable") is True
        assert stale in seen.said()


@pytest.mark.parametrize("falls_silent_after_s", [2, 20, 40])
def test_of_two_nodes_that_are_both_ready_the_one_that_stays_so_is_drained(look, falls_silent_after_s):
    """The kubelet has taken another name just before: its old Node, of the expected name, is still Ready.

    The node controller takes 40 s to see that nobody renews the old one's lease. Its pods stay as they were.
    """
    right = "worker-0"
    with World(workload=cluster_workload) as world:
        seen, cluster = look(world), world.kube.cluster
        instance, node = seen.fullest()
        for pod in world.pods_on(node):
            taken = {"metadata": {"annotations": {UNKILLABLE: "true"}}}
            cluster.change("Pod", pod["metadata"]["name"], pod["metadata"]["namespace"], taken)
        cluster.create(node_manifest(right, instance))
        cluster.create(lone_pod("app", right))
        world.pass_time(5)
        world.terminate(instance)
        world.pass_time(falls_silent_after_s)
        cluster.change("Node", node, "", {"metadata": {"annotations": {DEAD: "true"}}})
        world.settle()
        assert seen.executions()[0][:2] == ("SUCCEEDED", "drained")
        assert seen.pods(right) == []
        assert cluster.get("Node", right)["spec"].get("unschedulable") is True
        assert right in seen.said()


def test_a_node_without_provider_id_is_known_by_name_and_address(look):
    """It has the instance's private DNS name and address, is Ready, and runs pods."""
    with World(workload=cluster_workload) as world:
        seen = look(world)
        instance, node = seen.fullest()
        address = {"type": "InternalIP", "address": described(instance)["PrivateIpAddress"]}
        status = world.kube.cluster.get("Node", node).get("status") or {}
        world.kube.cluster.change("Node", node, "", {"spec": {"providerID": None}})
        world.kube.cluster.change("Node", node, "", {"status": {**status, "addresses": [address]}})
        world.terminate(instance)
        world.settle()
        assert seen.executions()[0][:2] == ("SUCCEEDED", "drained")
        assert broken(world) == []


def uncordon(world, instance, node):
    """Another tool makes the node schedulable again."""
    world.kube.cluster.change("Node", node, "", {"spec": {"unschedulable": None}})


def register_anew(world, instance, node):
    """The Node object is deleted, and its kubelet registers it again."""
    with world.kube.cluster.store.lock:
        world.kube.cluster.remove("Node", node)
        world.kube.cluster.create(node_manifest(node, instance))


@pytest.mark.parametrize("happens", [uncordon, register_anew])
def test_a_cordon_that_was_lifted_is_set_again(look, happens):
    """Else the evicted pods start on the same node, and are evicted again, until the deadline."""
    with World(workload=cluster_workload, tags={"stepdrain:drain-timeout": "600"}) as world:
        seen = look(world)
        seen.allow("nginx", 0)
        instance, node = seen.fullest()
        world.terminate(instance)
        seen.after(60, lambda: happens(world, instance, node))
        seen.after(100, lambda: seen.allow("nginx", 1))
        world.settle(within_s=1200)
        assert seen.executions()[0][:2] == ("SUCCEEDED", "drained")
        asked = [event for event in world.kube.audit_log if event["requestURI"].endswith("/eviction")]
        assert len(asked) < 20
        known = {"DrainStarted", "PodsBlocked", "Drained"}
        said = [message for reason, message in seen.events().items() if reason not in known]
        assert any("cordon" in message for message in said)


def test_an_admission_leaves_alone_what_a_running_drain_has_set(look):
    """EC2 announces the interruption of an instance that is not Ready yet; AdmitNode still waits for it."""
    event = json.loads((EVENTS / "spot-interruption.json").read_text())
    with World(workload=lambda nodes: cluster_workload(nodes, replicas=6)) as world:
        seen, cluster = look(world), world.kube.cluster
        world.add_launch_hook()
        world.boots_after_s = None
        instance = world.scale_out()
        node = described(instance)["PrivateDnsName"]
        world.pass_time(30)
        manifest = node_manifest(node, instance)
        manifest["metadata"]["annotations"] = {DEAD: "true"}
        cluster.create(manifest)
        world.pass_time(10)
        event["detail"]["instance-id"] = instance
        world.aws.delivery.send({**event, "time": rfc3339(world.clock.now())})
        ready = {"metadata": {"annotations": {DEAD: None}}}
        seen.after(15, lambda: cluster.change("Node", node, "", ready))
        more = {"spec": {"replicas": 9}}
        seen.after(
            50, lambda: cluster.change("ReplicaSet", "nginx-demo-deployment-6b8f4c7d9", "default", more)
        )
        found = []

        def note():
            found.append((cluster.get("Node", node)["spec"].get("unschedulable"), seen.pods(node)))

        for seconds in (10, 40, 119):
            seen.after(seconds, note)
        world.pass_time(119.5)
        assert found == [(True, [])] * 3
