"""WaitForPods: gone is 404 or another UID, and the wait is the state machine's, not the function's."""

import json

import pytest
from stepdrain.clock import to_epoch_s
from stepdrain.errors import EvictionBlocked, KubeUnavailable, NotYet, PodsRemaining
from stepdrain.rules.node_marks import EXCLUDE_LABEL
from stepdrain.states.waiting import FIRST_WATCH_S
from stepdrain.steps import evict_batch, wait_for_pods

from stepdrain_sandbox.kube.faults import Fault


def leaving(cluster, node, payload, grace_s):
    """The record after a pod with that grace was evicted."""
    cluster.pod(node, spec={"terminationGracePeriodSeconds": grace_s})
    return evict_batch.handler(payload(), None)


@pytest.fixture(autouse=True)
def protected(cluster, node):
    """What Label and Cordon have set stands."""
    change = {"metadata": {"labels": {EXCLUDE_LABEL: "true"}}, "spec": {"unschedulable": True}}
    cluster.change("Node", node, "", change)


def waited(cluster, event):
    """The handler's answer; time passes while it holds its watch."""
    return cluster.as_actor(lambda: wait_for_pods.handler(event, None))


def test_an_empty_node_completes_the_drain_and_says_so(cluster, node, payload):
    """With one list, a last look at the cordon, and the Event that ends the sentence."""
    record = wait_for_pods.handler(payload(policy={"waitForVolumes": False}), None)
    assert (record["next"], record["leaving"]) == ("CompleteAction", 0)
    assert cluster.recorded(node) == ["Drained"]
    assert cluster.asked() == [("list", "pods", 200), ("get", "nodes", 200), ("create", "events", 201)]


def test_the_watch_ends_with_the_last_pod(cluster, node, payload):
    """Not a second later, and with one request besides the list, and the last look at the cordon."""
    record = leaving(cluster, node, payload, 7)
    event, began, asked = payload(progress=record), cluster.clock.now(), len(cluster.asked())
    assert waited(cluster, event)["next"] == "WaitForVolumes"
    assert cluster.clock.now() - began == 7
    assert cluster.asked()[asked:] == [("list", "pods", 200), ("watch", "pods", 200), ("get", "nodes", 200)]


def test_pods_within_their_grace_are_named(cluster, node, payload):
    """Until when they may take stands beside them, since that is what the reader asks next."""
    record = leaving(cluster, node, payload, 60)
    began = cluster.clock.now()
    with pytest.raises(PodsRemaining, match=f"1 evicted pod is still on the node: {node}/web: has until 2"):
        waited(cluster, {**payload(progress=record), "waitSeconds": 120})
    assert cluster.clock.now() - began == FIRST_WATCH_S
    assert "Drained" not in cluster.recorded(node)


def test_each_attempt_watches_for_as_long_as_its_payload_says(cluster, node, payload):
    """A quiet watch is compared with a new list, since a proxy may hold its events back."""
    record = leaving(cluster, node, payload, 60)
    event, asked, began = payload(attempt=1, progress=record), len(cluster.asked()), cluster.clock.now()
    with pytest.raises(PodsRemaining):
        waited(cluster, event)
    assert cluster.clock.now() - began == 20
    assert cluster.asked()[asked:] == [("list", "pods", 200), ("watch", "pods", 200), ("list", "pods", 200)]


def test_on_the_first_definition_a_later_attempt_holds_no_watch(cluster, node, payload):
    """Its state machine waits by itself from the fourth attempt on."""
    record = leaving(cluster, node, payload, 60)
    event, asked = payload(attempt=3, progress=record), len(cluster.asked())
    del event["waitSeconds"]
    with pytest.raises(PodsRemaining):
        waited(cluster, event)
    assert cluster.asked()[asked:] == [("list", "pods", 200)]


def test_the_next_wave_goes_back_to_evict_batch(cluster, node, payload):
    """CoreDNS leaves when the applications have left."""
    cluster.pod(node, "dns", spec={"priorityClassName": "system-cluster-critical"})
    record = leaving(cluster, node, payload, 2)
    assert waited(cluster, payload(progress=record))["next"] == "EvictBatch"


def test_a_successor_of_the_same_name_counts_as_a_new_pod(cluster, node, payload):
    """A StatefulSet's pod that tolerates the cordon: the old one is gone, the new one is to be evicted."""
    record = leaving(cluster, node, payload, 60)
    cluster.remove("Pod", "web", node)
    cluster.pod(node)
    assert wait_for_pods.handler(payload(attempt=3, progress=record), None)["next"] == "EvictBatch"


def test_asking_twice_changes_nothing(cluster, node, payload):
    """It only looks; the sentence ends once."""
    event = payload(policy={"waitForVolumes": False})
    assert wait_for_pods.handler(event, None) == wait_for_pods.handler(event, None)
    assert cluster.recorded(node) == ["Drained"]


def test_half_a_list_is_not_an_empty_node(cluster, node, payload):
    """The worst mistake of all: to let an instance go with pods on it."""
    cluster.pod(node)
    cluster.server.faults.add(Fault(verb="list", cut="truncate", times=-1))
    with pytest.raises(KubeUnavailable):
        wait_for_pods.handler(payload(), None)


