"""The Kubernetes adapter over real HTTP: every answer to an eviction, as EvictBatch takes it.

Each test asks two things: what the drain makes of the answer, and how many requests were
sent. One is sent, whatever comes back: repeating is the state machine's business.
"""

import itertools
import json
import threading
import time
from types import SimpleNamespace

import pytest
import trustme
import urllib3
from stepdrain.adapters.kube import Access, calls, configuration, connect
from stepdrain.document.step import parse
from stepdrain.errors import (
    AdmissionDenied,
    EvictionBlocked,
    KubeConflict,
    KubeForbidden,
    KubeRejected,
    KubeThrottled,
    KubeUnauthorized,
    KubeUnavailable,
)
from stepdrain.rules import budgets
from stepdrain.states.evict_batch import evict_batch

from stepdrain_sandbox.clock import RealClock
from stepdrain_sandbox.kube.dynamic_admission import refusing, unreachable
from stepdrain_sandbox.kube.faults import Fault
from stepdrain_sandbox.kube.rbac import User
from stepdrain_sandbox.kube.server import KubeServer
from stepdrain_sandbox.workload import budget, lone_pod

NUMBERS = itertools.count()
EVICTION, READ = r"/eviction$", r"/nodes/"
START = "2026-01-01T00:00:00Z"
TARGET = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "message": "forced",
    "lastTransitionTime": START,
}


@pytest.fixture(scope="module")
def shown():
    """The tokens that the server was shown and did not know at once, in order."""
    return []


@pytest.fixture(scope="module")
def server(shown):
    """One API server for all tests; nothing in it lives by itself."""

    def authenticate(token):
        shown.append(token)
        return User("stepdrain", ("system:masters",)) if token == "renewed" else None

    clock = RealClock()
    users = {"powerless": User("powerless")}
    with KubeServer(
        clock, users=users, authenticate=authenticate, kubelet=False, controllers=False
    ) as server:
        yield server
    clock.close()


@pytest.fixture
def sleepless(monkeypatch):
    """Nobody may sleep in the client: a Lambda pays for it, and the console does not show it."""

    def forbidden(seconds):
        raise AssertionError(f"The client slept for {seconds} s.")

    monkeypatch.setattr(time, "sleep", forbidden)


@pytest.fixture
def node(server, sleepless):
    """A node of the test's own with one running pod, ``web``, in a namespace of the same name."""
    name = f"n{next(NUMBERS)}"
    server.faults.clear()
    server.faults.hits = 0
    server.cluster.create({"kind": "Node", "metadata": {"name": name}, "spec": {}})
    server.cluster.load([a_pod(name)])
    return name


