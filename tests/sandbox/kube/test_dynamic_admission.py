"""Webhooks and admission policies refuse as kube-apiserver v1.36.2 was recorded to, field by field."""

import pytest

from stepdrain_sandbox.kube.dynamic_admission import Verdict, hanging, refusing, unreachable
from stepdrain_sandbox.kube.faults import Fault
from stepdrain_sandbox.workload import lone_pod

WHY = "its operator will move this pod"
DENIED = f'admission webhook "guard.example.com" denied the request: {WHY}'
STATUS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
CALLING = (
    'failed calling webhook "guard.example.com": failed to call webhook: '
    'Post "https://guard.guard.svc:443/validate?timeout=10s": '
)


@pytest.fixture
def admission(kube):
    """The cluster's admission, before the pods "app" and "other"."""
    for name in ("app", "other"):
        kube.cluster.create(lone_pod(name, "n"))
    kube.clock.sleep(3)
    return kube.cluster.admission


@pytest.mark.parametrize("code", [400, 403, 409, 422, 429, 500])
def test_a_webhook_refuses_with_its_own_code_and_nothing_else(admission, api, code):
    """No reason, no details, no Retry-After: a 409 is not "gone" and a 429 is not "throttled"."""
    admission.add_webhook(refusing(WHY, code))
    assert api.evict("app") == (code, {**STATUS, "message": DENIED, "code": code})


def test_a_refusal_without_a_code_is_a_400(admission, api):
    """What the server makes of a status that its webhook leaves out."""
    admission.add_webhook(refusing(WHY))
    assert api.evict("app") == (400, {**STATUS, "message": DENIED, "code": 400})


def test_a_webhook_may_refuse_one_pod_and_let_the_others_go(admission, api, kube):
    """The pod stays as it was; deleting the configuration lifts the refusal."""
    admission.add_webhook(refusing(WHY, 403, names="^app$"))
    assert api.evict("app")[0] == 403
    assert "deletionTimestamp" not in kube.cluster.get("Pod", "app")["metadata"]
    assert api.evict("other")[0] == 201
    admission.remove()
    assert api.evict("app")[0] == 201


def test_a_webhook_that_cannot_be_reached_is_an_internal_error_under_fail(admission, api, clock):
    """And nothing at all under Ignore."""
    admission.add_webhook(unreachable)
    why = f"{CALLING}dial tcp 127.0.0.1:9443: connect: connection refused"
    assert api.evict("app") == (
        500,
        {
            **STATUS,
            "message": f"Internal error occurred: {why}",
            "reason": "InternalError",
            "details": {"causes": [{"message": why}]},
            "code": 500,
        },
    )
    admission.remove()
    admission.add_webhook(unreachable, failure_policy="Ignore")
    assert api.evict("app")[0] == 201


def test_a_backend_that_hangs_delays_an_eviction_by_its_timeout(admission, api, clock):
    """On the world's clock: the test itself waits for a blink. Then failurePolicy decides."""
    admission.add_webhook(hanging(60), failure_policy="Ignore")
    began = clock.now()
    assert api.evict("app")[0] == 201
    assert clock.now() - began == 10
    admission.remove()
    admission.add_webhook(hanging(60), timeout_s=30)
    status, body = api.evict("other")
    assert (status, clock.now() - began) == (500, 40)
    assert body["message"].endswith('?timeout=30s": context deadline exceeded')


def test_a_slow_backend_is_asked_once_and_its_answer_counts(admission, api, clock):
    """It is slower than nothing and quicker than its timeout."""
    asked = []

    def backend(request):
        asked.append(request["name"])
        return Verdict(allowed=False, message=WHY, code=403, hangs_s=4)

    admission.add_webhook(backend)
    began = clock.now()
    assert api.evict("app")[0] == 403
    assert (asked, clock.now() - began) == (["app"], 4)


@pytest.mark.parametrize(("reason", "code", "given"), [("", 422, "Invalid"), ("Forbidden", 403, "Forbidden")])
def test_an_admission_policy_names_itself_and_the_pod(admission, api, reason, code, given):
    """The details tell it from RBAC's 403, which has no causes."""
    admission.add_policy(lambda request: request["name"] == "app", WHY, reason=reason)
    why = (
        "ValidatingAdmissionPolicy 'guard.example.com' with binding 'guard.example.com' denied request: "
        + WHY
    )
    expected = {
        **STATUS,
        "message": f'pods "app" is forbidden: {why}',
        "reason": given,
        "details": {"name": "app", "kind": "pods", "causes": [{"message": why}]},
        "code": code,
    }
    assert api.evict("app") == (code, expected)
    assert api.evict("other")[0] == 201


CORDON = {"spec": {"unschedulable": True}}
REACHES = [
    ("DELETE", "pods", "/api/v1/namespaces/default/pods/app", None),
    ("UPDATE", "nodes", "/api/v1/nodes/n", CORDON),
]


