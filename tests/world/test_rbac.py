"""kubernetes/*.yaml is exactly enough: with it drains go well, and without any verb of it some go worse."""

import functools

import pytest

from stepdrain_sandbox.workload import cluster_workload, daemonset, mounting, volume
from stepdrain_sandbox.world import World, rbac_manifests

FORCE = {"OnTimeout": "force", "DrainTimeout": "300"}
CONDITIONS = {"NodeConditions": "true"}


def ordinary(world, _instance, _node):
    """Pods, a DaemonSet, budgets that allow."""


def renamed(world, instance, node):
    """The node has another name than the instance's DNS name."""
    world.kube.cluster.remove("Node", node)
    spec = {"providerID": f"aws:///eu-west-1a/{instance}"}
    world.kube.cluster.create({"kind": "Node", "metadata": {"name": "custom"}, "spec": spec})


def blocked(world, _instance, _node):
    """Budgets that never allow, and a policy that forces."""
    for namespace, name in (("default", "nginx"), ("kube-system", "coredns")):
        world.kube.cluster.change("PodDisruptionBudget", name, namespace, {"spec": {"maxUnavailable": 0}})


def storing(world, _instance, node):
    """A DaemonSet's pod keeps its volume."""
    (pod,) = [one for one in daemonset("cache", [node]) if one["kind"] == "Pod"]
    for manifest in volume("cache"):
        world.kube.cluster.create(manifest)
    here = {**pod, "metadata": {**pod["metadata"], "namespace": "default"}}
    world.kube.cluster.create({**daemonset_of("cache"), "metadata": {"name": "cache"}})
    world.kube.cluster.create(mounting(here, "cache"))
    world.pass_time(5)


def daemonset_of(name):
    return next(iter(daemonset(name, [])))


SCENARIOS = {
    "storing": (storing, {}),
    "ordinary": (ordinary, CONDITIONS),
    "renamed": (renamed, {}),
    "blocked": (blocked, FORCE),
}


def verbs(manifests):
    """Each (manifest, rule, verb) by its place."""
    return [
        (at, number, verb)
        for at, one in enumerate(manifests)
        for number, rule in enumerate(one.get("rules", ()))
        for verb in rule["verbs"]
    ]


def named(place):
    """The rule's verb and resources, for the test's name."""
    at, number, verb = place
    return f"{verb} {','.join(rbac_manifests(CONDITIONS)[at]['rules'][number]['resources'])}"


def without(place):
    """All manifests, less one verb of one rule."""
    at, number, verb = place
    manifests = rbac_manifests(CONDITIONS)
    manifests[at]["rules"][number]["verbs"].remove(verb)
    return manifests


def played(scenario, rbac):
    """What came of a drain: how it ended, and what the Node told of it."""
    prepare, parameters = SCENARIOS[scenario]
    with World(workload=cluster_workload, parameters=parameters, rbac=rbac) as world:
        instance, node = next(iter(world.instances.items()))
        prepare(world, instance, node)
        world.terminate(instance)
        world.settle(3600, every_s=20)
        (execution,) = world.executions()
        forbidden = [e for e in world.kube.audit_log if e["responseStatus"]["code"] == 403]
        told = {event["reason"] for event in world.kube.cluster.list("Event")}
        return execution["status"], execution.get("error"), frozenset(told), len(forbidden)


@functools.cache
def rightly(scenario):
    """The same with the manifests as they are."""
    return played(scenario, rbac_manifests(CONDITIONS))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_manifests_are_enough(scenario):
    """Nothing is forbidden, and the drain succeeds."""
    status, error, told, forbidden = rightly(scenario)
    assert (status, error, forbidden) == ("SUCCEEDED", None, 0)
    assert {"DrainStarted", "Drained"} <= told


@pytest.mark.parametrize("place", verbs(rbac_manifests(CONDITIONS)), ids=named)
def test_no_verb_can_be_left_out(place):
    """A verb that is never missed is one to take away."""
    rbac = without(place)
    assert any(played(scenario, rbac) != rightly(scenario) for scenario in SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_drain_with_the_same_verbs_goes_the_same_way(scenario):
    """Else the test above would pass for a verb that nobody needs."""
    assert played(scenario, rbac_manifests(CONDITIONS)) == rightly(scenario)