def a_pod(node):
    pod = lone_pod("web", node)
    pod["metadata"] |= {"namespace": node, "labels": {"app": "web"}}
    pod["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    return pod


def a_budget(node, name="web", **status):
    """A budget of the pod; by default it allows nothing."""
    made = budget(node, name, {"app": "web"}, 0)
    counted = {"disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1}
    made["status"] = {**counted, "observedGeneration": 1, **status}
    return made


def client(server, token="admin"):
    return connect(lambda _fresh: Access(server.url, server.ca_pem, token))


def batch(server, node, cluster=None):
    """EvictBatch's decision on the node, asked through the adapter."""
    event = {
        "execution": {"StartTime": START, "Name": node},
        "state": {"EnteredTime": START, "RetryCount": 0, "Name": "EvictBatch"},
        "drain": {"nodeName": node, "cluster": "demo", "node": {"name": node, "uid": "u"}},
    }
    return evict_batch(parse(event), cluster or client(server), 1767225600.0, print)


def sent(server, node):
    """The status of each eviction of the node's pod, in order."""
    return [
        event["responseStatus"]["code"]
        for event in server.audit_log
        if event["requestURI"].startswith(f"/api/v1/namespaces/{node}/")
        and "/eviction" in event["requestURI"]
    ]


def answering(server, path=EVICTION, **answer):
    """From now on every matching request of the adapter gets this answer; its ``hits`` are counted."""
    return server.faults.add(Fault(path=path, times=-1, **answer))


class Meanwhile:
    """The adapter, with something that happens between the list of pods and the eviction."""

    def __init__(self, cluster, happening):
        self._cluster, self._happening = cluster, happening

    def __getattr__(self, name):
        return getattr(self._cluster, name)

    def pods_on(self, node):
        listing = self._cluster.pods_on(node)
        self._happening()
        return listing


def test_201_is_an_eviction(server, node):
    """The pod is asked to leave with its own grace, by its UID, in our name."""
    uid = server.cluster.get("Pod", "web", node)["metadata"]["uid"]
    record = batch(server, node)
    assert (record.evicted, record.leaving, record.next) == (1, 1, "WaitForPods")
    assert server.cluster.get("Pod", "web", node)["metadata"]["deletionGracePeriodSeconds"] == 2
    (eviction,) = [
        entry for entry in server.audit_log if entry["requestURI"].endswith(f"{node}/pods/web/eviction")
    ]
    assert eviction["requestObject"]["deleteOptions"] == {"preconditions": {"uid": uid}}
    assert eviction["userAgent"] == "stepdrain/0.1.0"


def test_404_counts_as_evicted(server, node):
    """It is what the drain wants; somebody was faster."""
    gone = Meanwhile(client(server), lambda: server.cluster.remove("Pod", "web", node))
    assert batch(server, node, gone).evicted == 1
    assert sent(server, node) == [404]


def test_409_by_uid_counts_as_evicted_and_spares_the_successor(server, node):
    """A StatefulSet's next pod has the same name; without the UID it would be evicted unseen."""

    def replace():
        server.cluster.remove("Pod", "web", node)
        server.cluster.create(a_pod(node))

    assert batch(server, node, Meanwhile(client(server), replace)).evicted == 1
    assert sent(server, node) == [409]
    assert "deletionTimestamp" not in server.cluster.get("Pod", "web", node)["metadata"]


def test_429_by_a_budget_is_blocked_and_named(server, node):
    """No Retry-After: the usual refusal. It is no error of the API, and asked once."""
    server.cluster.create(a_budget(node))
    with pytest.raises(EvictionBlocked, match=rf"{node}/web: .*web needs 1 healthy pod and has 1"):
        batch(server, node)
    assert sent(server, node) == [429]


def test_429_by_a_budget_with_retry_after_is_blocked_too(server, node):
    """The header asks for ten seconds: whoever decided by it would take this for an overload, or sleep."""
    server.cluster.create(a_budget(node, observedGeneration=0, disruptionsAllowed=1))
    with pytest.raises(EvictionBlocked, match="web is still being processed by the server"):
        batch(server, node)
    assert sent(server, node) == [429]


def test_429_in_plain_text_is_an_overloaded_api(server, node):
    """Priority and fairness knows no budgets; naming one would send an operator astray."""
    text = "Too many requests, please try again later."
    answering(server, status=429, body=text, headers={"Retry-After": "1"})
    with pytest.raises(KubeThrottled, match=text):
        batch(server, node)
    assert server.faults.hits == 1


def test_500_of_two_budgets_is_blocked_until_somebody_edits_one(server, node):
    """No 5xx to wait out: kubectl drain fails on it, and a retry alone would never end."""
    server.cluster.load([a_budget(node, "one"), a_budget(node, "two", disruptionsAllowed=1)])
    with pytest.raises(EvictionBlocked, match="more than one"):
        batch(server, node)
    assert sent(server, node) == [500]


def test_403_in_a_terminating_namespace_is_waited_for(server, node):
    """Its pods are about to go by themselves; it is no missing permission."""
    server.cluster.change("Namespace", node, "", {"metadata": {"deletionTimestamp": START}})
    with pytest.raises(EvictionBlocked, match=f"namespace {node} is being terminated"):
        batch(server, node)
    assert sent(server, node) == [403]


def test_403_of_a_missing_permission_names_it_and_what_to_do(server, node):
    """A person has to look: asking again changes nothing."""
    with pytest.raises(KubeForbidden, match=r"cannot list resource \"pods\".* Apply kubernetes/rbac.yaml"):
        batch(server, node, client(server, "powerless"))


def renewing(server, *tokens):
    """An adapter that gets the next of ``tokens`` whenever a fresh one is asked for, and what it asked."""
    given, questions = iter(tokens), []

    def access(fresh):
        questions.append(fresh)
        return Access(server.url, server.ca_pem, next(given))

    return connect(access), questions


def test_401_once_is_answered_by_a_new_token(server, node, shown):
    """A cached token may have run out a second ago; the drain goes on as if nothing had been."""
    shown.clear()
    cluster, questions = renewing(server, "outdated", "renewed")
    assert batch(server, node, cluster).evicted == 1
    assert questions == [False, True]
    assert shown.count("outdated") == 1


def test_401_for_ever_is_an_error_after_two_requests(server, node, shown):
    """A new token that is refused as well means that the cluster does not know the role."""
    shown.clear()
    cluster, questions = renewing(server, "outdated", "outdated, too")
    with pytest.raises(KubeUnauthorized, match="access entry"):
        batch(server, node, cluster)
    assert questions == [False, True]
    assert shown == ["outdated", "outdated, too"]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_5xx_may_pass(server, node, status):
    """etcd changes its leader, a load balancer has no target; the state machine asks again."""
    answering(server, status=status, body={"message": "etcdserver: leader changed"})
    with pytest.raises(KubeUnavailable, match=rf"{node}/web: etcdserver: leader changed"):
        batch(server, node)
    assert server.faults.hits == 1


def test_a_timeout_may_pass(server, node, monkeypatch):
    """The eviction may have been accepted; asking again is harmless, since a terminating pod answers 201."""
    monkeypatch.setattr(calls, "WRITE_TIMEOUT_S", (3, 0.2))
    monkeypatch.setattr(calls, "SHORTEST_S", 0)
    answering(server, delay_s=1)
    with pytest.raises(KubeUnavailable, match="ReadTimeoutError"):
        batch(server, node)
    assert server.faults.hits == 1


def test_a_reset_may_pass(server, node):
    """The connection ends without an answer."""
    answering(server, cut="reset")
    with pytest.raises(KubeUnavailable):
        batch(server, node)
    assert server.faults.hits == 1


def test_a_truncated_list_is_no_short_list(server, node):
    """Half an answer must not be taken for an empty node: the drain would end with pods on it."""
    answering(server, path=r"/pods\?", cut="truncate")
    with pytest.raises(KubeUnavailable, match="no usable answer"):
        batch(server, node)
    assert server.faults.hits == 1


def test_a_server_of_another_authority_is_not_talked_to(server, node):
    """A TLS failure is reported as such; the token must not go to whoever answers."""
    other = trustme.CA().cert_pem.bytes().decode()
    stranger = connect(lambda _fresh: Access(server.url, other, "admin"))
    before = len(server.audit_log)
    with pytest.raises(KubeUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        batch(server, node, stranger)
    assert len(server.audit_log) == before


def test_a_closed_port_may_pass(server, node):
    """An API server that restarts."""
    nobody = connect(lambda _fresh: Access("https://127.0.0.1:1", server.ca_pem, "admin"))
    with pytest.raises(KubeUnavailable, match="Connection refused"):
        batch(server, node, nobody)


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, KubeRejected), (409, KubeConflict), (429, KubeThrottled), (503, KubeUnavailable)],
)
@pytest.mark.parametrize("read", [True, False])
def test_a_read_or_a_patch_is_sent_once_whatever_retry_after_says(server, node, status, error, read):
    """The client's default sleeps through Retry-After three times on a GET, inside a paid Lambda."""
    answering(server, path=READ, status=status, body={"message": "no"}, headers={"Retry-After": "30"})
    with pytest.raises(error):
        client(server).node(node) if read else client(server).patch_node(node, {"spec": {}})
    assert server.faults.hits == 1


