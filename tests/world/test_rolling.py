"""Workloads that no budget lets go are rolled: whole drains, judged with everything else."""

import json

import pytest
from stepdrain.adapters.kube import connect_by_kubeconfig
from stepdrain.rules.policy import Policy

from stepdrain_cli.planning.plan import plan
from stepdrain_sandbox.judgement import broken
from stepdrain_sandbox.workload import deployment, singleton_budget
from stepdrain_sandbox.world import World

LABELS = {"app": "web"}


class Rolled(World):
    """A world whose Deployment `web` has its pods where a test wants them."""

    def __init__(self, policy="blocked", nodes=3, **parameters):
        super().__init__(nodes=nodes, parameters={"RollBlocked": policy, **parameters})

    def run_on(self, count, *manifests):
        """Have ``manifests`` run on the first ``count`` nodes; their instances."""
        closed = list(self.instances.values())[count:]
        self.cordon(closed)
        self.kube.cluster.load(manifests)
        self.pass_time(8)
        self.cordon(closed, to=False)
        self.pass_time(1)
        return list(self.instances)[:count]

    def cordon(self, nodes, *, to=True):
        for name in nodes:
            self.kube.cluster.change("Node", name, "", {"spec": {"unschedulable": to}})

    def patches(self):
        """Statuses of the answers to our PATCHes of Deployments."""
        return [
            event["responseStatus"]["code"]
            for event in self.kube.audit_log
            if event["verb"] == "patch" and event["objectRef"]["resource"] == "deployments"
        ]

    def evicted(self):
        return [e for e in self.kube.audit_log if e["objectRef"].get("subresource") == "eviction"]

    def reasons(self):
        return [event["reason"] for event in self.kube.cluster.list("Event")]


def web(replicas=1, **options):
    return deployment("default", "web", LABELS, replicas, 4, ready_after_s=3, **options)


def held(replicas=1):
    return singleton_budget("default", "web", LABELS, replicas)


@pytest.mark.parametrize(
    ("policy", "manifests"),
    [("blocked", [web(), held()]), ("singletons", [web()]), ("blocked", [web(3), held(3)])],
    ids=["a budget for ever", "an only pod", "three of three"],
)
def test_a_drain_rolls_what_it_could_not_evict(policy, manifests):
    """G10 A workload that is rolled instead of evicted never falls below its budget because of us.

    The whole drain takes seconds, and nothing is evicted.
    """
    with Rolled(policy) as world:
        seen = []
        world.kube.cluster.store.subscribe(
            lambda change: (
                seen.append(change.object["status"].get("availableReplicas", 0))
                if change.resource.kind == "Deployment" and change.object.get("status")
                else None
            )
        )
        (instance,) = world.run_on(1, *manifests)
        del seen[:]
        world.terminate(instance)
        world.settle(300)
        assert [execution["status"] for execution in world.executions()] == ["SUCCEEDED"]
        assert world.patches() == [200]
        assert world.evicted() == []
        assert min(seen) == manifests[0]["spec"]["replicas"]
        assert {"WorkloadsRolled", "Drained"} <= set(world.reasons())
        assert broken(world) == []


def test_nodes_of_one_burst_roll_a_deployment_once():
    """Whoever comes second sees old pods of a rollout that moves, and waits for it."""
    with Rolled(nodes=5) as world:
        instances = world.run_on(3, web(3), held(3))
        for instance in instances:
            world.terminate(instance)
        world.settle(600)
        assert [execution["status"] for execution in world.executions()] == ["SUCCEEDED"] * 3
        assert world.patches().count(200) == 1
        assert world.evicted() == []
        assert broken(world) == []


def test_without_room_the_pod_is_held_and_the_failure_quotes_the_scheduler():
    """The old pod stays Ready; whoever is called reads why, makes room, and redrives."""
    with Rolled(DrainTimeout="300") as world:
        (instance,) = world.run_on(1, web(), held())
        world.cordon(list(world.instances.values())[1:])
        world.terminate(instance)
        world.settle(900)
        (execution,) = world.executions()
        assert (execution["status"], execution["error"]) == ("FAILED", "DrainTimedOut")
        (message,) = world.aws.messages()
        for said in (execution["cause"], message["Message"]):
            assert "Deployment web is being rolled; its new pod web-" in said
            assert "0/3 nodes are available: 3 node(s) were unschedulable" in said
        assert "PodsBlocked" in world.reasons()
        world.cordon(list(world.instances.values())[1:], to=False)
        world.redrive(execution["executionArn"])
        world.settle(600)
        assert world.executions()[0]["status"] == "SUCCEEDED"
        assert (world.patches(), world.evicted(), broken(world)) == ([200], [], [])


