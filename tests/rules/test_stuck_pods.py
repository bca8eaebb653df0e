"""Which pods are given up because nobody would end them any more."""

from dataclasses import replace

import pytest
from stepdrain.document.progress import Progress
from stepdrain.document.step import NodeRef, parse
from stepdrain.rules import stuck_pods
from stepdrain.rules.pods import Pod
from stepdrain.rules.policy import Policy
from stepdrain.states import remaining_pods

from tests.document.test_progress import an_event

T0 = 1_767_225_600.0
POD = Pod("shop", "web-1", "u", "Running", True, {}, {}, "", None, False, 30, 0.0, T0)
NODE = NodeRef("n1", "uid")


def a_node(uid="uid", **conditions):
    return {
        "metadata": {"name": "n1", "uid": uid},
        "status": {"conditions": [{"type": kind, "status": status} for kind, status in conditions.items()]},
    }


@pytest.mark.parametrize(("now", "late"), [(T0 + 299, False), (T0 + 300, True)])
def test_a_pod_is_overdue_the_margin_after_its_grace(now, late):
    """deletionTimestamp is when the grace ends, not when the pod was asked to go."""
    assert bool(stuck_pods.overdue([POD], Policy(), now)) is late


def test_a_pod_that_nobody_asked_to_go_is_never_overdue():
    """It is to be evicted, within its budget, whatever its kubelet does."""
    assert stuck_pods.overdue([replace(POD, deletion_at=None)], Policy(), T0 + 9999) == []


@pytest.mark.parametrize(
    ("node", "silent"),
    [
        (a_node(Ready="True"), False),
        (a_node(Ready="Unknown"), True),
        (a_node(Ready="False"), True),
        (a_node(MemoryPressure="True"), True),
        ({"metadata": {"uid": "uid"}}, True),
        (a_node(uid="another", Ready="True"), True),
        (None, True),
    ],
)
def test_a_node_is_silent_unless_it_is_ready(node, silent):
    """And unless it is the very node of the drain."""
    assert stuck_pods.silent(node, NODE.uid) is silent


def test_a_pod_is_named_five_minutes_after_it_would_be_given_up():
    """Its kubelet answers, so it is waited for; the latest stands first, since only 20 are named."""
    later = replace(POD, name="web-2", deletion_at=T0 + 1)
    assert stuck_pods.unended([later, POD], Policy(), T0 + 599) == []
    assert stuck_pods.unended([later, POD], Policy(), T0 + 600) == [POD]
    assert stuck_pods.unended([later, POD], Policy(), T0 + 601) == [POD, later]


def test_a_pod_that_nobody_asked_to_go_is_never_unended():
    """Its deletion has no time yet."""
    assert stuck_pods.unended([replace(POD, deletion_at=None)], Policy(), T0 + 9999) == []


@pytest.mark.parametrize(
    ("silent", "overdue_pods", "since_s"),
    [(True, "wait", 300), (True, "give-up", 300), (False, "give-up", 600), (False, "wait", None)],
)
def test_when_a_pod_is_given_up(silent, overdue_pods, since_s):
    """Of a silent kubelet after stuckAfter; of one that answers five minutes later, or never."""
    policy = Policy(overdue_pods=overdue_pods)
    found = [
        after
        for after in (0, 299, 300, 599, 600, 9999)
        if stuck_pods.given_up([POD], policy, T0 + after, silent=silent)
    ]
    assert found == [after for after in (0, 299, 300, 599, 600, 9999) if since_s and after >= since_s]


def test_given_up_pods_are_named_like_blockers():
    """At most 20, since the document is small."""
    named = stuck_pods.names([replace(POD, name=f"web-{number}") for number in range(25)])
    assert named[0] == "shop/web-0: given up, its grace ended at 2026-01-01T00:00:00Z"
    assert named[-1] == "and 5 more"


@pytest.mark.parametrize(
    ("given_up", "now", "called_back"), [(1, T0 + 300, False), (0, T0 + 300, True), (1, T0, True)]
)
def test_pods_that_were_given_up_do_not_call_the_drain_back(given_up, now, called_back):
    """They stay on the node to its end: a drain that went back to them would never rest."""
    step = parse(an_event(progress=Progress(0, T0, stuck=given_up).to_document()))
    assert remaining_pods.occupied(remaining_pods.sort([POD], step), step, now) is called_back


@pytest.mark.parametrize(("overdue_pods", "called_back"), [("wait", True), ("give-up", False)])
def test_pods_given_up_on_a_ready_node_do_not_call_the_drain_back(overdue_pods, called_back):
    """WaitForVolumes and EvictBatch decide as WaitForPods did, each for itself."""
    step = parse(an_event(policy={"overduePods": overdue_pods}))
    assert remaining_pods.occupied(remaining_pods.sort([POD], step), step, T0 + 600) is called_back


def test_an_execution_on_the_first_definition_gives_up_no_pod_on_a_ready_node():
    """It would drop the fields that name them."""
    event = an_event(policy={"overduePods": "give-up"})
    del event["waitSeconds"]
    assert parse(event).policy.overdue_pods == "wait"


@pytest.mark.parametrize(
    ("finalizers", "why"),
    [
        ((), "it has no finalizers; look at the kubelet's log"),
        (("a/b", "c/d"), "its finalizers hold it (a/b, c/d)"),
    ],
)
def test_an_unended_pod_is_named_with_where_to_look(finalizers, why):
    """A finalizer is its owner's; without one it is the kubelet's doing."""
    pod = replace(POD, finalizers=finalizers)
    late = f"should have ended by 2026-01-01T00:00:00Z, and its node is Ready: {why}"
    assert list(map(str, stuck_pods.why_unended([pod]))) == [f"shop/web-1: {late}"]
    assert stuck_pods.names_unended([pod]) == (f"shop/web-1: given up: it {late}",)


def test_the_longest_unended_stands_first():
    """Only twenty are named."""
    pods = [replace(POD, name=name, deletion_at=T0 + late) for name, late in (("b", 2), ("a", 1), ("c", 3))]
    assert [pod.name for pod in stuck_pods.unended(pods, Policy(), T0 + 9999)] == ["a", "b", "c"]
    assert stuck_pods.named_from(pods[0], Policy(stuck_after=60)) == T0 + 2 + 60 + 300
