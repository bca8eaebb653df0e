"""Events on pods: an application's owner sees who wants its pod to go, and what holds it."""

from stepdrain.reporting import pod_events
from stepdrain.rules import pods
from stepdrain.rules.reasons import Reason

NOW = 1_767_225_600.0


def pod(name, namespace="shop"):
    return pods.parse({"metadata": {"namespace": namespace, "name": name, "uid": f"uid-{namespace}-{name}"}})


HELD = [Reason("shop/web-0", "disruption budget web needs 2 healthy pods and has 2")]


def test_a_pod_that_is_held_is_told_by_what():
    """On the pod, in its namespace, with its UID: `kubectl describe pod` looks for that."""
    (event,) = pod_events.blocked([pod("web-0"), pod("free")], HELD, "n1", "i-1-abc", "i-1-abc/0", NOW)
    assert event["metadata"]["namespace"] == "shop"
    assert event["involvedObject"] == {
        "apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "web-0", "uid": "uid-shop-web-0",
    }  # fmt: skip
    assert (event["type"], event["reason"]) == ("Warning", "EvictionBlocked")
    assert event["message"] == (
        "Drain i-1-abc of node n1 cannot evict it now: disruption budget web needs 2 healthy pods and has 2"
    )


def test_another_namespaces_pod_of_that_name_is_not_meant():
    """Its owner would look for a budget that is not there."""
    assert pod_events.blocked([pod("web-0", "test")], HELD, "n1", "d", "d/0", NOW) == []


def test_a_round_has_one_event_for_each_pod():
    """A repeated attempt meets its own Event (409), and the next round writes another."""

    def name(occasion, which="web-0"):
        held = [Reason(f"shop/{which}", "why")]
        (event,) = pod_events.blocked([pod(which)], held, "n1", "d", occasion, NOW)
        return event["metadata"]["name"]

    assert name("d/0") == name("d/0")
    assert len({name("d/0"), name("d/1"), name("d/0", "web-1")}) == 3


def test_an_evicted_pod_is_told_for_which_node():
    """Normal, and once a drain."""
    first, second = pod_events.evicted([pod("web-0"), pod("web-1")], "n1", "i-1-abc", NOW)
    assert (first["type"], first["reason"]) == ("Normal", "Evicted")
    assert first["message"] == "Evicted: drain i-1-abc empties node n1"
    assert first["metadata"]["name"] != second["metadata"]["name"]