@pytest.mark.parametrize(("on_timeout", "deleted"), [("force", True), ("continue", False)])
def test_the_deadline_applies_as_to_any_held_pod(on_timeout, deleted):
    """A rollout that does not end holds no drain for ever."""
    with Rolled(DrainTimeout="300", OnTimeout=on_timeout) as world:
        (instance,) = world.run_on(1, web(), held())
        world.cordon(list(world.instances.values())[1:])
        world.terminate(instance)
        world.settle(900)
        (execution,) = world.executions()
        assert execution["status"] == "SUCCEEDED"
        completed = json.loads(execution["output"])["completed"]
        assert completed["outcome"] == ("drained" if deleted else "released")
        assert "default/web-" in completed["reason"]
        deletions = [e for e in world.kube.audit_log if e["verb"] == "delete" and "web-" in e["requestURI"]]
        assert bool(deletions) is deleted


def paused(world):
    world.kube.cluster.change("Deployment", "web", "default", {"spec": {"paused": True}})


def scaled_to_zero(world):
    world.kube.cluster.change("Deployment", "web", "default", {"spec": {"replicas": 0}})


def scaled_out(world):
    world.kube.cluster.change("Deployment", "web", "default", {"spec": {"replicas": 4}})


def deleted(world):
    world.kube.cluster.remove("Deployment", "web", "default")


def without_budget(world):
    world.kube.cluster.remove("PodDisruptionBudget", "web", "default")


def twice_budgeted(world):
    world.kube.cluster.create(singleton_budget("default", "too", LABELS))


def changed(world):
    template = {"metadata": {"annotations": {"version": "2"}}}
    world.kube.cluster.change("Deployment", "web", "default", {"spec": {"template": template}})


@pytest.mark.parametrize(
    "meanwhile",
    [scaled_to_zero, scaled_out, deleted, without_budget, twice_budgeted, changed],
    ids=lambda function: function.__name__,
)
def test_whatever_becomes_of_a_deployment_while_it_is_rolled_the_drain_ends(meanwhile):
    """Somebody else owns it, and may do with it as they like."""
    with Rolled() as world:
        (instance,) = world.run_on(1, web(), held())
        world.cordon(list(world.instances.values())[1:])
        world.terminate(instance)
        world.pass_time(40)
        assert world.patches() == [200]
        meanwhile(world)
        world.pass_time(5)
        world.cordon(list(world.instances.values())[1:], to=False)
        world.settle(600)
        assert [execution["status"] for execution in world.executions()] == ["SUCCEEDED"]
        assert world.patches() == [200]
        assert world.evicted() == []
        # Budgets fall when their owner ends his pods himself.
        assert meanwhile in (scaled_to_zero, deleted) or broken(world) == []


def test_a_deployment_that_is_paused_while_it_is_rolled_says_so():
    """Nothing happens until somebody resumes it."""
    with Rolled() as world:
        (instance,) = world.run_on(1, web(), held())
        world.cordon(list(world.instances.values())[1:])
        world.terminate(instance)
        world.pass_time(20)
        paused(world)
        world.cordon(list(world.instances.values())[1:], to=False)
        world.pass_time(200)
        (execution,) = world.executions()
        said = str(world.history(execution["executionArn"]))
        assert "Deployment web cannot be rolled: it is paused" in said
        world.kube.cluster.change("Deployment", "web", "default", {"spec": {"paused": False}})
        world.settle(900)
        assert world.executions()[0]["status"] == "SUCCEEDED"
        assert broken(world) == []


def test_a_plan_says_what_would_be_rolled_and_why(tmp_path):
    """By the drain's own judgement; it changes nothing, and does not warn of a budget that is gone round."""
    with Rolled() as world:
        world.run_on(1, web(), held())
        (tmp_path / "kubeconfig").write_text(world.kube.kubeconfig())
        cluster = connect_by_kubeconfig(str(tmp_path / "kubeconfig"))
        node = next(iter(world.instances.values()))
        (line,) = plan(cluster, node, Policy(roll="blocked")).lines
        reason = "would roll Deployment web, 1 pod, because budget web can never allow its eviction"
        assert (line.verdict, line.reason) == ("roll", reason)
        found = plan(cluster, node, Policy(roll="blocked"))
        assert not [hazard for hazard in found.hazards if "budget" in str(hazard)]
        paused(world)
        world.pass_time(1)
        (line,) = plan(cluster, node, Policy(roll="blocked")).lines
        assert (line.verdict, line.reason) == ("blocked", "Deployment web cannot be rolled: it is paused")
        (line,) = plan(cluster, node, Policy()).lines
        assert line.reason == "disruption budget web needs 1 healthy pod and has 1"
        assert world.patches() == []
