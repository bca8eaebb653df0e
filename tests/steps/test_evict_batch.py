"""EvictBatch: what can leave is asked to leave, in waves, and what cannot is named."""

import json

import pytest
from stepdrain.clock import to_rfc3339
from stepdrain.errors import DrainRefused, EvictionBlocked, EvictionStillBlocked, KubeForbidden
from stepdrain.steps import evict_batch

from stepdrain_sandbox.kube.faults import Fault
from stepdrain_sandbox.workload import budget


def terminating(cluster, node):
    """Names of the node's pods that were asked to leave."""
    pods = [pod for pod in cluster.list("Pod") if pod["spec"].get("nodeName") == node]
    return sorted(pod["metadata"]["name"] for pod in pods if "deletionTimestamp" in pod["metadata"])


def evictions(cluster):
    return [status for verb, what, status in cluster.asked() if what == "pods/eviction"]


def of_daemonset(name):
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": name, "uid": "u", "controller": True}
    return {"metadata": {"ownerReferences": [owner]}}


def on_pods(cluster, node):
    """Name, UID, reason and message of the Events on pods in the namespace called like the node."""
    events = [event for event in cluster.list("Event") if event["metadata"]["namespace"] == node]
    about = [(event["involvedObject"], event) for event in events]
    return [(pod["name"], pod["uid"], event["reason"], event["message"]) for pod, event in about]


def blocked(cluster, node, app="web"):
    """A budget that never lets the node's pod of that app go; counted when this returns."""
    cluster.create(budget(node, app, {"app": app}, 0))
    cluster.pass_time(1)


def test_all_pods_of_the_first_wave_are_evicted_at_once(cluster, node, payload):
    """Ordinary pods first: CoreDNS must answer while they shut down."""
    for name in ("web", "api"):
        cluster.pod(node, name)
    cluster.pod(node, "dns", spec={"priorityClassName": "system-cluster-critical"})
    record = evict_batch.handler(payload(), None)
    assert terminating(cluster, node) == ["api", "web"]
    assert (record["evicted"], record["leaving"], record["blocked"]) == (2, 2, 0)
    assert record["next"] == "WaitForPods"
    asked = cluster.asked()
    assert asked[:2] == [("list", "pods", 200), ("list", "poddisruptionbudgets", 200)]
    assert asked[2:] == [("create", "pods/eviction", 201)] * 2


def test_a_second_attempt_evicts_nothing_twice(cluster, node, payload):
    """A Lambda that timed out after its work is run again: terminating pods are only waited for."""
    cluster.pod(node)
    first = evict_batch.handler(payload(), None)
    again = evict_batch.handler(payload(progress=first), None)
    assert evictions(cluster) == [201]
    assert (again["evicted"], again["leaving"], again["next"]) == (1, 1, "WaitForPods")


def test_a_batch_is_no_larger_than_the_policy_says(cluster, node, payload):
    """The rest waits for the next visit."""
    for number in range(5):
        cluster.pod(node, f"p{number}")
    assert evict_batch.handler(payload(policy={"batchSize": 2}), None)["evicted"] == 2
    assert len(terminating(cluster, node)) == 2


def test_daemonset_pods_stay(cluster, node, payload):
    """G3: their controller would put them back; one more request tells whether it exists."""
    cluster.create(
        {"kind": "DaemonSet", "metadata": {"namespace": node, "name": "agent"}, "spec": {"template": {}}}
    )
    cluster.pod(node, "agent-1", **of_daemonset("agent"))
    record = evict_batch.handler(payload(), None)
    assert (record["evicted"], record["orphans"]) == (0, [])
    assert cluster.asked() == [("list", "pods", 200), ("list", "daemonsets", 200)]


def test_a_pod_whose_daemonset_is_gone_is_evicted_and_remembered(cluster, node, payload):
    """Nothing puts it back; later attempts read it from the document instead of asking again."""
    pod = cluster.pod(node, "orphan", **of_daemonset("deleted-long-ago"))
    record = evict_batch.handler(payload(), None)
    assert terminating(cluster, node) == ["orphan"]
    assert record["orphans"] == [pod["metadata"]["uid"]]


def test_an_attempt_that_has_only_waited_leaves_the_first_look_to_the_next(cluster, node, payload):
    """For its turn, or for the cordons of other nodes: it has not looked at the pods."""
    pod = cluster.pod(node, "orphan", **of_daemonset("deleted-long-ago"))
    cluster.pod(node, "typo", metadata={"annotations": {"stepdrain/wave": "soon"}})
    record = evict_batch.handler(payload(attempt=3), None)
    assert record["orphans"] == [pod["metadata"]["uid"]]
    assert [e["reason"] for e in cluster.list("Event") if e["involvedObject"]["name"] == node] == [
        "AnnotationIgnored"
    ]


