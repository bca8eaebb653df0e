"""Cordon: no new pod comes to the node, and its Events say that a drain began."""

import logging

import pytest
from stepdrain.errors import KubeForbidden
from stepdrain.steps import cordon

from stepdrain_sandbox.kube.faults import Fault


def test_the_node_is_cordoned_and_says_so(cluster, node, payload):
    """Two requests: the patch, and the Event that `kubectl describe node` shows."""
    assert cordon.handler(payload(), None)["cordoned"] is True
    assert cluster.get("Node", node)["spec"]["unschedulable"] is True
    assert cluster.asked() == [("patch", "nodes", 200), ("create", "events", 201)]
    (event,) = [e for e in cluster.list("Event") if e["involvedObject"]["name"] == node]
    assert (event["reason"], event["type"]) == ("DrainStarted", "Normal")
    assert event["message"] == f"Drain drain-of-{node} began: labelled out of load balancers and cordoned"


def test_cordoning_twice_tells_it_once(cluster, node, payload):
    """A retry is no second drain."""
    cordon.handler(payload(), None)
    assert cordon.handler(payload(), None)["cordoned"] is True
    assert cluster.recorded(node) == ["DrainStarted"]


def test_tags_that_were_not_read_are_told_in_an_event_of_their_own(cluster, node, payload):
    """Their owner looks at the node, not into a function's log."""
    sentence = "Tag stepdrain:on-timeout: it cannot be 'explode'. Using fail."
    cordon.handler(payload(warnings=[sentence, sentence]), None)
    assert set(cluster.recorded(node)) == {"DrainStarted", "TagIgnored"}
    (recorded,) = [
        event for event in cluster.list("Event") if event["reason"] == "TagIgnored" and node in str(event)
    ]
    assert (recorded["type"], recorded["message"]) == ("Warning", f"{sentence} {sentence}")


def test_an_event_that_cannot_be_written_does_not_stop_the_drain(cluster, node, payload, caplog):
    """The sentence must not decide about what it tells."""
    cluster.server.faults.add(Fault(path="/events", status=403, body={"message": "no events for you"}))
    with caplog.at_level(logging.WARNING):
        assert cordon.handler(payload(), None)["cordoned"] is True
    assert "Event DrainStarted could not be written: no events for you" in caplog.text


def test_a_node_that_is_gone_is_no_error(cluster, node, payload):
    """Its pods may still be there."""
    event = payload()
    cluster.remove("Node", node)
    assert cordon.handler(event, None)["cordoned"] is False


def test_a_successor_of_the_same_name_stays_schedulable(cluster, node, payload):
    """The cordon of a healthy node would go unnoticed for days."""
    event = payload()
    cluster.remove("Node", node)
    cluster.create({"kind": "Node", "metadata": {"name": node}, "spec": {}})
    assert cordon.handler(event, None)["cordoned"] is False
    assert "unschedulable" not in cluster.get("Node", node)["spec"]


def test_a_missing_permission_stops_the_drain(powerless, node, payload):
    """Before anything was evicted."""
    with pytest.raises(KubeForbidden, match=r'cannot patch resource "nodes"'):
        cordon.handler(payload(), None)