def test_a_truncated_answer_to_an_eviction_is_no_success(server, node):
    """Whatever its status line promised; asking again is harmless."""
    answering(server, cut="truncate")
    with pytest.raises(KubeUnavailable, match="IncompleteRead"):
        batch(server, node)
    assert server.faults.hits == 1


def test_evictions_share_connections(server, node):
    """Each new one costs a TLS handshake, on the API server too."""
    cluster = client(server)
    cluster.evict(cluster.pods_on(node).pods * 60, -1)
    (pool,) = cluster._core.api_client.rest_client.pool_manager.pools._container.values()
    assert pool.num_connections <= calls.WORKERS


def test_a_batch_goes_out_side_by_side(server, node, monkeypatch):
    """One hundred evictions in a row would take longer than the function may run."""
    cluster = client(server)
    pods = cluster.pods_on(node).pods * 8
    in_flight, send = threading.Barrier(len(pods), timeout=30), urllib3.PoolManager.request

    def held(*arguments, **options):
        # Nobody goes on before all are here: sent in a row, the first would wait in vain.
        in_flight.wait()
        return send(*arguments, **options)

    monkeypatch.setattr(urllib3.PoolManager, "request", held)
    assert len(cluster.evict(pods, -1)) == len(pods)


def test_no_pod_means_no_request(server, node):
    """ThreadPoolExecutor refuses zero workers; a node without evictable pods is an ordinary one."""
    server.cluster.remove("Pod", "web", node)
    assert batch(server, node).evicted == 0
    assert sent(server, node) == []


