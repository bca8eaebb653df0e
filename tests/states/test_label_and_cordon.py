"""Label and Cordon: a drain signs what it has set, and never what others had set."""

import pytest
from stepdrain.document.step import NodeRef
from stepdrain.errors import AdmissionDenied, KubeForbidden, KubeUnavailable
from stepdrain.rules.node_marks import CORDONED_BY, EXCLUDE_LABEL, LABELLED_BY
from stepdrain.states.cordon import cordon
from stepdrain.states.label import exclude_from_load_balancers
from stepdrain.states.node_patch import Patched


class Cluster:
    """Notes the patches of nodes, and answers when it was, with None if the node is gone, or by an error."""

    def __init__(self, answer):
        self.answer, self.patches = answer, []

    def patch_node(self, name, body):
        self.patches.append((name, body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("by_others", [False, True])
def test_a_label_is_signed_unless_it_was_there(by_others):
    """Uncordon takes back what is signed, and that alone."""
    cluster = Cluster(Patched(7.0))
    node = NodeRef("n", "u", excluded=by_others)
    assert exclude_from_load_balancers(cluster, node, "d") == (True, "")
    signed = {} if by_others else {"annotations": {LABELLED_BY: "d"}}
    assert cluster.patches == [("n", {"metadata": {"uid": "u", "labels": {EXCLUDE_LABEL: "true"}, **signed}})]


@pytest.mark.parametrize("by_others", [False, True])
def test_a_cordon_is_signed_unless_it_was_there(by_others):
    """A person's cordon outlives the drain."""
    cluster = Cluster(Patched(7.0))
    assert cordon(cluster, NodeRef("n", "u", cordoned=by_others), "d") == Patched(7.0)
    signed = {} if by_others else {"annotations": {CORDONED_BY: "d"}}
    assert cluster.patches == [("n", {"spec": {"unschedulable": True}, "metadata": {"uid": "u", **signed}})]


def test_a_node_that_is_gone_has_neither():
    """And there is no reason to look for."""
    node = NodeRef("n", "u")
    assert exclude_from_load_balancers(Cluster(None), node, "d") == (False, "")
    assert cordon(Cluster(None), node, "d") is None


@pytest.mark.parametrize("refused", [KubeForbidden("no right"), AdmissionDenied("a webhook says no")])
def test_a_label_that_is_refused_has_a_reason_and_a_cordon_an_error(refused):
    """The cordon is what a drain cannot do without."""
    node = NodeRef("n", "u")
    assert exclude_from_load_balancers(Cluster(refused), node, "d") == (False, str(refused))
    with pytest.raises(type(refused)):
        cordon(Cluster(refused), node, "d")


def test_an_api_that_does_not_answer_has_refused_nothing():
    """It is asked again."""
    with pytest.raises(KubeUnavailable):
        exclude_from_load_balancers(Cluster(KubeUnavailable("timeout")), NodeRef("n", "u"), "d")
