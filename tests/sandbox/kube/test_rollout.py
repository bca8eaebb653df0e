"""Rollouts as a real control plane was recorded to make them (v1.36.2), step by step.

Pods are Ready three seconds after they are bound, their grace is four; one replica, a budget of
minAvailable 1, and the node of the pod is cordoned.
"""

import pytest

from stepdrain_sandbox.kube import rollout
from stepdrain_sandbox.workload import deployment, lone_pod, singleton_budget, stateful_set

LABELS = {"app": "web"}
PATH = "/apis/apps/v1/namespaces/default/deployments/web"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
SURGELESS = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


def restart(at="2026-01-01T00:00:00Z"):
    """The PATCH of kubectl rollout restart."""
    return {"spec": {"template": {"metadata": {"annotations": {RESTARTED: at}}}}}


def start(kube, **options):
    """Three nodes, and the Deployment "web" running on one, which is cordoned; its pod's name."""
    for name in ("m", "o"):
        kube.cluster.create({"kind": "Node", "metadata": {"name": name}, "spec": {}})
    kube.clock.sleep(1)
    web = deployment("default", "web", LABELS, 1, 4, ready_after_s=3, **options)
    kube.cluster.load([web, singleton_budget("default", "web", LABELS)])
    kube.clock.sleep(5)
    (pod,) = kube.cluster.list("Pod")
    kube.cluster.change("Node", pod["spec"]["nodeName"], "", {"spec": {"unschedulable": True}})
    return pod["metadata"]["name"]


def pods(kube, old):
    """What is there: (old or new, phase, Ready, terminating), the old one first."""
    shown = []
    for pod in kube.cluster.list("Pod"):
        ready = any(
            c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ())
        )
        age = "old" if pod["metadata"]["name"] == old else "new"
        ends = pod["metadata"].get("deletionGracePeriodSeconds")
        shown.append((age, pod["status"]["phase"], ready, ends))
    return sorted(shown, key=lambda pod: pod[0] == "new")


def counts(kube, *names):
    status = kube.cluster.get("Deployment", "web")["status"]
    return tuple(status.get(name) for name in names)


def reason(kube, kind="Progressing"):
    conditions = kube.cluster.get("Deployment", "web")["status"]["conditions"]
    return next(
        (condition["status"], condition["reason"]) for condition in conditions if condition["type"] == kind
    )


def budget_of(kube):
    status = kube.cluster.get("PodDisruptionBudget", "web")["status"]
    return tuple(
        status[name] for name in ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
    )


def test_one_replica_behind_its_budget_is_rolled_without_a_gap(kube, api):
    """The recorded table, row by row: nobody asks the budget, and it is never below its number."""
    old = start(kube)
    assert api.evict(old)[0] == 429
    assert budget_of(kube) == (0, 1, 1, 1)
    assert reason(kube) == ("True", "NewReplicaSetAvailable")
    assert api("PATCH", PATH, restart())[0] == 200

    kube.clock.sleep(0.1)
    assert pods(kube, old) == [("old", "Running", True, None), ("new", "Pending", False, None)]
    assert kube.cluster.get("Deployment", "web")["metadata"]["generation"] == 2
    status = ("observedGeneration", "updatedReplicas", "replicas", "availableReplicas", "unavailableReplicas")
    assert counts(kube, *status) == (2, 1, 2, 1, 1)
    assert budget_of(kube) == (0, 1, 1, 2)

    kube.clock.sleep(3.2)
    assert pods(kube, old) == [("old", "Running", True, 4), ("new", "Running", True, None)]
    assert counts(kube, "updatedReplicas", "replicas", "availableReplicas", "terminatingReplicas") == (
        1,
        1,
        1,
        1,
    )
    assert budget_of(kube) == (0, 1, 1, 2)

    kube.clock.sleep(3.8)
    assert pods(kube, old) == [("new", "Running", True, None)]
    assert counts(kube, "terminatingReplicas", "unavailableReplicas") == (0, None)
    assert reason(kube) == ("True", "NewReplicaSetAvailable")
    assert budget_of(kube) == (0, 1, 1, 1)


def test_the_same_restart_again_changes_nothing(kube, api):
    """A second attempt with the same value rolls nothing: generation and version stay."""
    start(kube)
    api("PATCH", PATH, restart())
    kube.clock.sleep(10)
    before = kube.cluster.get("Deployment", "web")
    assert api("PATCH", PATH, restart())[0] == 200
    kube.clock.sleep(10)
    assert kube.cluster.get("Deployment", "web") is before
    assert len(kube.cluster.list("ReplicaSet")) == 2


