"""The judge of rolled workloads: each violation is made by hand, and each innocent rollout let pass."""

import pytest

from stepdrain_recorded import audit
from stepdrain_sandbox import guarantees
from stepdrain_sandbox.rollout_witness import RolloutWitness
from stepdrain_sandbox.workload import deployment, singleton_budget, stateful_set
from tests.sandbox.kube.conftest import api, clock, kube  # noqa: F401

LABELS = {"app": "web"}
APPS = "/apis/apps/v1/namespaces/default"
RESTART = {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}}
SURGELESS = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


@pytest.fixture
def judged(kube):  # noqa: F811
    """What the judge says of all that has happened."""
    witness = RolloutWitness(kube.clock.now)
    kube.cluster.store.subscribe(witness.see)

    def judge(removed=()):
        return guarantees.rolled_below(witness.falls, audit.rolled(kube.audit_log), removed)

    return judge


def load(kube, workload):  # noqa: F811
    """The workload, behind a budget that asks for all its pods."""
    least = workload["spec"]["replicas"]
    kube.cluster.load([workload, singleton_budget("default", "web", LABELS, least)])
    kube.clock.sleep(6)


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("strategy", [{"type": "Recreate"}, SURGELESS], ids=["Recreate", "maxSurge 0"])
def test_a_roll_that_breaks_its_budget_is_reported(kube, api, judged, strategy, replicas):  # noqa: F811
    """G10 A workload that is rolled instead of evicted never falls below its budget because of us."""
    load(kube, deployment("default", "web", LABELS, replicas, 4, strategy=strategy, ready_after_s=3))
    assert judged() == []
    api("PATCH", f"{APPS}/deployments/web", RESTART)
    kube.clock.sleep(30)
    sentences = judged()
    start = f"G10: disruption budget default/web needs {replicas} healthy pods and has "
    assert sentences
    assert sentences[0].startswith(start)
    assert "because rolling deployments default/web ended default/web-" in sentences[0]


def test_a_roll_with_a_surge_keeps_its_budget(kube, api, judged):  # noqa: F811
    """The new pod is Ready before the old one ends."""
    load(kube, deployment("default", "web", LABELS, 3, 4, ready_after_s=3))
    api("PATCH", f"{APPS}/deployments/web", RESTART)
    kube.clock.sleep(60)
    assert kube.cluster.get("Deployment", "web")["status"]["updatedReplicas"] == 3
    assert judged() == []


def test_a_rollout_of_the_owner_is_not_ours(kube, api, judged):  # noqa: F811
    """kubectl rollout restart, or a dry run of ours: the budget falls, and nobody accuses the drain."""
    load(kube, deployment("default", "web", LABELS, 1, 4, strategy={"type": "Recreate"}, ready_after_s=3))
    api("PATCH", f"{APPS}/deployments/web?dryRun=All", RESTART)
    api("PATCH", f"{APPS}/deployments/web", RESTART, headers={"User-Agent": "kubectl/v1.36.2"})
    kube.clock.sleep(30)
    assert judged() == []


def test_what_the_drain_evicts_or_deletes_is_judged_as_g2(kube, api, judged):  # noqa: F811
    """At the deadline the policy goes past the budget: that is no roll's fault."""
    load(kube, deployment("default", "web", LABELS, 1, 4, ready_after_s=3))
    (pod,) = kube.cluster.list("Pod")
    name = pod["metadata"]["name"]
    api("PATCH", f"{APPS}/deployments/web", RESTART)
    kube.clock.sleep(1)
    api("DELETE", f"/api/v1/namespaces/default/pods/{name}")
    kube.clock.sleep(1)
    removed = {change.object for change in audit.changes(kube.audit_log)}
    assert removed == {f"default/{name}"}
    assert judged(removed) == []
    assert judged() != []


@pytest.mark.parametrize(("annotations", "guilty"), [({}, True), ({"stepdrain/roll": "true"}, False)])
def test_a_statefulset_is_rolled_with_its_owners_consent_alone(kube, api, judged, annotations, guilty):  # noqa: F811
    """Its restart is an outage: said where it is switched on."""
    made = stateful_set("default", "web", LABELS, 1, 4)
    made["metadata"]["annotations"] = annotations
    load(kube, made)
    api("PATCH", f"{APPS}/statefulsets/web", RESTART)
    kube.clock.sleep(10)
    assert bool(judged()) is guilty


def test_a_success_names_each_pod_that_it_left():
    """Twenty by name, and the number of the rest: never SUCCEEDED with pods left unsaid."""
    pods = [f"default/web-{number:02}" for number in range(23)]
    assert guarantees.left_unsaid("i-1", pods[:2], "left: default/web-00, default/web-01") == []
    (sentence,) = guarantees.left_unsaid("i-1", pods[:2], "left: default/web-00, and 1 more")
    assert sentence == "G4: the drain of i-1 succeeded without naming default/web-01, which was left."
    twenty = ", ".join(pods[:20])
    assert guarantees.left_unsaid("i-1", pods, f"{twenty} and 3 more") == []
    assert len(guarantees.left_unsaid("i-1", pods, twenty)) == 3
    assert len(guarantees.left_unsaid("i-1", pods, f"{', '.join(pods[:5])} and 18 more")) == 18