def test_a_budget_that_blocks_everything_is_recorded_on_the_node_once(cluster, node, payload):
    """It is no error: WaitForPods waits for the budget. An Event for each attempt would only hide the
    others."""
    cluster.pod(node)
    blocked(cluster, node)
    record = evict_batch.handler(payload(), None)
    assert (record["evicted"], record["blocked"], record["next"]) == (0, 1, "WaitForPods")
    assert record["blockers"][0].startswith(f"{node}/web: ")
    cluster.pass_time(2)
    evict_batch.handler(payload(progress=record), None)
    assert cluster.recorded(node) == ["PodsBlocked"]


def test_a_blocked_pod_says_so_itself_once_a_heartbeat(cluster, node, payload):
    """Who owns the application describes the pod, and not a Node. A repeated attempt writes nothing twice."""
    pod = cluster.pod(node)
    blocked(cluster, node)
    record = evict_batch.handler(payload(), None)
    cluster.pass_time(2)
    evict_batch.handler(payload(), None)
    before = len(cluster.asked())
    evict_batch.handler({**payload(progress=record), "execution": OLDER}, None)
    assert "events" not in [what for _, what, _ in cluster.asked()[before:]]
    ((name, uid, reason, message),) = on_pods(cluster, node)
    assert (name, uid, reason) == ("web", pod["metadata"]["uid"], "EvictionBlocked")
    why = record["blockers"][0].removeprefix(f"{node}/web: ")
    assert message == f"Drain drain-of-{node} of node {node} cannot evict it now: {why}"
    later = {**record, "number": 1, "heartbeatAt": to_rfc3339(cluster.clock.now() + 1)}
    evict_batch.handler(payload(progress=later), None)
    assert len(on_pods(cluster, node)) == 2


def test_a_pod_whose_batch_moves_others_has_no_event(cluster, node, payload):
    """Its budget may give way when they have gone."""
    cluster.pod(node)
    cluster.pod(node, "free")
    blocked(cluster, node)
    assert evict_batch.handler(payload(), None)["blocked"] == 1
    assert on_pods(cluster, node) == []


def test_no_evicted_pod_has_an_event_unless_the_installation_says_so(cluster, node, payload):
    """It costs a request for each pod: without the parameter the batch sends what it always has."""
    cluster.pod(node)
    cluster.pod(node, "second")
    assert evict_batch.handler(payload(), None)["evicted"] == 2
    assert [what for _, what, _ in cluster.asked()] == [
        "pods",
        "poddisruptionbudgets",
        *["pods/eviction"] * 2,
    ]
    assert on_pods(cluster, node) == []


def test_each_evicted_pod_has_one_event_where_the_installation_says_so(cluster, node, payload, monkeypatch):
    """Its owner finds out which drain it was. One request more for each; one that stays says nothing."""
    monkeypatch.setenv("STEPDRAIN_EVICTION_EVENTS", "true")
    pods = [cluster.pod(node), cluster.pod(node, "second")]
    held = cluster.pod(node, "held", metadata={"labels": {"app": "web"}})
    blocked(cluster, node)
    record = evict_batch.handler(payload(), None)
    assert (record["evicted"], record["blocked"]) == (1, 2)
    ((name, uid, reason, message),) = on_pods(cluster, node)
    assert (name, uid, reason) == ("second", pods[1]["metadata"]["uid"], "Evicted")
    assert message == f"Evicted: drain drain-of-{node} empties node {node}"
    assert len([what for _, what, _ in cluster.asked() if what == "events"]) == 1
    assert held["metadata"]["uid"] != uid


def test_an_event_that_cannot_be_written_stops_no_eviction(cluster, node, payload, monkeypatch):
    """It reports and never decides: the pods go, and one line of the log says for how many it failed."""
    monkeypatch.setenv("STEPDRAIN_EVICTION_EVENTS", "true")
    for name in ("web", "second"):
        cluster.pod(node, name)
    lines = []
    monkeypatch.setattr(evict_batch.LOG, "warning", lambda text, **fields: lines.append((text, fields)))
    cluster.server.faults.add(Fault("create", "/events", times=2, refuse="rbac"))
    assert evict_batch.handler(payload(), None)["evicted"] == 2
    assert terminating(cluster, node) == ["second", "web"]
    ((text, fields),) = lines
    assert (text, fields["count"]) == ("eviction events not written", 2)
    assert fields["first"].startswith(f"Event Evicted on {node}/")


def test_no_more_pods_get_an_event_than_a_message_names(cluster, node, payload):
    """What a drain sends is bounded, however many pods a budget holds."""
    for number in range(25):
        cluster.pod(node, f"web-{number}", metadata={"labels": {"app": "web"}})
    blocked(cluster, node)
    assert evict_batch.handler(payload(), None)["blocked"] == 25
    assert len(on_pods(cluster, node)) == 20
    assert [status for verb, what, status in cluster.asked() if what == "events"] == [201] * 21


def test_what_a_budget_forbids_is_asked_for_once_a_heartbeat(cluster, node, payload):
    """Two lists an attempt, however many pods wait; the server judges, should our reading of it be wrong."""
    cluster.pod(node)
    blocked(cluster, node)
    cluster.pass_time(2)
    record = evict_batch.handler({**payload(), "execution": OLDER}, None)
    for _ in range(2):
        cluster.pass_time(2)
        record = evict_batch.handler({**payload(progress=record), "execution": OLDER}, None)
    assert evictions(cluster) == [429]