def test_a_new_pod_that_fits_nowhere_leaves_the_old_one_alone(kube, api):
    """It stays Pending with the scheduler's sentence, and the rollout exceeds its deadline."""
    old = start(kube, progressDeadlineSeconds=60)
    for node in ("m", "n", "o"):
        kube.cluster.change("Node", node, "", {"spec": {"unschedulable": True}})
    api("PATCH", PATH, restart())
    kube.clock.sleep(59)
    assert pods(kube, old) == [("old", "Running", True, None), ("new", "Pending", False, None)]
    assert reason(kube) == ("True", "ReplicaSetUpdated")
    (new,) = [pod for pod in kube.cluster.list("Pod") if pod["metadata"]["name"] != old]
    (scheduled,) = new["status"]["conditions"]
    assert (scheduled["type"], scheduled["status"], scheduled["reason"]) == (
        "PodScheduled",
        "False",
        "Unschedulable",
    )
    assert scheduled["message"].startswith(
        "0/3 nodes are available: 3 node(s) were unschedulable. preemption:"
    )
    kube.clock.sleep(2)
    assert reason(kube) == ("False", "ProgressDeadlineExceeded")
    assert reason(kube, "Available") == ("True", "MinimumReplicasAvailable")
    kube.cluster.change("Node", "m", "", {"spec": {"unschedulable": None}})
    kube.clock.sleep(10)
    assert pods(kube, old) == [("new", "Running", True, None)]
    assert reason(kube) == ("True", "NewReplicaSetAvailable")


@pytest.mark.parametrize("strategy", [{"type": "Recreate"}, SURGELESS], ids=["Recreate", "maxSurge 0"])
def test_without_a_surge_the_old_pod_ends_first(kube, api, strategy):
    """An outage, below the budget: why such a Deployment must not be rolled for a drain."""
    old = start(kube, strategy=strategy)
    api("PATCH", PATH, restart())
    kube.clock.sleep(0.1)
    recreated = strategy["type"] == "Recreate"
    there = pods(kube, old)
    assert there[0] == ("old", "Running", True, 4)
    assert len(there) == (1 if recreated else 2)
    assert budget_of(kube)[:3] == (0, 0, 1)
    kube.clock.sleep(4)
    assert pods(kube, old)[0][0] == "new"
    kube.clock.sleep(4)
    assert pods(kube, old) == [("new", "Running", True, None)]


def test_a_paused_deployment_does_nothing_until_it_is_resumed(kube, api):
    """Its condition says so."""
    old = start(kube)
    kube.cluster.change("Deployment", "web", "default", {"spec": {"paused": True}})
    api("PATCH", PATH, restart())
    kube.clock.sleep(20)
    assert pods(kube, old) == [("old", "Running", True, None)]
    assert reason(kube) == ("Unknown", "DeploymentPaused")
    kube.cluster.change("Deployment", "web", "default", {"spec": {"paused": None}})
    kube.clock.sleep(20)
    assert pods(kube, old) == [("new", "Running", True, None)]


def test_many_replicas_are_never_fewer_than_may_be_missing(kube, api):
    """Ten replicas, 25 % and 25 %: at most 13 pods, and never fewer than 8 available."""
    web = deployment("default", "web", LABELS, 10, 4, ready_after_s=3)
    kube.cluster.load([web])
    kube.clock.sleep(5)
    seen = []

    def see(change):
        if change.resource.plural == "deployments":
            seen.append(change.object["status"])

    kube.cluster.store.subscribe(see)
    api("PATCH", PATH, restart())
    kube.clock.sleep(60)
    assert rollout.complete(kube.cluster.get("Deployment", "web"), seen[-1])
    assert min(status.get("availableReplicas", 0) for status in seen) == 8
    assert max(status["replicas"] for status in seen) <= 13
    assert counts(kube, "replicas", "updatedReplicas", "availableReplicas") == (10, 10, 10)