def test_a_grace_of_zero_becomes_one_second(server, node):
    """Grace 0 removes the record before the containers have ended: a StatefulSet pod could run twice."""
    cluster = client(server)
    cluster.evict(cluster.pods_on(node).pods, 0)
    assert server.cluster.get("Pod", "web", node)["metadata"]["deletionGracePeriodSeconds"] == 1


def test_a_deletion_carries_its_grace_and_the_pods_uid(server, node):
    """Used under onTimeout: force alone; the UID spares a successor here, too."""
    cluster = client(server)
    (pod,) = cluster.pods_on(node).pods
    ((_, answer),) = cluster.delete([(pod, 7)], TARGET)
    assert answer.status == 200
    # A kubelet's deletion of another pod may have been logged since.
    ours = [event for event in server.audit_log if event["userAgent"].startswith("stepdrain/")]
    assert ours[-1]["requestObject"] == {
        "gracePeriodSeconds": 7,
        "preconditions": {"uid": pod.uid},
    }


def test_a_deletion_marks_its_pod_as_an_eviction_does(server, node):
    """Else a Job's podFailurePolicy counts the forced pod as a failure of its own."""
    cluster = client(server)
    (pod,) = cluster.pods_on(node).pods
    cluster.delete([(pod, 7)], TARGET)
    assert TARGET in server.cluster.get("Pod", "web", node)["status"]["conditions"]
    before = len(server.audit_log)
    (pod,) = cluster.pods_on(node).pods
    cluster.delete([(pod, 3)], TARGET)
    verbs = [
        entry["verb"] for entry in server.audit_log[before:] if entry["userAgent"].startswith("stepdrain/")
    ]
    assert verbs == ["list", "delete"]


@pytest.mark.parametrize("status", [403, 404, 409, 422, 500])
def test_a_pod_that_cannot_be_marked_is_deleted_all_the_same(server, node, status):
    """The right may be missing, and a webhook may refuse: the node is emptied still."""
    cluster = client(server)
    answering(server, path=r"/pods/web/status$", status=status)
    (pod,) = cluster.pods_on(node).pods
    ((_, answer),) = cluster.delete([(pod, 7)], TARGET)
    assert answer.status == 200
    assert server.cluster.get("Pod", "web", node)["metadata"]["deletionGracePeriodSeconds"] == 7


def test_nodes_come_in_pages(server, node, monkeypatch):
    """A cluster of 5,000 nodes in one answer would be 100 MB."""
    monkeypatch.setattr(calls, "PAGE", 2)
    for number in range(4):
        server.cluster.create({"kind": "Node", "metadata": {"name": f"{node}-{number}"}, "spec": {}})
    begun = len(server.audit_log)
    names = [node["metadata"]["name"] for node in client(server).nodes()]
    assert len(names) == len(set(names)) == len(server.cluster.list("Node"))
    assert len(server.audit_log) - begun >= 3