@pytest.mark.parametrize("reach", REACHES, ids=["deletion", "patch"])
def test_webhooks_stand_before_deletions_and_patches_too(admission, api, kube, reach):
    """Each only before what its rules name."""
    operation, resource, path, body = reach
    admission.add_webhook(refusing(WHY, 403), operations=(operation,), resources=(resource,))
    assert api.evict("other")[0] == 201
    assert api("DELETE" if body is None else "PATCH", path, body) == (
        403,
        {**STATUS, "message": DENIED, "code": 403},
    )
    assert "unschedulable" not in kube.cluster.get("Node", "n")["spec"]


def test_a_dry_run_meets_the_same_webhooks(admission, api):
    """They learn that it is one."""
    seen = []
    admission.add_webhook(
        lambda request: seen.append(request["dryRun"]) or Verdict(allowed=False, message=WHY)
    )
    assert api.evict("app", "?dryRun=All")[0] == 400
    assert api.evict("app")[0] == 400
    assert seen == [True, False]


def test_a_terminating_namespace_comes_before_any_webhook(admission, api, kube):
    """Order of the server: namespace, then the name, then admission, then the pod."""
    admission.add_webhook(refusing(WHY, 403))
    assert api.evict("nobody")[1]["message"] == DENIED
    api("DELETE", "/api/v1/namespaces/default")
    assert api.evict("app")[1]["details"]["causes"][0]["reason"] == "NamespaceTerminating"


def test_a_configuration_that_nobody_stands_behind_cannot_be_reached(admission, api):
    """As one that was left over when its operator went."""
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["pods/eviction"],
    }
    webhook = {
        "name": "left-over.example.com",
        "rules": [rule],
        "clientConfig": {"url": "https://left.over/v"},
    }
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    body = {
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "left-over"},
        "webhooks": [webhook],
    }
    assert api("POST", path, body)[0] == 201
    status, answer = api.evict("app")
    assert status == 500
    assert 'failed calling webhook "left-over.example.com"' in answer["message"]
    assert api("DELETE", f"{path}/left-over")[0] == 200
    assert api.evict("app")[0] == 201


def test_a_client_that_waits_for_less_than_the_webhook_gets_no_answer(admission, api, kube, clock):
    """An API server gives the request up when its client does: the pod is not evicted."""
    admission.add_webhook(hanging(10), failure_policy="Ignore")
    patient = {"stepdrain-sandbox-read-timeout": "8"}
    path = "/api/v1/namespaces/default/pods/app/eviction"
    began = clock.now()
    with pytest.raises(Exception, match=r"[Cc]onnection"):
        api("POST", path, {"metadata": {"name": "app"}}, headers=patient)
    assert clock.now() - began == 8
    assert "deletionTimestamp" not in kube.cluster.get("Pod", "app")["metadata"]


def test_ten_seconds_of_401_are_over_after_ten_seconds(api, kube, clock, admission):
    """The same for RBAC's 403 and for an API server that is too busy, each in its own words."""
    for refuse, status in (("token", 401), ("rbac", 403), ("overload", 429)):
        kube.faults.add(Fault(path="/nodes/", refuse=refuse), lasts_s=10)
        clock.sleep(9)
        assert api("GET", "/api/v1/nodes/n")[0] == status
        clock.sleep(1)
        assert api("GET", "/api/v1/nodes/n")[0] == 200


def test_faults_speak_as_the_server_does(api, kube):
    """What a drain has to tell apart are these words and fields."""
    kube.faults.add(Fault(refuse="rbac"))
    _, refused = api("PATCH", "/api/v1/nodes/n", {})
    who = 'User "admin" cannot patch resource "nodes" in API group "" at the cluster scope'
    assert refused["message"] == f'nodes "n" is forbidden: {who}'
    assert refused["details"] == {"name": "n", "kind": "nodes"}
    kube.faults.add(Fault(refuse="overload"))
    busy = api.response("GET", "/api/v1/nodes/n")
    assert (busy.headers["Content-Type"].split(";")[0], busy.headers["Retry-After"]) == ("text/plain", "1")
    kube.faults.add(Fault(refuse="token", user="somebody-else"))
    assert api("GET", "/api/v1/nodes/n")[0] == 200


def test_a_reset_connection_is_one(api, kube):
    """Not an answer of the emulator's web server, which would be a 500."""
    kube.faults.add(Fault(cut="reset"))
    with pytest.raises(Exception, match=r"[Cc]onnection"):
        api("GET", "/api/v1/nodes/n")


def test_a_policy_that_would_be_ignored_is_refused(api):
    """Expressions are not evaluated here: to store one and let all pass would be a lie."""
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    policy = {"kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p"}}
    expression = "object.metadata.name != 'app'"
    status, refused = api("POST", path, {**policy, "spec": {"validations": [{"expression": expression}]}})
    assert (status, refused["details"]["causes"][0]["field"]) == (422, "spec.validations[0].expression")
    assert api("POST", path, {**policy, "spec": {"validations": [{"expression": "false"}]}})[0] == 201
