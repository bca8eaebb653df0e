"""kubernetes/*.yaml and the access entries are exactly enough, function by function.

With them drains and arrivals go well; without any verb of a role, or any group of a function, some go worse.
"""

import contextlib
import functools
from dataclasses import dataclass, field

import pytest

from stepdrain_sandbox.aws.lifecycle_hooks import LAUNCHING, TERMINATING
from stepdrain_sandbox.workload import (
    cluster_workload,
    daemonset,
    deployment,
    lone_pod,
    mounting,
    singleton_budget,
    volume,
)
from stepdrain_sandbox.world import CLUSTER, World, rbac_manifests
from tests.shards import sampled
from tests.template.stack import Stack

pytestmark = pytest.mark.xdist_group("rbac")  # All compare with what ``rightly`` has played.
EVERYTHING = {"NodeConditions": "true"}
"""Parameters with which each file of kubernetes/ is applied."""
ROLLING = {"RollBlocked": "blocked", **EVERYTHING}
"""The same, for the drains that use kubernetes/roll.yaml as well."""
FORCE = {"OnTimeout": "force", "DrainTimeout": "300"}


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


def rolling(world, _instance, node):
    """The only pod of a Deployment, whose budget can never let it go, runs on the node."""
    others = [name for name in world.instances.values() if name != node]
    for name in others:
        world.kube.cluster.change("Node", name, "", {"spec": {"unschedulable": True}})
    labels = {"app": "single"}
    world.kube.cluster.load(
        [deployment("default", "single", labels, 1, 4), singleton_budget("default", "single", labels)]
    )
    world.pass_time(5)
    for name in others:
        world.kube.cluster.change("Node", name, "", {"spec": {"unschedulable": False}})


def storing(world, _instance, node):
    """A DaemonSet's pod keeps its volume, and that of another pod is detached some time after it."""
    (pod,) = [manifest for manifest in daemonset("cache", [node]) if manifest["kind"] == "Pod"]
    for manifest in [*volume("cache"), *volume("data")]:
        world.kube.cluster.create(manifest)
    world.kube.cluster.create(mounting(lone_pod("db", node), "data"))
    here = {**pod, "metadata": {**pod["metadata"], "namespace": "default"}}
    world.kube.cluster.create({**daemonset_of("cache"), "metadata": {"name": "cache"}})
    world.kube.cluster.create(mounting(here, "cache"))
    world.pass_time(5)


def daemonset_of(name):
    return next(iter(daemonset(name, [])))


def balanced(world, _instance, _node):
    """Load balancers hold the instance longer than its pods."""
    world.balancers.target_group("web", world.instances, 60)
    world.balancers.classic("a1b2c3", world.instances, 60, CLUSTER)


def refused(world, _instance, node):
    """The policy forbids an eviction: the drain fails, and somebody is notified."""
    world.kube.cluster.create(lone_pod("lone", node))
    world.pass_time(5)


def redriven(world, instance, node):
    """What failed goes on when its cause is gone."""
    refused(world, instance, node)
    world.terminate(instance)
    world.settle()
    world.kube.cluster.remove("Pod", "lone", "default")
    world.redrive(world.executions()[0]["executionArn"])


def returning(world, _instance, _node):
    """An instance is launched, and joins after a minute. Another comes back from the warm pool with marks."""
    world.add_launch_hook()
    world.scale_out()
    world.settle(machine="AdmitNode")
    other = list(world.instances)[1]
    world.aws.hooks.hold(other, TERMINATING, "AutoScalingGroup", "WarmPool")
    world.settle()
    world.aws.hooks.hold(other, LAUNCHING, "WarmPool", "AutoScalingGroup")
    world.settle(machine="AdmitNode")


SCENARIOS = {
    "storing": (storing, {}),
    "ordinary": (ordinary, {}),
    "renamed": (renamed, {}),
    "blocked": (blocked, FORCE),
    "balanced": (balanced, EVERYTHING),
    "refused": (refused, {"EvictUnmanaged": "false", **EVERYTHING}),
    "redriven": (redriven, {"EvictUnmanaged": "false", **EVERYTHING}),
    "returning": (returning, EVERYTHING),
    "rolling": (rolling, ROLLING),
    # Whichever waits last says that the drain is done.
    "until the volumes": (storing, {"WaitForTargets": "off", **EVERYTHING}),
    "until the pods": (ordinary, {"WaitForTargets": "off", "WaitForVolumes": "false", **EVERYTHING}),
}
FAIL = {"refused"}


def verbs(manifests):
    """Each (manifest, rule, verb) by its place."""
    return [
        (at, number, verb)
        for at, manifest in enumerate(manifests)
        for number, rule in enumerate(manifest.get("rules", ()))
        for verb in rule["verbs"]
    ]


def named(place):
    """The rule's verb and resources, for the test's name."""
    at, number, verb = place
    return f"{verb} {','.join(rbac_manifests(ROLLING)[at]['rules'][number]['resources'])}"


def without(place):
    """All manifests, less one verb of one rule."""
    at, number, verb = place
    manifests = rbac_manifests(ROLLING)
    manifests[at]["rules"][number]["verbs"].remove(verb)
    return manifests


def memberships():
    """Each (function, group) of the access entries, where everything optional is there."""
    entries = Stack(**EVERYTHING).of_type("AWS::EKS::AccessEntry")
    return [
        (f"{name.removesuffix('Access')}Function", group)
        for name, entry in entries.items()
        for group in entry["KubernetesGroups"]
    ]


