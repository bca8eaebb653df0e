"""Waves in the embedded world: each is gone before the next one starts."""

from itertools import pairwise

import pytest

from stepdrain_sandbox.workload import cluster_workload, lone_pod
from stepdrain_sandbox.world import World

SYSTEM = "system-cluster-critical"


def pod(name, node, *, wave=None, priority="", grace_s=20):
    made = lone_pod(name, node)
    spec = {**made["spec"], "terminationGracePeriodSeconds": grace_s, "priorityClassName": priority}
    annotations = {} if wave is None else {"stepdrain/wave": wave}
    return {**made, "metadata": {**made["metadata"], "annotations": annotations}, "spec": spec}


def waves(nodes):
    """Two ordinary pods, one of the system, one early, one late, and one whose annotation says nothing."""
    yield from cluster_workload(nodes, replicas=0)
    yield pod("early", nodes[0], wave="0")
    yield pod("app", nodes[0])
    yield pod("typo", nodes[0], wave="soon")
    yield pod("dns", nodes[0], priority=SYSTEM)
    yield pod("late", nodes[0], wave="9")


def watched(world):
    """(what, pod) of each pod that begins to leave or is gone, in order."""
    seen = []

    def note(change):
        name, metadata = change.object["metadata"]["name"], change.object["metadata"]
        if change.resource.kind != "Pod":
            return
        if change.type == "DELETED":
            seen.append(("gone", name))
        elif "deletionTimestamp" in metadata and ("leaves", name) not in seen:
            seen.append(("leaves", name))

    world.kube.cluster.store.subscribe(note)
    return seen


def drained(world):
    instance, _ = next(iter(world.instances.items()))
    world.terminate(instance)
    world.settle()
    assert world.executions()[0]["status"] == "SUCCEEDED"


def test_pods_leave_in_waves_and_a_bad_annotation_is_told_on_the_node():
    """CoreDNS still answers while applications shut down; early and late are what the annotation says."""
    with World(workload=waves) as world:
        seen = watched(world)
        drained(world)
        order = [["early"], ["app", "typo"], ["dns"], ["late"]]
        for sooner, later in pairwise(order):
            left = max(seen.index(("gone", name)) for name in sooner)
            assert left < min(seen.index(("leaves", name)) for name in later)
        (recorded,) = [e for e in world.kube.cluster.list("Event") if e["reason"] == "AnnotationIgnored"]
        assert recorded["type"] == "Warning"
        assert recorded["message"] == (
            "default/typo: annotation stepdrain/wave='soon' is not a number from 0 to 9; wave 1 is used"
        )


@pytest.mark.parametrize("asked", ["true", "false"])
def test_daemonsets_leave_last_and_only_where_the_policy_asks(asked):
    """Log shippers and network plug-ins serve the others to the end."""
    with World(workload=waves, parameters={"EvictDaemonSets": asked}) as world:
        seen = watched(world)
        drained(world)
        daemons = [
            k for k, (what, name) in enumerate(seen) if what == "leaves" and name.startswith("aws-node")
        ]
        assert bool(daemons) == (asked == "true")
        assert all(k > seen.index(("gone", "late")) for k in daemons)
