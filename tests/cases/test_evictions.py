"""Evictions that somebody other than a budget refuses, delays or makes impossible."""

import json

import pytest
import urllib3
from stepdrain.adapters.kube import connect_by_kubeconfig
from stepdrain.rules import pods
from stepdrain.rules.budgets import Ledger, parse
from stepdrain.rules.policy import Policy

from stepdrain_cli.planning.plan import plan
from stepdrain_sandbox.aws.deploy import ROOT, translate
from stepdrain_sandbox.clock import RealClock
from stepdrain_sandbox.judgement import broken
from stepdrain_sandbox.kube.callers import PATIENCE
from stepdrain_sandbox.kube.faults import Fault
from stepdrain_sandbox.kube.server import KubeServer
from stepdrain_sandbox.workload import budget, cluster_workload, lone_pod
from stepdrain_sandbox.world import World

WEBHOOK_S = 30
"""The longest that a webhook may take: timeoutSeconds, by default 10.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#timeouts
"""
NO_SCALE = "databases.example.io does not implement the scale subresource"
SYNC_FAILED = {
    "type": "DisruptionAllowed",
    "status": "False",
    "reason": "SyncFailed",
    "message": NO_SCALE,
}
"""The condition that the disruption controller of Kubernetes 1.36.2 left on the budget of such a pod."""


@pytest.mark.parametrize("code", [400, 403, 429, 500])
def test_a_webhook_that_refuses_one_pod_holds_that_pod_only(look, denied, code):
    """An operator moves the pod itself, and until then its webhook refuses: the others need not wait."""
    with World(workload=cluster_workload, tags={"stepdrain:on-timeout": "force"}) as world:
        seen = look(world)
        instance, node = seen.fullest()
        (pod,) = [name for name in seen.pods(node) if name.startswith("nginx")]
        fault = Fault("create", f"/{pod}/eviction", times=-1, status=code, body=denied(code))
        world.kube.faults.add(fault)

        def moved():
            fault.times = 0
            world.kube.cluster.remove("Pod", pod, "default")

        seen.after(300, moved)
        world.terminate(instance)
        world.settle(within_s=5000)
        ((status, outcome, _, took),) = seen.executions()
        assert (status, outcome) == ("SUCCEEDED", "drained")
        assert 300 <= took < 400
        assert pod in seen.events()["PodsBlocked"]
        assert "guard.example.com" in seen.events()["PodsBlocked"]
        assert seen.pods(node) == []


def test_the_client_waits_longer_than_a_webhook_may_take(monkeypatch):
    """The server gives a request up when its client goes away, and failurePolicy Ignore never counts."""
    timeouts = {}
    send = urllib3.PoolManager.request

    def recorded(self, method, url, **options):
        timeouts[method] = float(options["headers"][PATIENCE])
        return send(self, method, url, **options)

    monkeypatch.setattr(urllib3.PoolManager, "request", recorded)
    with World(workload=cluster_workload) as world:
        world.terminate(next(iter(world.instances)))
        world.settle()
    assert timeouts["POST"] > WEBHOOK_S, "evictions"
    assert timeouts["PATCH"] > WEBHOOK_S, "label and cordon"


@pytest.mark.parametrize("state", ["Label", "Cordon", "EvictBatch"])
def test_functions_and_states_outlast_a_webhook(state):
    """An answer that comes after the function's end is lost, and the request is sent again."""
    resources = translate(ROOT / "template.yaml", {"ClusterName": "demo"})["Resources"]
    states = json.loads((ROOT / "statemachine" / "drain_node.asl.json").read_text())["States"]
    assert resources[f"{state}Function"]["Properties"]["Timeout"] > WEBHOOK_S
    assert states[state]["TimeoutSeconds"] > WEBHOOK_S


def agent(node, number, **spec):
    """A pod of a DaemonSet of another API group."""
    owner = {"apiVersion": "apps.example.io/v1alpha1", "kind": "DaemonSet", "name": "net-agent"}
    pod = lone_pod(f"net-agent-{number}", node)
    pod["metadata"] |= {
        "namespace": "kube-system",
        "ownerReferences": [{**owner, "uid": "net-agent-uid", "controller": True}],
    }
    pod["spec"] |= {"terminationGracePeriodSeconds": 5, "tolerations": [{"operator": "Exists"}], **spec}
    return pod


