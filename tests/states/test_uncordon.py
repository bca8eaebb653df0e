"""Uncordon: what is taken back, by which patches, and what forbids it."""

import pytest
from stepdrain.document.step import NodeRef
from stepdrain.errors import KubeForbidden
from stepdrain.rules.node_marks import CORDONED_BY, EXCLUDE_LABEL, LABELLED_BY
from stepdrain.states.node_patch import Patched
from stepdrain.states.uncordon import undo

NODE, CHANGED = NodeRef("n", "u"), Patched(1.0)
ALL = {LABELLED_BY: "old", CORDONED_BY: "new"}
CONDITION = {"type": "Drained", "message": "Drain old is done"}


class Cluster:
    """One Node; notes the patches of it, and of its status."""

    def __init__(self, annotations=None, conditions=(), *, gone=False, changed=CHANGED, denied=False):
        metadata = {"name": "n", "uid": "u", "resourceVersion": "7", "annotations": annotations or {}}
        self._node = None if gone else {"metadata": metadata, "status": {"conditions": list(conditions)}}
        self._changed, self._denied, self.patches, self.statuses = changed, denied, [], []

    def node(self, name):
        return self._node

    def patch_node(self, name, body):
        self.patches.append(body)
        return self._changed

    def patch_node_status(self, name, body):
        self.statuses.append(body)
        if self._denied:
            raise KubeForbidden("no")
        return {}


def nobody(_drains):
    return set()


def test_marks_are_taken_back_by_a_patch_of_the_node_that_was_read():
    """Of no successor, and not if anything has changed since: a drain may just have begun."""
    cluster = Cluster(ALL)
    assert undo(cluster, NODE, nobody) == (["label", "cordon"], "")
    metadata = {
        "uid": "u",
        "resourceVersion": "7",
        "annotations": {LABELLED_BY: None, CORDONED_BY: None},
        "labels": {EXCLUDE_LABEL: None},
    }
    assert cluster.patches == [{"metadata": metadata, "spec": {"unschedulable": None}}]
    assert cluster.statuses == []


def test_conditions_are_taken_back_from_the_status():
    """Without a patch of the Node where nothing else is ours."""
    cluster = Cluster(conditions=[CONDITION])
    assert undo(cluster, NODE, nobody) == (["conditions"], "")
    assert (cluster.patches, len(cluster.statuses)) == ([], 1)


def test_conditions_that_may_not_be_taken_back_do_not_keep_a_node_from_serving():
    """Their right goes with a parameter; they are not said to be undone."""
    assert undo(Cluster(ALL, [CONDITION], denied=True), NODE, nobody) == (["label", "cordon"], "")


@pytest.mark.parametrize("cluster", [Cluster(gone=True), Cluster(ALL, [CONDITION], changed=None), Cluster()])
def test_nothing_is_undone_on_a_node_that_is_gone_or_has_no_marks(cluster):
    """Nor on a successor of the name, whose status is not touched either."""
    assert undo(cluster, NODE, nobody) == ([], "")
    assert cluster.statuses == []


def test_what_a_drain_that_still_counts_has_set_stands():
    """All of it: the node of a drain that runs must not serve."""
    cluster, asked = Cluster(ALL), []

    def standing(drains):
        asked.append(set(drains))
        return {"new"}

    assert undo(cluster, NODE, standing) == ([], "new")
    assert (asked, cluster.patches) == ([{"old", "new"}], [])


def test_nobody_is_asked_about_a_node_without_marks():
    """It is a request to Step Functions for each."""

    def standing(drains):
        raise AssertionError(drains)

    assert undo(Cluster(), NODE, standing) == ([], "")
