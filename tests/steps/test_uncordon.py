"""Uncordon: what drains of ours had set on the node is undone, and what others had set stays."""

import pytest
from stepdrain.errors import KubeForbidden
from stepdrain.rules.node_marks import CORDONED_BY, EXCLUDE_LABEL, LABELLED_BY
from stepdrain.steps import cordon, label, uncordon


def marks(cluster, node):
    """The label's value, and whether the node is cordoned."""
    found = cluster.get("Node", node)
    return (found["metadata"].get("labels") or {}).get(EXCLUDE_LABEL), found["spec"].get("unschedulable")


def test_a_drain_is_undone_by_one_patch(cluster, node, payload):
    """The node of an instance that comes back from a warm pool serves again."""
    label.handler(payload(), None)
    cordon.handler(payload(), None)
    cluster.server.audit_log.clear()
    assert uncordon.handler(payload(), None) == {"undone": ["label", "cordon"], "findings": []}
    assert marks(cluster, node) == (None, None)
    assert cluster.asked() == [("get", "nodes", 200), ("patch", "nodes", 200)]
    annotations = cluster.get("Node", node)["metadata"].get("annotations") or {}
    assert not {LABELLED_BY, CORDONED_BY} & annotations.keys()


def test_a_second_time_changes_nothing(cluster, node, payload):
    """A retry after an answer that was lost."""
    cordon.handler(payload(), None)
    uncordon.handler(payload(), None)
    cluster.server.audit_log.clear()
    assert uncordon.handler(payload(), None) == {"undone": [], "findings": []}
    assert cluster.asked() == [("get", "nodes", 200)]


def test_what_a_person_had_cordoned_stays_so(cluster, node, payload):
    """Only what has our annotation is ours."""
    cluster.change("Node", node, None, {"spec": {"unschedulable": True}})
    label.handler(payload(), None)
    assert uncordon.handler(payload(), None) == {"undone": ["label"], "findings": []}
    assert marks(cluster, node) == (None, True)


def test_a_node_that_is_gone_has_nothing_to_undo(cluster, node, payload):
    """The instance was replaced meanwhile."""
    event = payload()
    cluster.remove("Node", node)
    assert uncordon.handler(event, None) == {"undone": [], "findings": []}


def test_tags_that_were_not_read_are_told_on_the_new_node(cluster, node, payload):
    """An arriving instance has no Cordon that would tell it."""
    uncordon.handler(payload(warnings=["Tag stepdrain:admit-timeout: no number. Using 900."]), None)
    assert cluster.recorded(node) == ["TagIgnored"]


def test_a_missing_permission_stops_the_admission(powerless, node, payload):
    """The node may still be cordoned; it must not be said to serve."""
    with pytest.raises(KubeForbidden, match=r'cannot get resource "nodes"'):
        uncordon.handler(payload(), None)