def test_a_daemonset_of_another_api_group_stays(look):
    """Its agent runs on each node and would come back at once."""

    def workload(nodes):
        return [*cluster_workload(nodes), *(agent(node, number) for number, node in enumerate(nodes))]

    with World(workload=workload) as world:
        seen = look(world)
        instance, node = seen.fullest()

        def came_back(change):
            name = change.object["metadata"]["name"]
            if (
                change.type == "DELETED"
                and name.startswith("net-agent")
                and world.kube.cluster.get("Node", node)
            ):
                seen.after(1, lambda: world.kube.cluster.create(agent(node, 100)))

        world.kube.cluster.store.subscribe(came_back)
        world.terminate(instance)
        world.settle()
        assert broken(world) == []
        assert seen.executions()[0][:3] == ("SUCCEEDED", "drained", "")


def test_a_pod_that_its_controller_bound_to_the_node_stays(look):
    """As the DaemonSet controller binds its own: matchFields metadata.name, whatever the owner's kind."""

    def bound(node):
        field = {"key": "metadata.name", "operator": "In", "values": [node]}
        required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
        pod = agent(node, 7, affinity=affinity)
        pod["metadata"]["ownerReferences"][0]["kind"] = "NodeAgent"
        return pod

    with World(workload=cluster_workload) as world:
        instance, node = look(world).fullest()
        world.kube.cluster.create(bound(node))
        world.pass_time(5)
        world.terminate(instance)
        world.settle()
        evicted = [event for event in world.kube.audit_log if event["requestURI"].endswith("/eviction")]
        assert not [event for event in evicted if "net-agent" in event["requestURI"]]


def database(node):
    """A pod whose controller has no scale subresource, and its budget."""
    owner = {"apiVersion": "example.io/v1", "kind": "Database", "name": "db", "uid": "db", "controller": True}
    pod = lone_pod("db-0", node)
    pod["metadata"] |= {"labels": {"app": "db"}, "ownerReferences": [owner]}
    return [pod, budget("default", "db", {"app": "db"}, 1)]


def test_a_budget_that_cannot_be_counted_says_so_itself(look):
    """As recorded from Kubernetes 1.36.2: no observedGeneration, nothing allowed, and the reason why."""
    with World(workload=lambda nodes: database(nodes[0])) as world:
        status = world.kube.cluster.get("PodDisruptionBudget", "db", "default")["status"]
        (condition,) = status.pop("conditions", None) or [{}]
        assert SYNC_FAILED.items() <= condition.items()
        assert status == {
            "currentHealthy": 0,
            "desiredHealthy": 0,
            "disruptionsAllowed": 0,
            "expectedPods": 0,
        }


def test_the_reason_of_a_budget_that_cannot_be_counted_is_shown():
    """`Still being processed` sends somebody to wait for what never happens."""
    pod, made = database("n1")
    pod["metadata"]["uid"] = "u"
    pod["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    counts = {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}
    made["metadata"]["generation"] = 1
    made["status"] = {**counts, "conditions": [SYNC_FAILED]}
    why = Ledger([parse(made)]).obstacle(pods.parse(pod))
    assert NO_SCALE in why
    assert "being processed" not in why


def test_a_plan_says_one_thing_about_one_pod(tmp_path):
    """An unready pod under AlwaysAllow goes at once: nothing waits for its budget."""
    pod, made = lone_pod("w-0", "n1"), budget("default", "w", {"app": "w"}, 0)
    pod["metadata"]["labels"] = {"app": "w"}
    pod["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}
    made["spec"] = {
        "minAvailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": made["spec"]["selector"],
    }
    counts = {"currentHealthy": 0, "desiredHealthy": 1, "disruptionsAllowed": 0, "expectedPods": 1}
    made["status"] = {**counts, "observedGeneration": 1}
    clock = RealClock()
    with KubeServer(clock, kubelet=False, controllers=False) as server:
        server.cluster.load([{"kind": "Node", "metadata": {"name": "n1"}, "spec": {}}, pod, made])
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(server.kubeconfig())
        made_plan = plan(connect_by_kubeconfig(str(kubeconfig)), "n1", Policy())
    clock.close()
    (line,) = made_plan.lines
    assert (line.verdict, made_plan.hazards) == ("evict", ())
