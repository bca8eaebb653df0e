"""Label: the node leaves its load balancers."""

import pytest
from stepdrain.errors import InvalidEvent, KubeForbidden, KubeUnavailable
from stepdrain.steps import label

from stepdrain_sandbox.kube.faults import Fault

EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"


def test_the_node_gets_the_label_in_one_request(cluster, node, payload):
    """And nothing else of it changes."""
    before = cluster.get("Node", node)
    assert label.handler(payload(), None) == {"labelled": True, "seconds": 0}
    after = cluster.get("Node", node)
    assert after["metadata"]["labels"] == {EXCLUDED: "true"}
    assert after["spec"] == before["spec"]
    assert cluster.asked() == [("patch", "nodes", 200)]


def test_labelling_twice_is_labelling_once(cluster, node, payload):
    """A retried or redriven step must find what it left."""
    label.handler(payload(), None)
    version = cluster.get("Node", node)["metadata"]["resourceVersion"]
    assert label.handler(payload(), None) == {"labelled": True, "seconds": 0}
    after = cluster.get("Node", node)["metadata"]
    assert (after["labels"], after["resourceVersion"]) == ({EXCLUDED: "true"}, version)


def test_a_node_that_is_gone_is_no_error(cluster, node, payload):
    """Its pods may still be there, so the drain goes on."""
    event = payload()
    cluster.remove("Node", node)
    assert label.handler(event, None) == {"labelled": False, "seconds": 0}


def test_a_successor_of_the_same_name_is_left_alone(cluster, node, payload):
    """Another machine that registered under this name serves traffic."""
    event = payload()
    cluster.remove("Node", node)
    cluster.create({"kind": "Node", "metadata": {"name": node}, "spec": {}})
    assert label.handler(event, None) == {"labelled": False, "seconds": 0}
    assert EXCLUDED not in cluster.get("Node", node)["metadata"].get("labels", {})


def test_a_missing_permission_is_named(powerless, payload):
    """It stops the drain: no retry can help."""
    with pytest.raises(KubeForbidden, match=r'cannot patch resource "nodes"'):
        label.handler(payload(), None)


def test_an_api_that_does_not_answer_is_asked_again_by_the_state_machine(cluster, payload):
    """One request, and the error that its Retry names."""
    cluster.server.faults.add(Fault(verb="patch", cut="reset"))
    with pytest.raises(KubeUnavailable):
        label.handler(payload(), None)
    assert cluster.server.faults.hits == 1
    assert label.handler(payload(), None) == {"labelled": True, "seconds": 0}


def test_a_payload_of_another_form_is_refused(cluster):
    """Whoever invokes the function by hand gets a sentence."""
    with pytest.raises(InvalidEvent, match=r"does not fit step\.json"):
        label.handler({"nodeName": "n"}, None)
