"""The Events on a Node; that they are stored, and once, is judged in tests/steps."""

import pytest
from stepdrain.document.progress import Progress
from stepdrain.document.step import NodeRef
from stepdrain.errors import KubeConflict, KubeForbidden
from stepdrain.reporting.node_events import drained, node_event, record_event

NODE = NodeRef("n1", "uid-1")


def name(node=NODE, reason="Drained", occasion="e"):
    return node_event(node, reason, "m", occasion, 0)["metadata"]["name"]


def test_the_same_chapter_of_the_same_drain_has_one_name():
    """So a retried step meets its own Event (409) instead of writing another."""
    assert name() == name()
    others = [name(NodeRef("n1", "uid-2")), name(reason="DrainStarted"), name(occasion="e/1")]
    assert len({name(), *others}) == 4


def test_long_names_and_messages_stay_within_what_the_api_takes():
    """253 characters for a name."""
    event = node_event(NodeRef("n" * 253, "u"), "PodsBlocked", "m" * 5000, "e", 0)
    assert len(event["metadata"]["name"]) <= 253
    assert len(event["message"]) == 1000


@pytest.mark.parametrize(
    ("evicted", "sentence"),
    [(1, "Drain d is done: 1 pod was evicted"), (2, "Drain d is done: 2 pods were evicted")],
)
def test_one_pod_is_not_many(evicted, sentence):
    """It is read by people."""
    assert drained("d", Progress(0, 0, evicted=evicted)) == ("Drained", sentence)


def test_pods_that_were_given_up_are_named_with_the_reason():
    """Those of a silent kubelet, and those that did not end on a Ready node."""
    late = {"unended": 2, "unended_pods": ("c/d: y", "e/f: z")}
    record = Progress(0, 0, evicted=3, stuck=1, stuck_pods=("a/b: x",), **late)
    assert drained("d", record) == (
        "DrainedButStuck",
        "Drain d is done: 3 pods were evicted. 1 pod was given up, since the node's kubelet no longer "
        "answers: a/b: x. 2 pods were given up, although the node is Ready: c/d: y; e/f: z.",
    )


class Refusing:
    """A cluster that takes no Events."""

    def __init__(self, error):
        self.error = error

    def create_event(self, event):
        raise self.error


def test_an_event_that_stands_there_already_is_no_failure():
    """It was reported."""
    assert record_event(Refusing(KubeConflict("exists")), NODE, "Drained", "m", "e", 0) is None


def test_a_refused_event_is_a_sentence_for_the_log():
    """And never an error of the step."""
    recorded = record_event(Refusing(KubeForbidden("no")), NODE, "Drained", "m", "e", 0)
    assert recorded == "Event Drained could not be written: no"
