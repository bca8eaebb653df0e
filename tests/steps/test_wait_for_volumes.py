"""WaitForVolumes, with a CSI driver on each node: an instance is let go when its volumes are detached."""

import json
from itertools import pairwise

import pytest

from stepdrain_sandbox.workload import cluster_workload, csi_driver, daemonset, lone_pod, mounting, volume
from stepdrain_sandbox.world import World

FOREVER = 100_000


def stateful(detaches_after_s):
    """The usual workload, and on the first node a pod with a volume."""

    def workload(nodes):
        return [
            *cluster_workload(nodes),
            *csi_driver(nodes),
            *volume("data", detaches_after_s),
            mounting(lone_pod("database", nodes[0]), "data"),
        ]

    return workload


def first(world):
    return next(iter(world.instances.items()))


def at_the_end(world):
    """Names of the volumes attached to the node when the action was completed, per completion."""
    seen = []
    complete = world.aws.hooks._complete

    def watched(backend, action, result):
        node = world.instances[action.instance_id]
        attachments = world.kube.cluster.list("VolumeAttachment")
        seen.append(
            [
                a["spec"]["source"]["persistentVolumeName"]
                for a in attachments
                if a["spec"]["nodeName"] == node
            ]
        )
        complete(backend, action, result)

    world.aws.hooks._complete = watched
    return seen


def causes(world, error):
    """What the attempts that failed with ``error`` said."""
    history = world.history(world.executions()[0]["executionArn"])
    failed = [event["taskFailedEventDetails"] for event in history if event["type"] == "TaskFailed"]
    return [json.loads(details["cause"])["errorMessage"] for details in failed if details["error"] == error]


def drained(world):
    instance, _ = first(world)
    world.terminate(instance)
    world.settle()


def test_an_instance_is_let_go_when_its_volumes_are_detached():
    """A machine that vanishes with a volume keeps it from the pod's replacement for six minutes."""
    with World(workload=stateful(60)) as world:
        seen = at_the_end(world)
        drained(world)
        assert seen == [[]]
        assert world.executions()[0]["status"] == "SUCCEEDED"
        # The first attempt is short, for whoever looks; the second watched until the end.
        assert len(causes(world, "VolumesAttached")) == 1


def test_the_policy_can_let_the_instance_go_with_its_volumes():
    """Who has no stateful pods need not wait."""
    with World(workload=stateful(40), parameters={"WaitForVolumes": "false"}) as world:
        seen = at_the_end(world)
        drained(world)
        assert seen == [["pv-data"]]
        asked = {event["objectRef"]["resource"] for event in world.kube.audit_log}
        assert "volumeattachments" not in asked


def test_volumes_of_pods_that_stay_are_not_waited_for():
    """A DaemonSet's pod keeps its volume until the machine is off, whoever else has mounted it."""

    def workload(nodes):
        yield from stateful(5)(nodes)
        yield from volume("cache")
        yield mounting(lone_pod("reader", nodes[0]), "cache")
        for manifest in daemonset("log-shipper", nodes[:1]):
            yield mounting(manifest, "cache") if manifest["kind"] == "Pod" else manifest

    def moved(nodes):
        # The claim lies beside the DaemonSet's pods.
        for manifest in workload(nodes):
            if manifest["kind"] in ("Pod", "DaemonSet") and "log-shipper" in manifest["metadata"]["name"]:
                yield {**manifest, "metadata": {**manifest["metadata"], "namespace": "default"}}
            else:
                yield manifest

    with World(workload=moved) as world:
        seen = at_the_end(world)
        drained(world)
        assert seen == [["pv-cache"]]
        assert not any("pv-cache" in cause for cause in causes(world, "VolumesAttached"))


def test_daemonsets_leave_only_when_the_volumes_are_detached():
    """Where the policy evicts them at all: the CSI driver's pod does the detaching."""
    with World(workload=stateful(30), parameters={"EvictDaemonSets": "true"}) as world:
        detached_at, evicted_at = [], []

        def note(change):
            name = change.object["metadata"]["name"]
            if change.resource.kind == "VolumeAttachment" and change.type == "DELETED":
                detached_at.append(change.version)
            if name.startswith(("ebs-csi", "aws-node")) and "deletionTimestamp" in change.object["metadata"]:
                evicted_at.append(change.version)

        world.kube.cluster.store.subscribe(note)
        drained(world)
        assert detached_at
        assert evicted_at
        assert detached_at[0] < min(evicted_at)
        assert world.executions()[0]["status"] == "SUCCEEDED"


def test_volumes_that_stay_attached_stop_the_drain_at_its_deadline_by_name():
    """G4, G5: the instance is held, somebody is notified of the volume, and a redrive goes on."""
    with World(workload=stateful(FOREVER), parameters={"DrainTimeout": "300"}) as world:
        seen = at_the_end(world)
        instance, node = first(world)
        drained(world)
        (execution,) = world.executions()
        assert (execution["status"], execution["error"]) == ("FAILED", "DrainTimedOut")
        assert "pv-data: held by ebs.csi.aws.com" in execution["cause"]
        assert (seen, world.lifecycle_state(instance)) == ([], "Terminating:Wait")
        for attachment in world.kube.cluster.list("VolumeAttachment"):
            if attachment["spec"]["nodeName"] == node:
                world.kube.cluster.remove("VolumeAttachment", attachment["metadata"]["name"])
        world.redrive(execution["executionArn"])
        world.settle()
        assert (world.executions()[0]["status"], seen) == ("SUCCEEDED", [[]])


@pytest.mark.parametrize("policy", ["force", "continue"])
def test_a_policy_that_does_not_hold_the_instance_ends_the_wait_at_the_deadline(policy):
    """Karpenter's terminationGracePeriod ends its wait for volumes, too."""
    parameters = {"DrainTimeout": "120", "OnTimeout": policy}
    with World(workload=stateful(FOREVER), parameters=parameters) as world:
        seen = at_the_end(world)
        began = world.clock.now()
        drained(world)
        assert (world.executions()[0]["status"], seen) == ("SUCCEEDED", [["pv-data"]])
        assert world.clock.now() - began < 300


def test_a_drain_without_a_lifecycle_action_waits_for_volumes_too():
    """Started by hand: there is no hook to keep, and the volumes matter as much."""
    with World(workload=stateful(40)) as world:
        instance, node = first(world)
        world.start("by-hand", {"instanceId": instance, "cluster": "demo"})
        world.settle()
        assert world.executions()[0]["status"] == "SUCCEEDED"
        attached = [a["spec"]["nodeName"] for a in world.kube.cluster.list("VolumeAttachment")]
        assert node not in attached


def test_a_slow_volume_outlasts_many_heartbeats():
    """Two hours: quick at first, then with a long pause, and the instance is held all the time."""
    with World(workload=stateful(7200), parameters={"DrainTimeout": "14400"}) as world:
        seen = at_the_end(world)
        instance, _ = first(world)
        world.terminate(instance)
        world.settle(within_s=14_400, every_s=60)
        assert (world.executions()[0]["status"], seen) == ("SUCCEEDED", [[]])
        said = causes(world, "VolumesAttached")
        assert "1 volume is still attached to the node, of pods that have left: pv-data: held by" in said[0]
        beats = [at for at, what, _ in world.aws.hooks.log if what == "heartbeat"]
        assert max(later - sooner for sooner, later in pairwise(beats)) < 900
        assert len(world.history(world.executions()[0]["executionArn"])) < 600