def test_a_list_that_breaks_off_is_asked_for_again_in_the_same_attempt(cluster, node, payload):
    """Five seconds later, whatever the pace of the state machine."""
    cluster.pod(node)
    cluster.server.faults.add(Fault(verb="list", cut="truncate"))
    began = cluster.clock.now()
    assert waited(cluster, payload())["next"] == "EvictBatch"
    assert cluster.clock.now() - began == 5


READY = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}


def test_a_pod_that_does_not_end_on_a_ready_node_is_named_each_round(cluster, node, payload):
    """Nobody looks for a finalizer that nothing names; the kubelet answers, so the pod is waited for."""
    cluster.change("Node", node, "", READY)
    record = leaving(cluster, node, payload, 2)
    cluster.change("Pod", "web", node, {"metadata": {"finalizers": ["example.com/wait"]}})
    cluster.pass_time(560)
    with pytest.raises(NotYet, match=r"overdue since 2.*finalizers example.com/wait"):
        waited(cluster, payload(attempt=20, progress=record))
    assert "PodsOverdue" not in cluster.recorded(node)
    cluster.pass_time(25)
    for attempt in (21, 0, 22):
        with pytest.raises(NotYet, match=f"{node}/web: should have ended by 2.*finalizers"):
            waited(cluster, payload(attempt=attempt, progress=record))
    assert cluster.recorded(node).count("PodsOverdue") == 1
    cluster.pass_time(600)
    asked = len(cluster.asked())
    with pytest.raises(NotYet):
        waited(cluster, payload(attempt=60, progress=record))
    assert ("create", "events", 409) not in cluster.asked()[asked:]
    with pytest.raises(NotYet):
        waited(cluster, payload(progress={**record, "number": 1}))
    assert cluster.recorded(node).count("PodsOverdue") == 2


def test_the_event_about_such_a_pod_is_not_held_back_by_a_watch(cluster, node, payload):
    """It is written when the pod becomes one, and by an attempt that begins with one before it watches."""
    cluster.change("Node", node, "", READY)
    record = leaving(cluster, node, payload, 2)
    cluster.change("Pod", "web", node, {"metadata": {"finalizers": ["example.com/wait"]}})
    cluster.pass_time(560)
    event, began = {**payload(attempt=1, progress=record), "waitSeconds": 120}, cluster.clock.now()
    with pytest.raises(PodsRemaining):
        waited(cluster, event)
    assert cluster.clock.now() - began == 120
    (written,) = [e for e in cluster.list("Event") if e["involvedObject"]["name"] == node]
    assert written["reason"] == "PodsOverdue"
    assert 40 <= to_epoch_s(written["firstTimestamp"]) - began <= 43
    cluster.pass_time(60)
    asked = len(cluster.asked())
    with pytest.raises(PodsRemaining):
        waited(cluster, payload(progress={**record, "number": 1}))
    later = cluster.asked()[asked:]
    assert later.index(("create", "events", 201)) < later.index(("watch", "pods", 200))


def budget(node, name):
    """A budget that never allows the pods of that name to go."""
    spec = {"maxUnavailable": 0, "selector": {"matchLabels": {"app": name}}}
    return {"kind": "PodDisruptionBudget", "metadata": {"namespace": node, "name": name}, "spec": spec}


def test_pods_are_named_as_blocked_when_the_last_other_pod_has_left(cluster, node, payload):
    """Until then something moves. The attempt watches on: one that ended sooner would look throttled."""
    cluster.pod(node, "held")
    cluster.create(budget(node, "held"))
    cluster.pass_time(1)
    record = leaving(cluster, node, payload, 5)
    event, began = payload(attempt=1, progress=record), cluster.clock.now()
    with pytest.raises(EvictionBlocked, match="1 pod cannot be evicted now"):
        waited(cluster, event)
    assert cluster.clock.now() - began == 20
    (written,) = [e for e in cluster.list("Event") if e["involvedObject"]["name"] == node]
    assert written["reason"] == "PodsBlocked"
    assert f"{node}/held: disruption budget held " in written["message"]
    assert to_epoch_s(written["firstTimestamp"]) - began == 5


def test_a_watch_that_has_shown_something_needs_no_second_list(cluster, node, payload):
    """No proxy has held it back."""
    cluster.pod(node, "slow", spec={"terminationGracePeriodSeconds": 60})
    record = leaving(cluster, node, payload, 5)
    event, asked = payload(attempt=1, progress=record), len(cluster.asked())
    with pytest.raises(PodsRemaining):
        waited(cluster, event)
    assert cluster.asked()[asked:] == [("list", "pods", 200), ("watch", "pods", 200)]


def test_a_refusal_in_the_second_of_the_start_is_followed_by_a_pause(cluster, node, payload):
    """The document has whole seconds and the start has not: the start is no heartbeat after the refusal."""
    cluster.pod(node)
    body = {"kind": "Status", "message": 'admission webhook "guard" denied the request: no'}
    refusing = Fault("create", f"/{node}/.*/eviction", times=-1, status=403, body=json.dumps(body))
    cluster.server.faults.add(refusing)
    cluster.pass_time(0.4)
    event = payload()
    assert event["execution"]["StartTime"].endswith(".400Z")
    record = evict_batch.handler(event, None)
    again = {**payload(progress=record), "execution": event["execution"]}
    assert evict_batch.handler(again, None)["refusedSince"]