def test_what_the_cluster_does_not_know_is_none(server, node):
    """A node that is gone is an ordinary outcome of Label and Cordon."""
    assert client(server).node("nope") is None
    assert client(server).patch_node("nope", {"spec": {"unschedulable": True}}) is None


def test_a_patch_says_when_the_api_server_answered(server, node):
    """By the server's own clock, to the second."""
    began = time.time()
    patched = client(server).patch_node(node, {"spec": {"unschedulable": True}})
    assert int(began) <= patched.at <= time.time()


def test_a_truncated_answer_to_a_patch_is_no_success(server, node):
    """All of it is read: only then can its connection be used again."""
    answering(server, path=READ, cut="truncate")
    with pytest.raises(KubeUnavailable):
        client(server).patch_node(node, {"spec": {"unschedulable": True}})


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}, {"Date": ""}])
def test_an_answer_without_a_readable_date_has_no_time(headers):
    """A proxy may take it away; the drain goes on with the function's clock."""
    assert calls.sent_at(SimpleNamespace(headers=headers)) is None


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"cut": "reset"}, "a watch failed"),
        ({"status": 503}, "a watch failed"),
        ({"status": 403}, "the cluster does not allow the watch"),
    ],
)
def test_a_watch_that_cannot_be_held_says_why(server, node, answer, why):
    """It is no error of the drain, which polls then."""
    cluster = client(server)
    view = cluster.pods_on(node)
    answering(server, path="watch=True", **answer)
    seen, reason = cluster.follow(view, 5, lambda _view: False)
    assert seen == view
    assert reason.startswith(why)
    assert server.faults.hits == 1


def test_a_caller_that_the_cluster_does_not_know_is_an_error(server, node):
    """Also of a watch: polling would get the same answer."""
    cluster = client(server)
    view = cluster.pods_on(node)
    answering(server, path="watch=True", status=401)
    with pytest.raises(KubeUnauthorized):
        cluster.follow(view, 5, lambda _view: False)
    server.faults.clear()


def test_a_watch_from_a_forgotten_version_says_why(server, node):
    """410 comes as an event within a good answer."""
    gone = {"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}}
    cluster = client(server)
    answering(server, path="watch=True", status=200, body=json.dumps(gone) + "\n")
    _, reason = cluster.follow(cluster.pods_on(node), 5, lambda _view: False)
    assert "too old resource version" in reason


@pytest.fixture
def guarded(server):
    """A webhook on evictions and one on pods; gone again after the test."""
    admission = server.cluster.admission
    admission.add_webhook(refusing("no"), name="evictions.example.com", timeout_s=20)
    admission.add_webhook(
        refusing("no"), name="pods.example.com", resources=("pods",), failure_policy="Ignore"
    )
    yield
    admission.remove("evictions.example.com")
    admission.remove("pods.example.com")


def test_webhooks_on_evictions_are_found(server, guarded):
    """Those that are asked about pods are not asked about evictions."""
    assert client(server).eviction_webhooks() == [("evictions.example.com", "Fail", 20)]


def test_what_a_plan_may_not_read_is_left_out(server, guarded):
    """A plan is made with the operator's own rights."""
    powerless = client(server, "powerless")
    assert powerless.eviction_webhooks() == []
    assert powerless.template_of("apps", "v1", "ReplicaSet", "default", "web") == {}


def test_a_controllers_template_is_read(server, node):
    """It may name the node; a kind without a template, or one that is gone, says nothing."""
    template = {"metadata": {"labels": {"app": "pinned"}}, "spec": {"nodeName": node, "containers": []}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "pinned"}}, "template": template}
    server.cluster.load(
        [{"kind": "ReplicaSet", "metadata": {"namespace": node, "name": "pinned"}, "spec": spec}]
    )
    cluster = client(server)
    assert cluster.template_of("apps", "v1", "ReplicaSet", node, "pinned")["nodeName"] == node
    assert cluster.template_of("apps", "v1", "ReplicaSet", node, "gone") == {}
    assert cluster.template_of("example.io", "v1", "Database", node, "db") == {}
    assert cluster.template_of("", "v1", "ReplicationController", node, "rc") == {}


