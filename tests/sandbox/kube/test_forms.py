"""What the server refuses to read, and what it leaves alone."""

import pytest

from stepdrain_sandbox.workload import budget, lone_pod

POD = "/api/v1/namespaces/default/pods/app"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
NODE = "/api/v1/nodes/n"


@pytest.fixture
def app(kube):
    """A running pod called "app"."""
    kube.cluster.create(lone_pod("app", "n"))
    kube.clock.sleep(3)


WRONG_EVICTIONS = [
    ({}, "name in URL does not match name in Eviction object"),
    ({"metadata": {"name": "other"}}, "name in URL does not match name in Eviction object"),
    ({"metadata": {"name": "app", "namespace": "other"}}, "the namespace of the provided object"),
    ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app"}}, "the API version in the data (v1)"),
    ({"apiVersion": "policy/v2", "metadata": {"name": "app"}}, "the API version in the data (policy/v2)"),
    ({"apiVersion": "policy/v1", "kind": "Evict", "metadata": {"name": "app"}}, 'no kind "Evict"'),
    ({"metadata": []}, "cannot unmarshal array into Go struct field Eviction.metadata of type v1.ObjectMeta"),
    ({"metadata": {"name": 7}}, "Go struct field Eviction.metadata.name of type string"),
    ({"metadata": {"name": "app"}, "deleteOptions": "now"}, "cannot unmarshal string into Go struct field"),
    ({"metadata": {"name": "app"}, "deleteOptions": {"gracePeriodSeconds": "5"}}, "of type int64"),
    ({"metadata": {"name": "app"}, "deleteOptions": {"gracePeriodSeconds": True}}, "cannot unmarshal bool"),
    ({"metadata": {"name": "app"}, "deleteOptions": {"preconditions": "x"}}, "of type v1.Preconditions"),
    ({"metadata": {"name": "app"}, "deleteOptions": {"dryRun": "All"}}, "of type []string"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "why"), WRONG_EVICTIONS)
def test_an_eviction_of_another_form_is_a_400_and_evicts_nothing(app, api, kube, body, why):
    """Accepted here and refused there, a client's mistake would reach production."""
    status, answer = api("POST", f"{POD}/eviction", body)
    assert (status, answer["reason"]) == (400, "BadRequest")
    assert why in answer["message"]
    assert "details" not in answer
    assert "deletionTimestamp" not in kube.cluster.get("Pod", "app")["metadata"]


def test_delete_options_have_a_form_too(app, api):
    """A number in quotes is no number; there is one kind of dry run."""
    assert api("DELETE", POD, {"gracePeriodSeconds": "5"})[0] == 400
    status, answer = api("DELETE", f"{POD}?dryRun=some")
    assert (status, answer["details"]["kind"]) == (422, "DeleteOptions")
    assert api.evict("app", dryRun=["some"])[0] == 422
    assert api("GET", POD)[1]["status"]["phase"] == "Running"


def test_answers_to_delete_and_patch_name_the_object_with_its_group(api, kube):
    """Clients read what it was about from the details."""
    named = {"name": "b", "group": "policy", "kind": "poddisruptionbudgets"}
    for method, body in (("DELETE", None), ("PATCH", {})):
        assert api(method, f"{BUDGETS}/b", body)[1]["details"] == named
    kept = kube.cluster.create(budget("default", "b", {"app": "b"}, 1))
    stale = api("PATCH", f"{BUDGETS}/b", {"metadata": {"resourceVersion": "1"}})
    assert (stale[0], stale[1]["details"]) == (409, named)
    status, other = api("DELETE", f"{BUDGETS}/b", {"preconditions": {"uid": "x"}})
    assert (status, other["details"]) == (409, {**named, "kind": "PodDisruptionBudget"})
    status, gone = api("DELETE", f"{BUDGETS}/b")
    assert (status, gone["details"]) == (200, {**named, "uid": kept["metadata"]["uid"]})


def test_the_disruption_target_stays_on_a_pod_that_is_deleted_after_its_eviction(app, api, kube):
    """A Job's podFailurePolicy reads it from the last that is seen of the pod."""
    api.evict("app")
    kube.clock.sleep(1)
    ending = api("DELETE", POD, {"gracePeriodSeconds": 0})[1]
    conditions = {condition["type"]: condition for condition in ending["status"]["conditions"]}
    assert conditions["DisruptionTarget"]["reason"] == "EvictionByEvictionAPI"
    assert conditions["Ready"]["status"] == "True"


def test_an_eviction_marks_a_pod_that_terminates_already(app, api):
    """As upstream: the condition is set before the deletion that changes nothing any more."""
    api("DELETE", POD)
    assert api.evict("app")[0] == 201
    assert "DisruptionTarget" in str(api("GET", POD)[1]["status"]["conditions"])


@pytest.mark.parametrize(
    "patch",
    [
        {},
        {"metadata": {"labels": {}}},
        {"metadata": {"annotations": {"stepdrain/cordoned-by": None}}},
        {"spec": {"unschedulable": None}},
        {"spec": {"unschedulable": False, "taints": []}},
        {"metadata": {"uid": None, "creationTimestamp": None, "generation": 7}},
    ],
)
def test_a_patch_that_changes_nothing_leaves_the_version_alone(api, kube, patch):
    """Else a second attempt would look like a change, to a watch and to whoever compares versions."""
    before = kube.cluster.get("Node", "n")
    assert api("PATCH", NODE, patch) == (200, before)
    assert kube.cluster.get("Node", "n") is before


def test_a_dry_run_stores_nothing_and_says_so_in_the_audit_log(app, api, kube):
    """All checks, every answer as it would be; the log's URI tells it from a change."""
    version = kube.cluster.store.version
    asked = [
        api.evict("app", "?dryRun=All"),
        api("DELETE", f"{POD}?dryRun=All"),
        api("PATCH", f"{NODE}?dryRun=All", {"spec": {"unschedulable": True}}),
        api("POST", "/api/v1/namespaces/default/events?dryRun=All",
            {"metadata": {"generateName": "e-"}, "involvedObject": {"kind": "Node", "name": "n"}}),
        api("PATCH", f"{POD}/status?dryRun=All", {"status": {"phase": "Failed"}}),
        api("POST", BUDGETS + "?dryRun=All", budget("default", "b", {"app": "b"}, 1)),
    ]  # fmt: skip
    assert [status for status, _ in asked] == [201, 200, 200, 201, 200, 201]
    assert kube.cluster.store.version == version
    mine = [event for event in kube.audit_log if event["userAgent"] == "stepdrain/test"]
    assert all("dryRun=All" in event["requestURI"] for event in mine)
    assert len(mine) == len(asked)