OLDER = {"StartTime": "2026-01-01T00:00:00.000Z", "Name": "older"}


def test_on_the_first_definition_it_waits_itself(cluster, node, payload):
    """An execution that began before an upgrade has its retriers here, and a second name for later rounds."""
    record = evict_batch.handler(payload(), None)
    cluster.pod(node)
    blocked(cluster, node)
    for number, error in ((0, EvictionBlocked), (1, EvictionStillBlocked)):
        event = payload(attempt=1, progress={**record, "number": number})
        del event["waitSeconds"]
        with pytest.raises(error, match=f"1 pod cannot be evicted now: {node}/web: "):
            evict_batch.handler(event, None)


def test_progress_is_no_error_although_some_are_blocked(cluster, node, payload):
    """The blocked ones are named in the document, which the console shows between the states."""
    cluster.pod(node)
    cluster.pod(node, "free")
    blocked(cluster, node)
    record = evict_batch.handler(payload(), None)
    assert (record["evicted"], record["blocked"]) == (1, 1)
    (blocker,) = record["blockers"]
    assert blocker.startswith(f"{node}/web: ")


def test_two_budgets_on_a_pod_are_told_at_once(cluster, node, payload):
    """Waiting does not help: somebody has to act while the other pods still go, whatever their wave."""
    cluster.pod(node, "free")
    for name in ("web", "dns"):
        priority = {"spec": {"priorityClassName": "system-cluster-critical"}} if name == "dns" else {}
        cluster.pod(node, name, **priority)
        cluster.create(budget(node, f"{name}-a", {"app": name}, 1))
        cluster.create(budget(node, f"{name}-b", {"app": name}, 1))
    cluster.pass_time(1)
    first = evict_batch.handler(payload(), None)
    assert first["evicted"] == 1
    assert cluster.recorded(node) == ["MultipleBudgets"]
    (message,) = [
        event["message"] for event in cluster.list("Event") if event["involvedObject"]["name"] == node
    ]
    assert f"{node}/web: more than one disruption budget selects it (web-a and web-b)" in message
    assert f"{node}/dns: more than one disruption budget selects it (dns-a and dns-b)" in message
    again = evict_batch.handler(payload(attempt=1, progress=first), None)
    assert again["blockers"] == [
        f"{node}/web: more than one disruption budget selects it (web-a and web-b): "
        "the Eviction API refuses that"
    ]
    assert cluster.recorded(node) == ["MultipleBudgets"]


def test_a_probe_that_two_budgets_refuse_names_them(cluster, node, payload):
    """The API server does not: it says only that there are too many."""
    cluster.pod(node)
    for name in ("a", "b"):
        cluster.create(budget(node, name, {"app": "web"}, 1))
    cluster.pass_time(1)
    record = evict_batch.handler(payload(), None)
    assert ("create", "pods/eviction", 500) in cluster.asked()
    (said,) = record["blockers"]
    assert "more than one disruption budget selects it (a and b)" in said


def test_a_refused_pod_stops_the_drain_before_the_first_eviction(cluster, node, payload):
    """kubectl drain does so too: a half-drained node helps nobody."""
    cluster.pod(node)
    cluster.pod(node, "debug", metadata={"ownerReferences": []})
    with pytest.raises(DrainRefused, match=f"{node}/debug: no controller would put it back"):
        evict_batch.handler(payload(policy={"evictUnmanaged": False}), None)
    assert terminating(cluster, node) == []


def test_past_its_grace_a_blocked_pod_is_deleted_under_force_alone(cluster, node, payload):
    """G2: at the deadline, with what is left of its grace, and only where the policy says force."""
    cluster.pod(node)
    blocked(cluster, node)
    forced = payload(policy={"drainTimeout": 60, "onTimeout": "force"})
    patient = payload(policy={"drainTimeout": 60})
    evict_batch.handler(forced, None)  # The budget has its way until then.
    cluster.pass_time(59)
    evict_batch.handler(patient, None)
    assert terminating(cluster, node) == []
    record = evict_batch.handler(forced, None)
    assert (record["forced"], terminating(cluster, node)) == (1, ["web"])
    assert cluster.get("Pod", "web", node)["metadata"]["deletionGracePeriodSeconds"] == 1


def test_a_missing_permission_stops_the_drain(powerless, node, payload):
    """The sentence names verb and resource."""
    with pytest.raises(KubeForbidden, match=r'cannot list resource "pods"'):
        evict_batch.handler(payload(), None)


def test_the_record_stays_small_however_many_pods_wait(cluster, node, payload):
    """Under 32 KiB: the document is copied into the history with every state."""
    for number in range(60):
        cluster.pod(node, f"{'very-long-name-' * 8}{number}", metadata={"labels": {"app": "web"}})
    cluster.pod(node, "free")
    blocked(cluster, node)
    record = evict_batch.handler(payload(), None)
    assert (record["blocked"], len(record["blockers"])) == (60, 21)
    assert len(json.dumps(record)) < 16_384
