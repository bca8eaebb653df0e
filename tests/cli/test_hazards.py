"""Each reason why a drain would hang, by itself."""

from dataclasses import replace

import pytest
from stepdrain.rules.budgets import Budget
from stepdrain.rules.pods import parse
from stepdrain.rules.policy import Policy

from stepdrain_cli.planning.hazards import hazards

BUDGET = Budget("default", "db", {"matchLabels": {"app": "db"}}, False, 0, 2, 2, True)


def pod(name="db-0", owner="rs", node="n1", grace=30, **spec):
    owners = [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}
    ]
    return {
        "metadata": {
            "namespace": "default", "name": name, "uid": name,
            "labels": {"app": "db"}, "ownerReferences": owners,
        },
        "spec": {"nodeName": node, "terminationGracePeriodSeconds": grace, "containers": [{}], **spec},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }  # fmt: skip


def node(name="n2", labels=None, allocatable=None, **spec):
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec,
        "status": {"allocatable": allocatable or {}},
    }


SIBLING = pod("db-9", node="n2")


OTHER = node()


def found_hazards(*pods, budgets=(), nodes=(OTHER,), policy=None, **more):
    here = [parse(raw) for raw in pods if raw["spec"]["nodeName"] == "n1"]
    found = hazards(here, budgets, pods, [node("n1"), *nodes], policy or Policy(), **more)
    return [str(hazard) for hazard in found]


def test_a_pod_with_siblings_room_and_budget_is_no_hazard():
    """The ordinary case says nothing."""
    assert found_hazards(pod(), SIBLING) == []


def test_a_budget_that_allows_nothing_is_told_once():
    """However many of its pods are on the node."""
    assert found_hazards(pod(), pod("db-1"), budgets=[BUDGET]) == [
        "disruption budget default/db allows no disruption now: it needs 2 healthy pods and has 2; "
        "each of 2 pods of this node waits for it"
    ]


def test_two_budgets_on_a_pod_are_told():
    """The Eviction API refuses it for good."""
    open_budget = replace(BUDGET, allowed=1)
    assert found_hazards(pod(), SIBLING, budgets=[open_budget, replace(open_budget, name="all")]) == [
        "default/db-0 is selected by 2 budgets (all, db): the Eviction API refuses that until one is changed"
    ]


def test_a_grace_beyond_the_deadline_is_told():
    """The drain would fail while the pod does nothing wrong."""
    assert found_hazards(pod(grace=7200), SIBLING) == [
        "default/db-0 has a grace of 7200 s, and the drain's deadline is after 3600 s"
    ]


def test_a_lone_replica_is_a_hint():
    """Nothing serves while it moves."""
    assert found_hazards(pod()) == [
        "hint: default/db-0 is the only pod of ReplicaSet rs: nothing serves until it is replaced"
    ]


@pytest.mark.parametrize(
    ("spec", "other", "why"),
    [
        ({"nodeSelector": {"disk": "ssd"}}, node(), "its nodeSelector does not fit"),
        ({}, node(unschedulable=True), "a node is cordoned"),
        ({}, node(taints=[{"key": "gpu", "effect": "NoSchedule"}]), "a taint is not tolerated"),
        (
            {"containers": [{"resources": {"requests": {"memory": "3Gi"}}}]},
            node(allocatable={"memory": "2Gi", "cpu": "4"}),
            "its memory request does not fit",
        ),
    ],
)
def test_a_pod_that_no_other_node_would_take_is_a_hint(spec, other, why):
    """An autoscaler may bring another node."""
    assert found_hazards(pod(**spec), SIBLING, nodes=(other,)) == [
        f"hint: no other node would take default/db-0: {why}"
    ]


def test_a_pod_that_tolerates_the_cordon_is_a_hint():
    """Its replacement may start on the very node that is drained."""
    assert found_hazards(pod(tolerations=[{"operator": "Exists"}]), SIBLING) == [
        "hint: default/db-0 tolerates the cordon: its replacement may start on this node, and is left there"
    ]


def test_tolerations_selectors_and_room_are_honoured():
    """One node that takes the pod is enough."""
    spec = {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "containers": [{"resources": {"requests": {"cpu": "500m"}}}],
    }
    good = node("n3", {"disk": "ssd"}, {"cpu": "1"}, taints=[{"key": "gpu", "effect": "NoSchedule"}])
    assert found_hazards(pod(**spec), SIBLING, nodes=(node(), good)) == []


