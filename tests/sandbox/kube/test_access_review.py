"""Rights, asked for before they are used: a review says what a request would then meet."""

import pytest

from stepdrain_recorded import audit
from stepdrain_sandbox import guarantees
from stepdrain_sandbox.workload import lone_pod

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
RULES = [
    {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]},
    {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]},
    {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": ["list", "watch"]},
]


@pytest.fixture
def drainer(kube, api):
    """Requests of a user who holds RULES, on a cluster with a running pod "app"."""
    kube.cluster.create({"kind": "ClusterRole", "metadata": {"name": "drains"}, "rules": RULES})
    kube.cluster.create(
        {
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "drains"},
            "roleRef": {"kind": "ClusterRole", "name": "drains"},
            "subjects": [{"kind": "Group", "name": "drainers"}],
        }
    )
    kube.cluster.create(lone_pod("app", "n"))
    kube.clock.sleep(3)
    return lambda method, path, body=None, media_type=None: api(method, path, body, "drainer", media_type)


def review(drainer, **attributes):
    """status.allowed of a review of these attributes."""
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    status, answer = drainer("POST", REVIEWS, {**body, "spec": {"resourceAttributes": attributes}})
    assert (status, answer["kind"]) == (201, "SelfSubjectAccessReview")
    return answer["status"]["allowed"]


@pytest.mark.parametrize(
    ("attributes", "allowed"),
    [
        ({"verb": "create", "resource": "pods", "subresource": "eviction", "namespace": "default"}, True),
        ({"verb": "create", "resource": "pods", "namespace": "default"}, False),
        ({"verb": "patch", "resource": "pods", "subresource": "status", "namespace": "default"}, True),
        ({"verb": "watch", "group": "policy", "resource": "poddisruptionbudgets"}, True),
        ({"verb": "watch", "resource": "poddisruptionbudgets"}, False),
        ({"verb": "delete", "resource": "pods", "namespace": "default", "name": "app"}, False),
    ],
)
def test_a_review_says_what_the_roles_say(drainer, attributes, allowed):
    """And is open to everybody whom the cluster knows."""
    assert review(drainer, **attributes) is allowed


def test_a_review_takes_away_what_a_removed_binding_takes(drainer, kube):
    """It is no memory of an earlier answer."""
    wanted = {"verb": "create", "resource": "pods", "subresource": "eviction", "namespace": "default"}
    assert review(drainer, **wanted)
    kube.cluster.remove("ClusterRoleBinding", "drains")
    assert not review(drainer, **wanted)


def test_reviews_of_another_form_are_refused(drainer, api):
    """What asks for nothing is a 422, what cannot be read a 400; nothing else can be done with a review."""
    assert drainer("POST", REVIEWS, {"spec": {}})[0] == 422
    assert drainer("POST", REVIEWS, {"spec": {"resourceAttributes": {"verb": 1}}})[0] == 400
    assert drainer("POST", REVIEWS, {"kind": "Pod"})[0] == 400
    assert api("GET", REVIEWS)[0] == 405
    assert api("POST", REVIEWS, {"spec": {}}, token="nobody")[0] == 401


def test_the_audit_log_proves_that_nothing_was_changed(drainer, kube):
    """Reviews and dry runs are told from writes, whether the query says so or the options in the body."""
    eviction = "/api/v1/namespaces/default/pods/app/eviction"
    review(drainer, verb="get", resource="nodes")
    dry = {"metadata": {"name": "app"}, "deleteOptions": {"dryRun": ["All"]}}
    assert drainer("POST", eviction, dry)[0] == 201
    assert drainer("POST", f"{eviction}?dryRun=All", {"metadata": {"name": "app"}})[0] == 201
    assert guarantees.anything_changed(kube.audit_log) == []
    assert audit.changes(kube.audit_log) == []
    assert drainer("POST", eviction, {"metadata": {"name": "app"}})[0] == 201
    (sentence,) = guarantees.anything_changed(kube.audit_log)
    assert sentence == f"create {eviction} was not a dry run (status 201)."


def test_the_status_of_a_pod_is_a_right_of_its_own(drainer, kube):
    """As a forced deletion marks its pod; conditions merge by their type, and all else stays."""
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    patch = {"status": {"conditions": [condition]}}
    strategic = "application/strategic-merge-patch+json"
    path = "/api/v1/namespaces/default/pods/app"
    status, pod = drainer("PATCH", f"{path}/status", patch, strategic)
    assert status == 200
    assert {condition["type"] for condition in pod["status"]["conditions"]} == {"Ready", "DisruptionTarget"}
    assert drainer("PATCH", path, patch, strategic)[0] == 403
    fewer = [rule for rule in RULES if rule["resources"] != ["pods/status"]]
    kube.cluster.change("ClusterRole", "drains", "", {"rules": fewer})
    refused, body = drainer("PATCH", f"{path}/status", patch, strategic)
    assert refused == 403
    assert 'cannot patch resource "pods/status" in API group ""' in body["message"]
