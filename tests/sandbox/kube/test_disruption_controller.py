"""What the disruption controller counts, and what it says where it cannot count."""

import pytest

from stepdrain_sandbox.workload import budget, lone_pod, replica_set

LABELS = {"app": "db"}


def owned_by(kind, api_version="example.io/v1"):
    """A running pod whose controller is of this kind."""
    pod = lone_pod("db-0", "n")
    owner = {"apiVersion": api_version, "kind": kind, "name": "db", "uid": "u-1", "controller": True}
    pod["metadata"] |= {"labels": LABELS, "ownerReferences": [owner]}
    return pod


def condition(kube, name="db"):
    """The budget's status, and its condition without the time."""
    status = kube.cluster.get("PodDisruptionBudget", name)["status"]
    (found,) = status["conditions"]
    assert found.pop("lastTransitionTime").endswith("Z")
    return status, found


@pytest.mark.parametrize(
    ("kind", "group", "resource"),
    [("Database", "example.io/v1", "databases.example.io"), ("DaemonSet", "apps/v1", "daemonsets.apps")],
)
def test_a_controller_without_a_scale_makes_a_budget_that_cannot_be_counted(kube, api, kind, group, resource):
    """As recorded: no observedGeneration, and so the eviction is "still being processed" for ever."""
    kube.cluster.load([owned_by(kind, group), budget("default", "db", LABELS, 1)])
    kube.clock.sleep(3)
    status, failed = condition(kube)
    assert failed == {
        "type": "DisruptionAllowed",
        "status": "False",
        "reason": "SyncFailed",
        "message": f"{resource} does not implement the scale subresource",
    }
    assert "observedGeneration" not in status
    counts = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
    assert [status[name] for name in counts] == [0, 0, 0, 0]
    refused, body = api.evict("db-0")
    assert refused == 429
    assert (
        body["details"]["causes"][0]["message"]
        == "The disruption budget db is still being processed by the server."
    )


def test_a_budget_that_could_be_counted_once_says_why_it_cannot_any_more(kube, api):
    """The refusal then carries the condition's message."""
    kube.cluster.load([replica_set("default", "db", LABELS, 1, 5), budget("default", "db", LABELS, 1)])
    kube.clock.sleep(5)
    assert condition(kube)[1]["reason"] == "SufficientPods"
    kube.cluster.create(owned_by("Database"))
    kube.clock.sleep(3)
    assert condition(kube)[1]["reason"] == "SyncFailed"
    why = "because it failed sync: databases.example.io does not implement the scale subresource"
    expected = f"The disruption budget db does not allow evicting pods currently {why}"
    assert api.evict("db-0")[1]["details"]["causes"][0]["message"] == expected


def test_pods_without_a_controller_count_for_a_number_of_minavailable_alone(kube):
    """https://kubernetes.io/docs/tasks/run-application/configure-pdb/#arbitrary-controllers-and-selectors."""
    pod = lone_pod("db-0", "n")
    pod["metadata"]["labels"] = LABELS
    least = budget("default", "least", LABELS, 0)
    least["spec"] = {"minAvailable": 1, "selector": {"matchLabels": LABELS}}
    kube.cluster.load([pod, budget("default", "db", LABELS, 1), least])
    kube.clock.sleep(3)
    assert condition(kube)[0]["expectedPods"] == 0
    status, found = condition(kube, "least")
    assert (status["expectedPods"], status["currentHealthy"], found["reason"]) == (1, 1, "InsufficientPods")


def test_a_controller_that_is_gone_cannot_be_counted(kube):
    """Orphans: "found no controllers"."""
    kube.cluster.load([owned_by("ReplicaSet", "apps/v1"), budget("default", "db", LABELS, 1)])
    kube.clock.sleep(3)
    assert condition(kube)[1]["message"] == 'found no controllers for pod "db-0"'
