"""EvictBatch under a policy of rolling: one PATCH for each workload, and what holds its pod meanwhile."""

import pytest
from stepdrain.clock import to_rfc3339
from stepdrain.errors import EvictionBlocked
from stepdrain.steps import evict_batch, wait_for_pods

from stepdrain_sandbox.kube.faults import Fault
from stepdrain_sandbox.workload import deployment, singleton_budget, stateful_set

LABELS = {"app": "web"}
RESTARTED = "kubectl.kubernetes.io/restartedAt"


@pytest.fixture
def place(cluster, node):
    """Loads manifests so that their pods run on the node, which is cordoned then; other nodes have room."""
    other = f"{node}-other"

    def load(*manifests, room=True):
        before = [each["metadata"]["name"] for each in cluster.list("Node")]
        for name in before:
            cluster.change("Node", name, "", {"spec": {"unschedulable": name != node}})
        cluster.server.cluster.load(list(manifests))
        cluster.pass_time(5)
        cluster.change("Node", node, "", {"spec": {"unschedulable": True}})
        if room:
            cluster.create({"kind": "Node", "metadata": {"name": other}, "spec": {}})
            cluster.pass_time(1)
        cluster.server.audit_log.clear()

    yield load
    for each in cluster.list("Node"):
        cluster.change("Node", each["metadata"]["name"], "", {"spec": {"unschedulable": False}})


def web(node, replicas=1, **options):
    return deployment(node, "web", LABELS, replicas, 4, ready_after_s=3, **options)


def held(node, replicas=1):
    return singleton_budget(node, "web", LABELS, replicas)


def patches(cluster):
    return [(what, status) for verb, what, status in cluster.asked() if verb == "patch"]


def pods_on(cluster, node):
    return [pod for pod in cluster.list("Pod") if pod["spec"].get("nodeName") == node]


def attempt(payload, policy="blocked", number=1, **drain):
    drain.setdefault("cordon", {"at": "2026-01-01T00:00:00Z"})
    return evict_batch.handler(payload(number, policy={"roll": policy}, **drain), None)


def refusal(payload, *arguments, **drain):
    """What holds the pod, of an attempt that asks no pod to go."""
    before = drain.get("progress", {"evicted": 0})
    record = attempt(payload, *arguments, **drain)
    assert (record["evicted"], record["next"]) == (before["evicted"], "WaitForPods")
    (said,) = record["blockers"]
    return said


def test_a_workload_that_no_budget_lets_go_is_rolled(cluster, node, payload, place):
    """G10: the old pod is asked to go when the new one is Ready, by its own controller; nobody evicts it."""
    place(web(node), held(node))
    (old,) = pods_on(cluster, node)
    record = attempt(payload)
    assert (record["rolled"], record["blocked"], record["evicted"]) == ([f"{node}/web"], 1, 0)
    (said,) = record["blockers"]
    assert said.startswith(f"{node}/{old['metadata']['name']}: Deployment web is being rolled; its new pod ")
    assert patches(cluster) == [("deployments", 200)]
    cluster.pass_time(1)
    assert "is not Ready: it has just started" in refusal(payload, progress=record)
    cluster.pass_time(20)
    assert pods_on(cluster, node) == []
    assert patches(cluster) == [("deployments", 200)]
    assert ("create", "pods/eviction", 201) not in cluster.asked()
    assert "WorkloadsRolled" in cluster.recorded(node)


def test_the_restart_is_kubectls_with_the_time_of_the_cordon(cluster, node, payload, place):
    """A redrive, or an attempt whose answer was lost, changes nothing."""
    place(web(node), held(node))
    at = to_rfc3339(cluster.clock.now() - 30)
    attempt(payload, cordon={"at": at})
    found = cluster.get("Deployment", "web", node)
    assert found["metadata"]["annotations"]["stepdrain/rolled-by"] == f"drain-of-{node}"
    value = found["spec"]["template"]["metadata"]["annotations"][RESTARTED]
    assert value == to_rfc3339(cluster.clock.now() - 29)
    generation = found["metadata"]["generation"]
    refusal(payload, cordon={"at": at})
    assert cluster.get("Deployment", "web", node)["metadata"]["generation"] == generation
    (sent,) = [
        e for e in cluster.server.audit_log if e["verb"] == "patch" and "deployments" in e["requestURI"]
    ]
    assert "fieldManager=stepdrain" in sent["requestURI"]


