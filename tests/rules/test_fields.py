"""Whatever form a field has that others have written: the object is read, or skipped by its error."""

import copy

import pytest
from stepdrain.rules import budgets, node_marks, nodes, pods, waves
from stepdrain.rules.budgets import Ledger
from stepdrain.rules.nodes import Instance
from stepdrain.rules.policy import Policy
from stepdrain.states import find_node, wait_for_volumes

JUNK = (None, "", "many", 7, -1, 2.5, True, [], {}, [None], ["x"], {"x": None}, [{}])
SKIPPED = (KeyError, TypeError, ValueError, AttributeError)
"""What adapters.kube.calls.understood skips, with a warning."""
META = {
    "name": "x-1",
    "namespace": "shop",
    "uid": "u-1",
    "creationTimestamp": "2026-01-01T00:00:00Z",
    "labels": {"app": "x"},
}
POD = {
    "metadata": {
        **META,
        "annotations": {"stepdrain/wave": "1"},
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": 30,
        "finalizers": ["example.com/x"],
        "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": "r", "controller": True}
        ],
    },
    "spec": {
        "nodeName": "n",
        "priorityClassName": "high",
        "terminationGracePeriodSeconds": 30,
        "tolerations": [{"key": "a", "operator": "Equal", "value": "b", "effect": "NoSchedule"}],
        "volumes": [
            {"name": "a", "emptyDir": {}},
            {"name": "b", "persistentVolumeClaim": {"claimName": "c"}},
            {"name": "d", "ephemeral": {}},
        ],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}
                    ]
                }
            }
        },
    },
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}
BUDGET = {
    "metadata": {**META, "generation": 2},
    "spec": {
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {
            "matchLabels": {"app": "x"},
            "matchExpressions": [{"key": "app", "operator": "In", "values": ["x"]}],
        },
    },
    "status": {
        "observedGeneration": 2,
        "disruptionsAllowed": 1,
        "currentHealthy": 2,
        "desiredHealthy": 1,
        "expectedPods": 2,
        "conditions": [{"type": "DisruptionAllowed", "reason": "SyncFailed", "message": "no scale"}],
    },
}
NODE = {
    "metadata": {**META, "annotations": {"stepdrain/cordoned-by": "d"}},
    "spec": {"providerID": "", "unschedulable": True},
    "status": {
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
        "conditions": [{"type": "DrainInProgress", "status": "True", "message": "Drain d began: now"}],
    },
}
ATTACHMENT = {
    "metadata": {"name": "csi-1"},
    "spec": {"attacher": "ebs.csi.aws.com", "nodeName": "n", "source": {"persistentVolumeName": "pv-1"}},
}
CERTAIN = {("metadata",), ("metadata", "name"), ("metadata", "namespace"), ("metadata", "uid")}
"""What the API server itself guarantees of each object."""


def places(value, path=()):
    """The paths of all fields in a JSON value, outer ones first."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield (*path, key)
        yield from places(below, (*path, key))


def uncertain(item):
    """The paths of the fields that may be missing, or of another form."""
    return [path for path in places(item) if path not in CERTAIN]


def with_junk(item, path, junk):
    """A copy of the object in which that field is ``junk``, or missing where that is the text "missing"."""
    *way, last = path
    changed = copy.deepcopy(item)
    holder = changed
    for key in way:
        holder = holder[key]
    if junk == "missing":
        del holder[last]
    else:
        holder[last] = junk
    return changed


def damaged(item):
    """Copies of the object in which one field is missing, or of another form."""
    for path in uncertain(item):
        for junk in (*JUNK, "missing"):
            yield with_junk(item, path, junk)


def judged(raw):
    """All that a drain decides about a pod."""
    pod = pods.parse(raw)
    budget = budgets.parse(BUDGET)
    return (
        pods.verdict(pod, Policy(evict_daemonsets=True), since=0.0),
        Ledger([budget]).obstacle(pod),
        waves.first([pod]),
    )


def test_a_pod_of_any_form_is_read():
    """It is on the node, whatever it looks like: a pod that was skipped would go with the machine."""
    for raw in damaged(POD):
        verdict, _, _ = judged(raw)
        assert verdict.reason


def test_a_budget_of_another_form_is_read_or_skipped():
    """The API server knows it, and refuses the eviction."""
    pod = pods.parse({**POD, "metadata": {**POD["metadata"], "deletionTimestamp": None}})
    read = 0
    for raw in damaged(BUDGET):
        try:
            budget = budgets.parse(raw)
        except SKIPPED:
            continue
        read += 1
        Ledger([budget]).obstacle(pod)
    assert read > 100


def test_a_node_of_any_form_is_compared():
    """One odd Node among a thousand must not hide the instance's own."""
    instance = Instance("i-0123456789abcdef0", "x-1", frozenset({"10.0.0.1"}))
    for raw in damaged(NODE):
        found = nodes.of_instance([NODE, {**raw, "metadata": {**raw["metadata"], "name": "x-2"}}], instance)
        assert found[0]["metadata"]["name"] in ("x-1", "x-2")
        nodes.unprotected(raw, "x-1", "u-1")
        find_node.reference(raw)
        node_marks.undo(raw)
        assert nodes.silent(raw) in (True, False)


def test_an_attachment_of_another_form_is_read_or_skipped():
    """Who attached it is for the message alone."""
    for raw in damaged(ATTACHMENT):
        try:
            wait_for_volumes.parse(raw)
        except SKIPPED:
            continue
    without = {**ATTACHMENT, "spec": {key: ATTACHMENT["spec"][key] for key in ("nodeName", "source")}}
    assert wait_for_volumes.parse(without).attacher == "no driver"


@pytest.mark.parametrize("selector", ["", [], "app=x", {"matchLabels": ["app"]}, {"matchExpressions": [{}]}])
def test_a_budget_whose_selector_is_none_is_skipped(selector):
    """Its reading must fail where it can be skipped, and not when the first pod is compared."""
    with pytest.raises(SKIPPED):
        budgets.parse({**BUDGET, "spec": {"selector": selector}})
