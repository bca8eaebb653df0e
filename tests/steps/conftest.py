"""The real handlers against an embedded cluster, or against the whole world where a step talks to AWS.

Servers and worlds live for a module; each test makes a node or takes an instance of its own.
"""

import itertools

import pytest
from stepdrain import clock as drain_clock

from stepdrain_sandbox.clock import VirtualClock
from stepdrain_sandbox.kube.rbac import User
from stepdrain_sandbox.kube.server import KubeServer
from stepdrain_sandbox.workload import cluster_workload, lone_pod
from stepdrain_sandbox.world import World, everybody, rbac_manifests
from tests.steps.contexts import context_time

NUMBERS = itertools.count()


class Cluster:
    """A cluster on a virtual clock, as the tests of the Kubernetes steps use it."""

    def __init__(self, server):
        self.server, self.clock = server, server.clock
        self.get, self.create, self.change = server.cluster.get, server.cluster.create, server.cluster.change
        self.remove, self.list = server.cluster.remove, server.cluster.list
        self._acting = False

    def as_actor(self, action):
        """Run ``action`` so that time passes only while it waits."""
        if self._acting:
            return action()
        self._acting = True
        self.clock.enter()
        callers = self.server.callers
        try:
            # Both watches of a handler are one caller's: it is busy as soon as either has news.
            with callers.marking(), callers.invocation():
                return action()
        finally:
            self.clock.leave()
            self._acting = False

    def pass_time(self, seconds):
        """Let time pass, with all that happens in it."""
        self.as_actor(lambda: self.clock.sleep(seconds))

    def asked(self, since=0):
        """Verb, resource with subresource, and status of each request of ours."""
        return [
            (
                event["verb"],
                "/".join(
                    filter(None, (event["objectRef"]["resource"], event["objectRef"].get("subresource")))
                ),
                event["responseStatus"]["code"],
            )
            for event in self.server.audit_log[since:]
            if event["userAgent"].startswith("stepdrain/")
        ]

    def recorded(self, node):
        """Reasons of the node's Events."""
        return [e["reason"] for e in self.list("Event") if e["involvedObject"]["name"] == node]

    def pod(self, node, name="web", **changes):
        """A running pod of a ReplicaSet on the node, in a namespace called like the node."""
        pod = lone_pod(name, node)
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d9", "uid": "u"}
        pod["metadata"] |= {
            "namespace": node,
            "labels": {"app": name},
            "ownerReferences": [{**owner, "controller": True}],
            **changes.pop("metadata", {}),
        }
        pod["spec"] |= changes.pop("spec", {})
        pod["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        self.server.cluster.load([pod])
        return self.get("Pod", name, node)


@pytest.fixture(scope="module")
def server():
    """One cluster for a module's tests, with the permissions that an installation has."""
    clock = VirtualClock()
    manifests = rbac_manifests({"RollBlocked": "blocked"})
    users = {"installed": everybody("stepdrain", manifests), "powerless": User("powerless")}
    with KubeServer(clock, users=users) as server:
        server.cluster.load(manifests)
        yield server
    clock.close()


@pytest.fixture
def cluster(server, monkeypatch, tmp_path):
    """The cluster, with the handlers pointed to it by a kubeconfig of the installation's user."""
    path = tmp_path / "kubeconfig"
    path.write_text(server.kubeconfig("installed"))
    monkeypatch.setenv("STEPDRAIN_KUBECONFIG", str(path))
    monkeypatch.setattr(drain_clock, "source", server.clock.now)
    cluster = Cluster(server)
    monkeypatch.setattr(drain_clock, "sleeper", cluster.pass_time)
    server.audit_log.clear()
    server.faults.clear()
    return cluster


@pytest.fixture
def powerless(cluster, server, monkeypatch, tmp_path):
    """From now on the handlers are somebody without any permission."""
    path = tmp_path / "powerless"
    path.write_text(server.kubeconfig("powerless"))
    monkeypatch.setenv("STEPDRAIN_KUBECONFIG", str(path))


@pytest.fixture
def node(cluster):
    """Name of a Node of the test's own."""
    name = f"n{next(NUMBERS)}"
    cluster.create({"kind": "Node", "metadata": {"name": name}, "spec": {}})
    cluster.pass_time(1)
    return name


@pytest.fixture
def payload(cluster, node):
    """Makes what the state machine sends to a step behind FindNode."""

    def make(attempt=0, **drain):
        now = context_time(cluster.clock.now())
        found = cluster.get("Node", node)
        return {
            "execution": {"StartTime": now, "Name": f"drain-of-{node}"},
            "state": {"EnteredTime": now, "RetryCount": attempt, "Name": "X"},
            "waitSeconds": 20,
            "drain": {
                "nodeName": node,
                "cluster": "demo",
                "node": {"name": node, "uid": found["metadata"]["uid"]},
                **drain,
            },
        }

    return make


@pytest.fixture(scope="module")
def world():
    """One world for a module's tests; no event and no sweep starts a drain, so that only the test acts."""
    with World(nodes=16, workload=lambda nodes: cluster_workload(nodes, replicas=1)) as world:
        world.aws.hooks.send = lambda _event: None
        world.aws.schedules.stop()
        yield world


@pytest.fixture
def instance(world):
    """An instance that no test has touched."""
    untouched = [instance for instance in world.instances if world.lifecycle_state(instance) == "InService"]
    return untouched[0]


@pytest.fixture
def held(world, instance):
    """An instance in Terminating:Wait and its document: (instance id, document)."""
    world.terminate(instance)
    (action,) = [action for action in world.aws.hooks.active if action.instance_id == instance]
    lifecycle = {"group": "workers", "hook": "stepdrain", "token": action.token}
    timeouts = {"heartbeatTimeout": 1800, "globalTimeout": 172_800}
    return instance, {"instanceId": instance, "cluster": "demo", "lifecycle": {**lifecycle, **timeouts}}


@pytest.fixture
def step(world):
    """Makes a payload from a document."""

    def make(document, attempt=0, **drain):
        now = context_time(world.clock.now())
        return {
            "execution": {"StartTime": now, "Name": "e"},
            "state": {"EnteredTime": now, "RetryCount": attempt, "Name": "X"},
            "waitSeconds": 0,
            "drain": {**document, **drain},
        }

    return make
