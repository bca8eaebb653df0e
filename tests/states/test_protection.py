"""What was set is looked at again: once a round, and set again by Label and Cordon alone."""

from dataclasses import replace

import pytest
from stepdrain.document.step import parse
from stepdrain.rules.node_marks import EXCLUDE_LABEL
from stepdrain.rules.nodes import unprotected
from stepdrain.states.protection import FRESH_S, lost

START, CORDONED = 1767225600.0, 1767225601.0
LATER = CORDONED + FRESH_S


def a_node(**changes):
    node = {
        "metadata": {"name": "n", "uid": "u", "labels": {EXCLUDE_LABEL: "true"}},
        "spec": {"unschedulable": True},
    }
    return {**node, **changes}


class Cluster:
    def __init__(self, node):
        self.found, self.asked = node, 0

    def node(self, name):
        self.asked += 1
        return self.found


def a_step(attempt=0, **record):
    known = {"number": 0, "heartbeatAt": "2026-01-01T00:00:00Z", "next": "WaitForPods", "evicted": 0}
    counts = {"leaving": 0, "blocked": 0, "stuck": 0, "forced": 0, "blockers": [], "orphans": []}
    return parse(
        {
            "execution": {"StartTime": "2026-01-01T00:00:00.000Z", "Name": "d"},
            "state": {"EnteredTime": "2026-01-01T00:00:00Z", "RetryCount": attempt, "Name": "WaitForPods"},
            "waitSeconds": 120,
            "drain": {
                "nodeName": "n",
                "cluster": "demo",
                "node": {"name": "n", "uid": "u"},
                "progress": {**known, **counts, "foundAgainIn": -1, **record},
            },
        }
    )


@pytest.mark.parametrize(
    ("node", "why"),
    [
        (a_node(), ""),
        (None, "Node n is gone"),
        (a_node(metadata={"name": "n", "uid": "another"}), "registered anew"),
        (a_node(spec={}), "its cordon was lifted"),
        (a_node(spec=None), "its cordon was lifted"),
        (a_node(metadata={"name": "n", "uid": "u"}), f"its label {EXCLUDE_LABEL} is missing"),
        (a_node(metadata={"name": "n", "uid": "u"}, spec={}), "its cordon was lifted and its label"),
    ],
)
def test_what_is_lost_is_named(node, why):
    """Whoever reads the Event looks for who has changed the node."""
    found = unprotected(node, "n", "u")
    assert why in found if why else found == ""


def test_a_drain_goes_back_by_find_node_once_a_round():
    """Nothing else patches nodes; two tools that set and lift a cordon in turn must not fill the history."""
    record, why = lost(a_step(number=2), Cluster(a_node(spec={})), LATER)
    assert (record.next, record.found_again_in) == ("FindNode", 2)
    assert "cordon" in why
    assert lost(a_step(number=2, foundAgainIn=2), Cluster(None), LATER) is None
    assert lost(a_step(number=3, foundAgainIn=2), Cluster(None), LATER) is not None


@pytest.mark.parametrize(
    ("step", "now"),
    [
        (a_step(attempt=1), LATER),
        (a_step(), LATER - 1),
        (a_step(number=1, foundAgainIn=1), LATER),
        (replace(a_step(), progress=replace(a_step().progress, found_again_in=None)), LATER),
    ],
    ids=["a later attempt", "a fresh cordon", "the same round", "an old definition"],
)
def test_nothing_is_asked_where_nothing_could_come_of_it(step, now):
    """A quick drain costs no further request."""
    cluster = Cluster(None)
    assert lost(step, cluster, now) is None
    assert cluster.asked == 0


def a_silent_node():
    return a_node(status={"conditions": [{"type": "Ready", "status": "Unknown"}]})


def test_a_node_that_falls_silent_is_found_again():
    """Its kubelet may have taken another name just before FindNode took the expected one."""
    record, why = lost(a_step(), Cluster(a_silent_node()), LATER)
    assert record.next == "FindNode"
    assert "another name" in why


def test_a_node_that_was_silent_when_it_was_found_is_not_looked_for():
    """FindNode has seen all nodes then: the instance has no better one."""
    step = a_step()
    known = replace(step, found_node=replace(step.node, silent=True))
    assert lost(known, Cluster(a_silent_node()), LATER) is None


def test_on_the_first_definition_a_fresh_cordon_is_looked_at_too():
    """Its laps have no pause: pods without grace would land on the node and be evicted again and again."""
    assert lost(replace(a_step(), wait_s=None), Cluster(a_node(spec={})), LATER - 1) is not None


def test_a_node_that_stands_as_it_was_left_costs_one_request():
    """And the drain goes on."""
    cluster = Cluster(a_node())
    assert lost(a_step(), cluster, LATER) is None
    assert cluster.asked == 1


@pytest.mark.parametrize(
    ("attempt", "last", "now_s", "asked"),
    [
        # Seconds after the cordon.
        (0, False, 29, 0),
        (0, False, 30, 1),
        (1, False, 300, 0),
        (0, True, 1, 1),
        (1, True, 300, 1),
    ],
)
def test_the_node_is_looked_at_half_a_minute_after_the_cordon_and_at_last(attempt, last, now_s, asked):
    """A cordon that was lifted at once would let the instance go with what has landed there meanwhile."""
    cluster, step = Cluster(a_node()), a_step(attempt)
    assert lost(step, cluster, step.cordoned_at + now_s, last=last) is None
    assert cluster.asked == asked


def test_nothing_is_fresh_where_cordon_had_no_node_to_mark():
    """The node is looked at in each attempt, until the drain has gone back once in this round."""
    step = replace(a_step(attempt=1), uncordoned=True)
    record, why = lost(step, Cluster(None), START)
    assert (record.next, why) == ("FindNode", "Node n is gone")
    again = replace(step, progress=replace(step.progress, found_again_in=step.progress.number))
    assert lost(again, Cluster(None), START) is None