def test_a_budget_is_read_as_the_drain_reads_it():
    """An unready pod that its budget lets go waits for nothing, and one that is leaving has gone past it."""
    unready = pod()
    unready["status"]["conditions"] = []
    assert found_hazards(unready, SIBLING, budgets=[replace(BUDGET, always_allow_unready=True)]) == []
    leaving = pod()
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert found_hazards(leaving, SIBLING, budgets=[BUDGET, replace(BUDGET, name="all")]) == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"expected": 2}, "can never give way: all of its 2 pods must be healthy"),
        ({"expected": 2, "sync_failure": "no scale"}, "cannot be counted: no scale"),
        ({"expected": 3}, "allows no disruption now: it needs 2 healthy pods and has 2"),
    ],
)
def test_what_waiting_does_not_help_is_told_from_what_it_does(changes, why):
    """Whoever reads `has 2 and needs 2` waits; here nothing would come of it."""
    assert found_hazards(pod(), SIBLING, budgets=[replace(BUDGET, **changes)]) == [
        f"disruption budget default/db {why}; 1 pod of this node waits for it"
    ]


def test_a_finalizer_is_told_but_not_the_job_controllers_own():
    """The pod stays in the API after its containers have ended, and the drain with it."""
    held = pod()
    held["metadata"]["finalizers"] = ["batch.kubernetes.io/job-tracking", "example.io/backup"]
    assert found_hazards(held, SIBLING) == [
        "default/db-0 stays after its end until its finalizers are taken away: example.io/backup"
    ]


@pytest.mark.parametrize(
    ("finalizers", "why"),
    [([], "its kubelet has not ended it"), (["example.io/backup"], "it has finalizers, example.io/backup")],
)
def test_a_pod_past_its_grace_is_told(finalizers, why):
    """A drain would begin by waiting for it."""
    late = pod()
    late["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": finalizers}
    ended = f"default/db-0 should have ended at 2026-01-01T00:00:00Z, 90 s ago: {why}; the drain"
    assert found_hazards(late, SIBLING, now=1767225600.0 + 90) == [
        f"{ended} waits for it (overduePods is wait)"
    ]
    gives_up = "gives it up from 2026-01-01T00:10:00Z on (overduePods is give-up)"
    policy = Policy(overdue_pods="give-up")
    assert found_hazards(late, SIBLING, now=1767225600.0 + 90, policy=policy) == [f"{ended} {gives_up}"]
    assert found_hazards(late, SIBLING, now=1767225600.0 - 90) == (
        ["default/db-0 stays after its end until its finalizers are taken away: example.io/backup"]
        if finalizers
        else []
    )


def test_a_controller_that_names_the_node_is_a_hint():
    """spec.nodeName knows no cordon: the scheduler is not asked."""
    assert found_hazards(pod(), SIBLING, bound=["db-0"]) == [
        "hint: default/db-0 comes back to this node, past the cordon: ReplicaSet rs names it (spec.nodeName)"
    ]


@pytest.mark.parametrize(("policy", "fails"), [("Fail", "holds the pods"), ("Ignore", "does not")])
def test_a_webhook_on_evictions_is_a_hint(policy, fails):
    """It may do nothing, and it may refuse each pod; nobody knows before."""
    assert found_hazards(pod(), SIBLING, webhooks=[("guard.example.com", policy, 10)]) == [
        "hint: webhook guard.example.com is asked about each eviction: it "
        "may refuse it, or delay it by 10 s; "
        f"its own failure {fails}"
    ]
    assert found_hazards(SIBLING, webhooks=[("guard.example.com", policy, 10)]) == []


@pytest.mark.parametrize("amount", ["plenty", None, ["1"], {}])
def test_a_quantity_that_cannot_be_read_asks_for_nothing(amount):
    """A hint must not crash on another's object."""
    spec = {"containers": [{"resources": {"requests": {"cpu": amount}}}]}
    assert found_hazards(pod(**spec), SIBLING, nodes=(node(allocatable={"cpu": "4"}),)) == []