def test_a_webhooks_refusal_of_a_node_is_not_a_missing_right(server, node):
    """Whoever reads "apply rbac.yaml" looks in the wrong place."""
    server.cluster.admission.add_webhook(
        refusing("frozen", 403), operations=("UPDATE",), resources=("nodes",)
    )
    try:
        with pytest.raises(AdmissionDenied, match=r"guard\.example\.com.* denied the request: frozen"):
            client(server).patch_node(node, {"spec": {"unschedulable": True}})
    finally:
        server.cluster.admission.remove()


def test_a_webhook_that_cannot_be_reached_may_pass(server, node):
    """Nobody has decided about the request yet."""
    server.cluster.admission.add_webhook(unreachable, operations=("UPDATE",), resources=("nodes",))
    try:
        with pytest.raises(KubeUnavailable, match="failed calling webhook"):
            client(server).patch_node(node, {"spec": {"unschedulable": True}})
    finally:
        server.cluster.admission.remove()


@pytest.mark.parametrize("left", [{"daemonsets": None}, {"target_group_arns": []}])
def test_what_a_drain_can_do_without_is_not_asked_for_twice(server, node, left):
    """A right that is missing costs a warning, not the drain."""
    ((method, instead),) = left.items()
    assert getattr(client(server, "powerless"), method)() == instead


def test_objects_that_cannot_be_read_are_skipped(server, node, caplog):
    """Half made, of a later version, or written by hand; the others count."""
    bodies = [
        {"metadata": {"namespace": "shop", "name": "good"}},
        {"metadata": {"namespace": "shop", "name": "odd"}, "status": {"disruptionsAllowed": "many"}},
        {"metadata": {}},
        {},
        None,
        "text",
    ]
    assert [budget.name for budget in calls.understood(bodies, budgets.parse)] == ["good"]
    assert "shop/odd is skipped" in caplog.text
    assert caplog.text.count("is skipped") == 5


class Ticking:
    """Seconds that are left of an attempt: fewer with each look."""

    def __init__(self, whole, each):
        self.left, self.each = whole, each

    def __call__(self):
        self.left -= self.each
        return self.left


@pytest.mark.parametrize(("whole", "each", "asked"), [(900, 1, 40), (60, 10, 16), (18, 0, 40), (18, 4, 16)])
def test_no_eviction_begins_that_the_attempt_cannot_await(server, node, whole, each, asked):
    """A webhook may hold each of 110 for 30 s; sixteen go in any case, so that no attempt is idle."""
    cluster = connect(lambda _fresh: Access(server.url, server.ca_pem, "admin"), Ticking(whole, each))
    pods = cluster.pods_on(node).pods * 40
    assert len(cluster.evict(pods, -1)) == asked


def test_a_write_is_awaited_no_longer_than_the_attempt_lasts(server, node, monkeypatch):
    """And where there is time, longer than a webhook may take."""
    timeouts, send = [], urllib3.PoolManager.request

    def recorded(self, method, url, **options):
        timeouts.append((method, options["timeout"].read_timeout))
        return send(self, method, url, **options)

    monkeypatch.setattr(urllib3.PoolManager, "request", recorded)
    for left in (900, 12, 0):
        time_left = Ticking(left, 0)
        cluster = connect(lambda _fresh: Access(server.url, server.ca_pem, "admin"), time_left)
        cluster.patch_node(node, {"spec": {"unschedulable": None}})
        cluster.node(node)
    assert timeouts == [("PATCH", 33), ("GET", 8), ("PATCH", 11), ("GET", 8), ("PATCH", 1), ("GET", 8)]


def test_an_access_never_shows_its_token(server):
    """G9: whatever is logged by accident."""
    assert "secret" not in repr(Access("https://k", "pem", "secret"))


def test_the_client_never_repeats_a_request_by_itself(server):
    """Once more only where the connection was never made: nothing can have happened then."""
    retries = configuration().retries
    assert isinstance(retries, urllib3.Retry)
    assert (retries.connect, retries.read, retries.status, retries.other) == (1, 0, 0, 0)
    assert retries.respect_retry_after_header is False