def test_a_surge_pod_that_fits_nowhere_is_quoted(cluster, node, payload, place):
    """The owner reads the scheduler's own sentence, at once and after the deployment's deadline."""
    place(web(node, progressDeadlineSeconds=60), held(node), room=False)
    for each in cluster.list("Node"):
        cluster.change("Node", each["metadata"]["name"], "", {"spec": {"unschedulable": True}})
    record = attempt(payload)
    cluster.pass_time(2)
    said = refusal(payload, progress=record)
    assert "is being rolled; its new pod web-" in said
    assert "nodes are available" in said
    assert "node(s) were unschedulable" in said
    cluster.pass_time(120)
    late = refusal(payload, progress=record)
    assert "has exceeded its progress deadline" in late
    assert "node(s) were unschedulable" in late
    assert len(pods_on(cluster, node)) == 1


def test_all_pods_of_a_deployment_are_rolled_by_one_patch(cluster, node, payload, place):
    """Each of them says that it is being rolled."""
    place(web(node, replicas=3), held(node, 3))
    record = attempt(payload)
    assert (record["blocked"], record["rolled"]) == (3, [f"{node}/web"])
    assert patches(cluster) == [("deployments", 200)]
    cluster.pass_time(60)
    assert pods_on(cluster, node) == []


def test_another_drain_that_was_faster_is_a_conflict_and_no_second_roll(cluster, node, payload, place):
    """Two nodes of a burst: whoever reads again sees the rollout, and waits for it."""
    place(web(node), held(node))
    cluster.server.faults.add(Fault("patch", times=1, status=409, body="{}"))
    record = attempt(payload)
    assert record["rolled"] == [f"{node}/web"]
    assert patches(cluster) == [("deployments", 409), ("deployments", 200)]


def test_what_changes_all_the_time_is_tried_again_in_the_next_attempt(cluster, node, payload, place):
    """Nothing is asked in a loop."""
    place(web(node), held(node))
    cluster.server.faults.add(Fault("patch", times=2, status=409, body="{}"))
    assert "Deployment web changed while it was to be rolled" in refusal(payload)
    assert attempt(payload)["rolled"] == [f"{node}/web"]


def test_a_restart_that_a_tool_takes_back_is_made_once(cluster, node, payload, place):
    """A GitOps tool that sees an annotation it does not know is not fought."""
    place(web(node, strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}), held(node))
    record = attempt(payload)
    template = {"metadata": {"annotations": {RESTARTED: None}}}
    cluster.change("Deployment", "web", node, {"spec": {"template": template}})
    cluster.pass_time(5)
    assert "its restart was taken back" in refusal(payload, progress=record)
    unknowing = {**record, "rolled": []}
    assert "its restart was taken back" in refusal(payload, progress=unknowing)
    assert patches(cluster) == [("deployments", 200)]


def test_a_deployment_that_is_paused_or_recreates_is_held_and_said(cluster, node, payload, place):
    """Its pod is not evicted instead: under `singletons` nobody else would keep it."""
    place(web(node, paused=False, strategy={"type": "Recreate"}))
    assert "cannot be rolled: its strategy is Recreate" in refusal(payload, "singletons")
    assert ("create", "pods/eviction", 201) not in cluster.asked()
    assert patches(cluster) == []


def test_an_only_pod_without_a_budget_is_evicted_where_nobody_asks(cluster, node, payload, place):
    """As ever."""
    place(web(node))
    assert attempt(payload)["evicted"] == 1
    assert patches(cluster) == []