@pytest.mark.parametrize(
    ("replicas", "rolling", "surge", "unavailable"),
    [
        (1, {}, 1, 0),
        (3, {}, 1, 0),
        (4, {}, 1, 1),
        (10, {}, 3, 2),
        (1, {"maxSurge": 0, "maxUnavailable": 0}, 0, 1),
        (1, {"maxSurge": "0%", "maxUnavailable": "99%"}, 0, 1),
        (3, {"maxSurge": 2, "maxUnavailable": 9}, 2, 3),
    ],
)
def test_percentages_are_rounded_as_the_controller_does(replicas, rolling, surge, unavailable):
    """Surge up, unavailable down; both 0 would stand still, so that one may be missing."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    web = deployment("default", "web", LABELS, replicas, 4, strategy=strategy)
    assert (rollout.surge(web), rollout.unavailable(web)) == (surge, unavailable)


def test_a_deployment_is_scaled_and_deleted_with_all_that_is_its_own(kube, api):
    """An autoscaler changes it in the middle; deleted, it takes its ReplicaSets and pods along."""
    start(kube)
    api("PATCH", PATH, restart())
    kube.cluster.change("Deployment", "web", "default", {"spec": {"replicas": 3}})
    kube.clock.sleep(30)
    assert counts(kube, "replicas", "updatedReplicas", "availableReplicas") == (3, 3, 3)
    kube.cluster.change("Deployment", "web", "default", {"spec": {"replicas": 0}})
    kube.clock.sleep(10)
    assert kube.cluster.list("Pod") == []
    kube.cluster.change("Deployment", "web", "default", {"spec": {"replicas": 1}})
    kube.clock.sleep(10)
    api("DELETE", PATH)
    kube.clock.sleep(10)
    assert kube.cluster.list("Pod") == kube.cluster.list("ReplicaSet") == []


def test_a_deployments_pods_are_counted_by_what_it_asks_for(kube, api):
    """Not by the surge, where the budget speaks of what may be missing (maxUnavailable)."""
    start(kube)
    spec = {"minAvailable": None, "maxUnavailable": 0}
    kube.cluster.change("PodDisruptionBudget", "web", "default", {"spec": spec})
    api("PATCH", PATH, restart())
    kube.clock.sleep(0.1)
    assert budget_of(kube) == (0, 1, 1, 1)


def test_a_statefulset_of_one_is_rolled_with_an_outage(kube, api):
    """The successor has the same name, and so waits until the old pod is gone: grace, then start."""
    kube.cluster.load(
        [stateful_set("default", "db", LABELS, 1, 4), singleton_budget("default", "db", LABELS)]
    )
    kube.clock.sleep(5)
    first = kube.cluster.get("Pod", "db-0")
    status = kube.cluster.get("StatefulSet", "db")["status"]
    assert status["updateRevision"] == status["currentRevision"]
    api("PATCH", "/apis/apps/v1/namespaces/default/statefulsets/db", restart())
    kube.clock.sleep(1)
    assert kube.cluster.get("Pod", "db-0")["metadata"]["deletionGracePeriodSeconds"] == 4
    assert kube.cluster.get("PodDisruptionBudget", "db")["status"]["currentHealthy"] == 0
    kube.clock.sleep(4)
    second = kube.cluster.get("Pod", "db-0")
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    status = kube.cluster.get("StatefulSet", "db")["status"]
    assert status["updateRevision"] != status["currentRevision"]
    kube.clock.sleep(3)
    status = kube.cluster.get("StatefulSet", "db")["status"]
    assert status["updateRevision"] == status["currentRevision"]
    assert (status["readyReplicas"], status["updatedReplicas"]) == (1, 1)


def test_pods_that_do_not_start_make_nobody_end(kube):
    """Ten replicas, 3 above and 2 below; the five new ones crash, and one of the eight old ones fails."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    web = deployment("default", "web", LABELS, 10, 4, strategy=strategy)
    old = {"metadata": {"name": "old"}, "spec": {"replicas": 8}, "status": {"availableReplicas": 7}}
    new = {"metadata": {"name": "new"}, "spec": {"replicas": 5}, "status": {}}
    assert rollout.scaled_down(web, new, [old]) == {"old": 8}
    rolled_back = {**new, "status": {"availableReplicas": 4}}
    assert rollout.scaled_down(web, rolled_back, [old]) == {"old": 4}


def test_a_full_node_takes_no_more_pods(kube):
    """allocatable.pods; the pod is placed when another one leaves."""
    kube.cluster.change("Node", "n", "", {"status": {"allocatable": {"pods": "1"}}})
    waiting = lone_pod("waiting", "n")
    del waiting["spec"]["nodeName"]
    kube.cluster.load([lone_pod("placed", "n"), waiting])
    kube.clock.sleep(5)
    (condition,) = kube.cluster.get("Pod", "waiting")["status"]["conditions"]
    assert condition["message"].startswith("0/1 nodes are available: 1 Too many pods.")
    kube.cluster.remove("Pod", "placed")
    kube.clock.sleep(5)
    assert kube.cluster.get("Pod", "waiting")["status"]["phase"] == "Running"