@dataclass(frozen=True)
class Outcome:
    """What came of a scenario; everything but ``used`` has to be the same each time."""

    ended: tuple[tuple[str, str | None], ...]
    recorded: frozenset[str]
    """Reasons of the Events."""
    forbidden: int
    nodes: tuple[tuple[bool, frozenset[str], frozenset[str]], ...]
    """Of each node that is left: whether it is cordoned, its annotations' keys, its conditions' reasons."""
    used: frozenset[tuple[str, str, str]] = field(compare=False)
    """(function, verb, resource) of each request."""


def played(scenario, rbac, left_out=None):
    """What comes of a drain, and of what goes before it."""
    prepare, parameters = SCENARIOS[scenario]
    with World(workload=cluster_workload, parameters=parameters, rbac=rbac) as world:
        if left_out:
            world.leave_out(*left_out)
        instance, node = next(iter(world.instances.items()))
        # A function that lacks a right may keep what comes before from ever coming to an end.
        with contextlib.suppress(AssertionError):
            prepare(world, instance, node)
            if instance not in world.terminated:
                world.terminate(instance)
            world.settle(3600, every_s=20)
        world.pass_time(5)
        return outcome(world)


def outcome(world):
    """The state of the world."""
    executions = [*world.executions(), *world.executions("AdmitNode")]
    nodes = [
        (
            bool(node["spec"].get("unschedulable")),
            frozenset(node["metadata"].get("annotations") or {}),
            frozenset(condition.get("reason", "") for condition in node["status"].get("conditions", ())),
        )
        for node in world.kube.cluster.list("Node")
    ]
    return Outcome(
        tuple((execution["status"], execution.get("error")) for execution in executions),
        frozenset(event["reason"] for event in world.kube.cluster.list("Event")),
        len([e for e in world.kube.audit_log if e["responseStatus"]["code"] == 403]),
        tuple(sorted(nodes, key=repr)),
        frozenset(filter(None, map(use, world.kube.audit_log))),
    )


def use(event):
    """(function, verb, resource) of a request in the audit log; None if it is nobody's of ours."""
    name, reference = event["user"]["username"], event["objectRef"]
    if not name.startswith("stepdrain:"):
        return None
    parts = filter(None, (reference["resource"], reference.get("subresource")))
    return name.removeprefix("stepdrain:stepdrain-"), event["verb"], "/".join(parts)


@functools.cache
def rightly(scenario):
    """The same with the manifests and entries as they are."""
    return played(scenario, rbac_manifests(ROLLING))


def using(rights, function=None):
    """The scenarios in which one of these (verb, resource) is used, by that function if one is given."""
    return [
        name
        for name in SCENARIOS
        if any(used[1:] in rights and function in (None, used[0]) for used in rightly(name).used)
    ]


def rights_of(group):
    """(verb, resource) of everything that the group's role grants."""
    (role,) = [
        manifest
        for manifest in rbac_manifests(ROLLING)
        if manifest["metadata"]["name"] == group and "rules" in manifest
    ]
    return {
        (verb, resource) for rule in role["rules"] for verb in rule["verbs"] for resource in rule["resources"]
    }


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_manifests_are_enough(scenario):
    """Nothing is forbidden, and the drain ends as it should."""
    found = rightly(scenario)
    assert found.forbidden == 0
    expected = ("FAILED", "DrainRefused") if scenario in FAIL else ("SUCCEEDED", None)
    assert set(found.ended) == {expected}
    assert ("DrainFailed" if scenario in FAIL else "Drained") in found.recorded


@pytest.mark.parametrize(
    "place", sampled([(place,) for place in verbs(rbac_manifests(ROLLING))], 0, every=3), ids=named
)
def test_no_verb_can_be_left_out(place):
    """A verb that is never missed is one to take away."""
    at, number, verb = place
    rule = rbac_manifests(ROLLING)[at]["rules"][number]
    rights = {(verb, resource) for resource in rule["resources"]}
    assert any(played(name, without(place)) != rightly(name) for name in using(rights))


@pytest.mark.parametrize(("function", "group"), sampled(memberships(), 0, 1, every=3))
def test_no_group_of_a_function_can_be_left_out(function, group):
    """Each entry has only what its function uses: whoever gets hold of a role gets that and no more."""
    rbac = rbac_manifests(ROLLING)
    names = using(rights_of(group), function)
    assert any(played(name, rbac, (function, group)) != rightly(name) for name in names)


@pytest.mark.parametrize("scenario", sampled([(name,) for name in SCENARIOS], 0, every=4))
def test_a_drain_with_the_same_verbs_goes_the_same_way(scenario):
    """Else the tests above would pass for a verb or a group that nobody needs."""
    assert played(scenario, rbac_manifests(ROLLING)) == rightly(scenario)


def test_without_the_file_for_force_a_forced_drain_fails_and_no_other():
    """A cluster that allows no deletion says so where one would have happened."""
    rbac = rbac_manifests({**ROLLING, "AllowForce": "false"})
    assert played("ordinary", rbac) == rightly("ordinary")
    assert played("blocked", rbac).ended == (("FAILED", "KubeForbidden"),)


def test_without_the_rights_to_watch_drains_poll_and_say_so():
    """A cluster whose manifests are a version older: no drain fails for that."""
    rbac = rbac_manifests(ROLLING)
    for manifest in rbac:
        for rule in manifest.get("rules", ()):
            rule["verbs"] = [verb for verb in rule["verbs"] if verb != "watch"]

    def slowly(nodes):
        return cluster_workload(nodes, grace_s=60)

    with World(workload=slowly, rbac=rbac) as world:
        world.terminate(next(iter(world.instances)))
        world.settle()
        assert [execution["status"] for execution in world.executions()] == ["SUCCEEDED"]
        (said,) = [e["message"] for e in world.kube.cluster.list("Event") if e["reason"] == "WatchDenied"]
        assert "cannot watch resource" in said
        assert "Apply kubernetes/rbac.yaml" in said