def test_a_deployment_that_is_deleted_meanwhile_holds_nothing(cluster, node, payload, place):
    """Its pods go with it, and whatever is left is evicted as any other pod."""
    place(web(node), held(node))
    record = attempt(payload)
    cluster.remove("Deployment", "web", node)
    cluster.pass_time(30)
    assert attempt(payload, progress=record)["blocked"] == 0


def test_a_stateful_set_that_asks_is_rolled_though_its_pod_is_away_for_a_while(cluster, node, payload, place):
    """Its successor has the same name, and starts elsewhere when it is gone."""
    base = stateful_set(node, "db", {"app": "db"}, 1, 4)
    asking = {**base, "metadata": {**base["metadata"], "annotations": {"stepdrain/roll": "true"}}}
    place(asking, singleton_budget(node, "db", {"app": "db"}))
    assert attempt(payload, "annotated")["rolled"] == [f"{node}/db"]
    cluster.pass_time(20)
    assert pods_on(cluster, node) == []
    assert patches(cluster) == [("statefulsets", 200)]


def test_without_the_right_a_pod_is_held_by_its_budget_as_before(cluster, node, payload, place):
    """The message names the right and its file, and other pods leave."""
    place(web(node), held(node))
    cluster.pod(node, "other")
    cluster.server.faults.add(Fault("get", times=-1, refuse="rbac"))
    record = attempt(payload)
    (said,) = record["blockers"]
    assert "disruption budget web needs 1 healthy pod and has 1" in said
    assert 'cannot get resource "replicasets"' in said
    assert said.endswith("Apply kubernetes/roll.yaml")
    assert record["evicted"] == 1


def test_a_policy_that_is_off_asks_nothing(cluster, node, payload, place):
    """Not one request more than before."""
    place(web(node), held(node))
    assert evict_batch.handler(payload(1), None)["blocked"] == 1
    assert [request for request in cluster.asked() if request[1] != "events"] == [
        ("list", "pods", 200),
        ("list", "poddisruptionbudgets", 200),
        ("create", "pods/eviction", 429),
    ]


def test_a_rollout_is_looked_at_less_and_less_often(cluster, node, payload, place):
    """WaitForPods sees by itself that it ends. EvictBatch looks for the others, and never in a loop."""
    place(web(node), held(node), room=False)
    for each in cluster.list("Node"):
        cluster.change("Node", each["metadata"]["name"], "", {"spec": {"unschedulable": True}})
    drain = {"policy": {"roll": "blocked"}, "cordon": {"at": to_rfc3339(cluster.clock.now())}}
    started, looked = payload()["execution"], []
    record = evict_batch.handler({**payload(**drain), "execution": started}, None)
    # The test's node bears no label, and is not looked at for it.
    record["foundAgainIn"] = 0
    while len(looked) < 12:
        began = cluster.clock.now()
        event = {**payload(1, **drain, progress=record), "waitSeconds": 120, "execution": started}
        record = cluster.as_actor(lambda event=event: wait_for_pods.handler(event, None))
        assert record["next"] == "EvictBatch"
        looked.append(cluster.clock.now() - began)
        event = {**payload(**drain, progress=record), "execution": started}
        record = evict_batch.handler(event, None)
        assert "is being rolled" in record["blockers"][0]
    assert min(looked) >= 9
    assert looked == sorted(looked)
    assert 50 <= max(looked) <= 61
    # Other pods' evictions are not put off by that.
    assert record["refusedSince"] == ""


def test_what_the_rollout_waits_for_stands_in_the_attempts(cluster, node, payload, place):
    """Whoever looks at the execution reads the scheduler's sentence, and not that a budget is exhausted."""
    place(web(node), held(node), room=False)
    for each in cluster.list("Node"):
        cluster.change("Node", each["metadata"]["name"], "", {"spec": {"unschedulable": True}})
    attempt(payload)
    cluster.pass_time(2)
    record = attempt(payload)
    assert record["rolling"]
    with pytest.raises(EvictionBlocked, match=r"is being rolled; its new pod web-.*unschedulable"):
        cluster.as_actor(lambda: wait_for_pods.handler({**payload(progress=record), "waitSeconds": 5}, None))
