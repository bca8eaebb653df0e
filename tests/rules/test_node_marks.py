"""What is taken back from a node: what a drain of ours has set, and nothing that is another's."""

import pytest
from stepdrain.document.step import NodeRef
from stepdrain.reporting import node_conditions
from stepdrain.rules import node_marks
from stepdrain.rules.node_marks import CORDONED_BY, EXCLUDE_LABEL, LABELLED_BY, Marks, Undo


def node(annotations=None, conditions=()):
    return {
        "metadata": {
            "name": "n1",
            "uid": "u1",
            "labels": {EXCLUDE_LABEL: "true"},
            "annotations": annotations or {},
        },
        "spec": {"unschedulable": True},
        "status": {"conditions": list(conditions)},
    }


BOTH = {LABELLED_BY: "d1", CORDONED_BY: "d2"}


def test_what_two_drains_have_set_is_taken_back_by_one_patch():
    """The node's UID is in it."""
    assert node_marks.undo(node(BOTH)) == Undo(
        ("label", "cordon"),
        {
            "metadata": {
                "uid": "u1",
                "annotations": {LABELLED_BY: None, CORDONED_BY: None},
                "labels": {EXCLUDE_LABEL: None},
            },
            "spec": {"unschedulable": None},
        },
        None,
    )


def test_what_has_no_annotation_is_somebody_elses_and_stays():
    """The node is labelled and cordoned all the same."""
    assert node_marks.undo(node()) == Undo((), None, None)
    only_label = node_marks.undo(node({LABELLED_BY: "d1"}))
    assert (only_label.what, "spec" in only_label.node) == (("label",), False)


@pytest.mark.parametrize("running", [{"d1"}, {"d2"}, {"d1", "other"}])
def test_nothing_is_taken_back_while_a_drain_runs_that_set_some_of_it(running):
    """The whole node is that drain's until it ends."""
    assert node_marks.held_by(node(BOTH), running) in running
    assert node_marks.undo(node(BOTH), running) == Undo((), None, None)


def test_a_running_drain_of_another_node_changes_nothing():
    """Only names that stand on this node count."""
    assert node_marks.undo(node(BOTH), {"other"}).what == ("label", "cordon")


@pytest.mark.parametrize("state", list(node_conditions.State))
@pytest.mark.parametrize("sentence", ["began: x", "is done: 2 pods", "was redriven", "ended as FAILED at"])
def test_the_conditions_that_a_drain_writes_are_known_as_its_own(state, sentence):
    """Written by the code that writes them."""
    reference = NodeRef("n1", "u1")
    written = node_conditions.patch(reference, state, f"Drain i-1-abc {sentence}", 0.0)["status"][
        "conditions"
    ]
    found = node_marks.undo(node(conditions=written))
    assert found.what == ("conditions",)
    assert found.status["status"]["conditions"] == [
        {"$patch": "delete", "type": "DrainInProgress"},
        {"$patch": "delete", "type": "Drained"},
    ]


def test_conditions_that_another_drainer_writes_stay():
    """The types are Kubernetes' own (KEP-5683); the message tells whose they are."""
    others = [
        {"type": "Drained", "status": "True", "message": "kubectl drain has drained it"},
        {"type": "Drained", "status": "True"},
        {"type": "Ready", "status": "True", "message": "Drain x began"},
    ]
    assert node_marks.undo(node(conditions=others)) == Undo((), None, None)


def test_the_commands_for_a_person_take_back_the_same():
    """For who cannot be helped by a program: each can be pasted."""
    assert node_marks.kubectl("n1", Marks("d1", "d1", {"Drained": "d1"})) == [
        "kubectl label node n1 node.kubernetes.io/exclude-from-external-load-balancers-",
        "kubectl uncordon n1",
        "kubectl annotate node n1 stepdrain/labelled-by- stepdrain/cordoned-by-",
        "kubectl patch node n1 --subresource=status --type=strategic "
        '--patch=\'{"status":{"conditions":[{"$patch":"delete","type":"Drained"}]}}\'',
    ]
    assert node_marks.kubectl("n1", Marks("", "d1")) == [
        "kubectl uncordon n1",
        "kubectl annotate node n1 stepdrain/cordoned-by-",
    ]
    assert node_marks.kubectl("n1", Marks()) == []
