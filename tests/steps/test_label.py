"""Label: the node leaves its load balancers."""

import pytest
from stepdrain.document.progress import Progress
from stepdrain.errors import InvalidEvent, KubeUnavailable
from stepdrain.steps import cordon, label

from stepdrain_sandbox.kube.dynamic_admission import refusing
from stepdrain_sandbox.kube.faults import Fault

EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"


def test_the_node_gets_the_label_in_one_request(cluster, node, payload):
    """And nothing else of it changes."""
    before = cluster.get("Node", node)
    assert label.handler(payload(), None) == {"labelled": True, "denied": "", "seconds": 0, "findings": []}
    after = cluster.get("Node", node)
    assert after["metadata"]["labels"] == {EXCLUDED: "true"}
    assert after["spec"] == before["spec"]
    assert cluster.asked() == [("patch", "nodes", 200)]


def test_labelling_twice_is_labelling_once(cluster, node, payload):
    """A retried or redriven step must find what it left."""
    label.handler(payload(), None)
    version = cluster.get("Node", node)["metadata"]["resourceVersion"]
    assert label.handler(payload(), None) == {"labelled": True, "denied": "", "seconds": 0, "findings": []}
    after = cluster.get("Node", node)["metadata"]
    assert (after["labels"], after["resourceVersion"]) == ({EXCLUDED: "true"}, version)


def test_a_node_that_is_gone_is_no_error(cluster, node, payload):
    """Its pods may still be there, so the drain goes on."""
    event = payload()
    cluster.remove("Node", node)
    assert label.handler(event, None) == {"labelled": False, "denied": "", "seconds": 0, "findings": []}


def test_a_successor_of_the_same_name_is_left_alone(cluster, node, payload):
    """Another machine that registered under this name serves traffic."""
    event = payload()
    cluster.remove("Node", node)
    cluster.create({"kind": "Node", "metadata": {"name": node}, "spec": {}})
    assert label.handler(event, None) == {"labelled": False, "denied": "", "seconds": 0, "findings": []}
    assert EXCLUDED not in cluster.get("Node", node)["metadata"].get("labels", {})


def test_a_label_that_is_refused_does_not_keep_the_cordon_waiting(powerless, node, payload):
    """G1: each protection stands alone. What could not be set is named, and asked for in the next round."""
    answer = label.handler(payload(), None)
    assert answer["labelled"] is False
    assert 'cannot patch resource "nodes"' in answer["denied"]


def test_a_webhook_that_refuses_the_label_is_named_on_the_node(cluster, node, payload):
    """Traffic still comes; somebody has to know whom to ask."""
    admission = cluster.server.cluster.admission
    admission.add_webhook(refusing("no labels today", 422), operations=("UPDATE",), resources=("nodes",))
    try:
        assert "no labels today" in label.handler(payload(), None)["denied"]
    finally:
        admission.remove()
    cordon.handler(payload(settle={"seconds": 0, "denied": "no labels today"}), None)
    assert "LabelDenied" in cluster.recorded(node)
    assert label.handler(payload(), None)["labelled"] is True


def test_a_drain_that_comes_back_does_not_settle_again(cluster, payload):
    """It has waited for the load balancers once; its pods are waiting now."""
    policy = {"settleTime": 60}
    assert label.handler(payload(policy=policy), None)["seconds"] == 60
    record = {**Progress(0, 0.0).to_document(), "next": "FindNode"}
    assert label.handler(payload(policy=policy, progress=record), None)["seconds"] == 0


def test_an_api_that_does_not_answer_is_asked_again_within_the_attempt(cluster, payload):
    """A pause of the state machine's would be longer than the outage."""
    cluster.server.faults.add(Fault(verb="patch", cut="reset"))
    asked = len(cluster.asked())
    assert cluster.as_actor(lambda: label.handler(payload(), None))["labelled"] is True
    assert cluster.server.faults.hits == 1
    assert cluster.asked()[asked:] == [("patch", "nodes", 200)]


def test_an_execution_of_the_first_definition_leaves_it_to_the_state_machine(cluster, payload):
    """Its function has 18 seconds, and its payload does not say how long it may wait."""
    cluster.server.faults.add(Fault(verb="patch", cut="reset"))
    event = payload()
    del event["waitSeconds"]
    with pytest.raises(KubeUnavailable):
        label.handler(event, None)


def test_a_payload_of_another_form_is_refused(cluster):
    """Whoever invokes the function by hand gets a sentence."""
    with pytest.raises(InvalidEvent, match=r"does not fit step\.json"):
        label.handler({"nodeName": "n"}, None)
