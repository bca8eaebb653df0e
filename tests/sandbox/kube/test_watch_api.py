"""Watches as the API server's: what they show, how they end, and what goes wrong with them."""

import pytest

from stepdrain_sandbox.kube.faults import Fault
from stepdrain_sandbox.workload import budget, lone_pod

PODS = "/api/v1/pods?watch=true&fieldSelector=spec.nodeName%3Dn"
BUDGETS = "/apis/policy/v1/poddisruptionbudgets?watch=true"
ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments?watch=true"
NODE = "/api/v1/nodes?watch=true&fieldSelector=metadata.name%3Dn"
ATTACHMENT = {
    "kind": "VolumeAttachment",
    "metadata": {"name": "va"},
    "spec": {"attacher": "ebs.csi.aws.com", "nodeName": "n", "source": {"persistentVolumeName": "pv"}},
}


def since(kube, path, seconds=15, more=""):
    """The path of a watch from now on."""
    return f"{path}&resourceVersion={kube.cluster.store.version}&timeoutSeconds={seconds}{more}"


def later(kube, seconds, action):
    kube.clock.call_at(kube.clock.now() + seconds, action)


def seen(events):
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


@pytest.mark.parametrize("path", [PODS, BUDGETS, ATTACHMENTS, NODE])
def test_a_watch_shows_its_kind_alone_and_ends_in_time(kube, api, clock, path):
    """What a function waits for arrives, and no other kind; the wait costs the world's time alone."""
    cluster = kube.cluster
    later(kube, 2, lambda: cluster.create(lone_pod("app", "n")))
    later(kube, 3, lambda: cluster.create(budget("default", "held", {"app": "app"}, 0)))
    later(kube, 4, lambda: cluster.create(ATTACHMENT))
    later(kube, 5, lambda: cluster.change("Node", "n", "", {"spec": {"unschedulable": True}}))
    later(kube, 6, lambda: cluster.create({"kind": "Node", "metadata": {"name": "other"}}))
    began = clock.now()
    names = {name for _, name in seen(api.watch(since(kube, path)))}
    assert names == {PODS: {"app"}, BUDGETS: {"held"}, ATTACHMENTS: {"va"}, NODE: {"n"}}[path]
    assert clock.now() - began == 15


def test_an_object_that_leaves_the_selector_is_shown_as_it_was(kube, api):
    """Its last fitting state, with the version of the change that took it out."""
    kube.cluster.create({**ATTACHMENT, "metadata": {"name": "va", "labels": {"tier": "a"}}})
    path = since(kube, f"{ATTACHMENTS}&labelSelector=tier%3Da")
    later(
        kube,
        1,
        lambda: kube.cluster.change("VolumeAttachment", "va", "", {"metadata": {"labels": {"tier": "b"}}}),
    )
    (left,) = api.watch(path)
    now = kube.cluster.get("VolumeAttachment", "va")
    assert (left["type"], left["object"]["metadata"]["labels"]) == ("DELETED", {"tier": "a"})
    assert left["object"]["metadata"]["resourceVersion"] == now["metadata"]["resourceVersion"]


def test_a_version_that_is_forgotten_has_expired(kube, api, clock):
    """The watch begins, says 410 in its only event, and ends: the client has to list anew."""
    path = since(kube, PODS)
    kube.cluster.create(lone_pod("app", "n"))
    kube.cluster.store.compact()
    began = clock.now()
    (error,) = api.watch(path)
    assert (error["type"], error["object"]["code"], error["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert error["object"]["message"].startswith("too old resource version: ")
    assert clock.now() == began
    assert api.watch(since(kube, PODS, 1)) == []


def test_versions_and_selectors_that_cannot_be_are_refused(api):
    """Before the stream begins, as for a list."""
    for path in (f"{PODS}&resourceVersion=abc", "/api/v1/pods?watch=true&fieldSelector=spec.color%3Dred"):
        assert api("GET", path)[0] == 400


def test_bookmarks_come_if_asked_for(kube, api):
    """Each minute, and two seconds before the end; they carry a version and nothing else."""
    quiet = api.watch(since(kube, BUDGETS, 90, "&allowWatchBookmarks=true"))
    version = str(kube.cluster.store.version)
    assert [event["type"] for event in quiet] == ["BOOKMARK", "BOOKMARK"]
    assert quiet[0]["object"]["kind"] == "PodDisruptionBudget"
    assert quiet[0]["object"]["metadata"]["resourceVersion"] == version
    assert api.watch(since(kube, BUDGETS, 90)) == []


@pytest.mark.parametrize(("kind", "takes_s"), [("silent", 15), ("ends", 0), ("expired", 0), ("buffered", 15)])
def test_a_watch_may_go_wrong(kube, api, clock, kind, takes_s):
    """A proxy holds all back until the end; a server says nothing, or wants to be asked anew."""
    kube.faults.add(Fault(verb="watch", watch=kind))
    later(kube, 2, lambda: kube.cluster.create(budget("default", "held", {"app": "app"}, 0)))
    began = clock.now()
    events = api.watch(since(kube, BUDGETS))
    assert clock.now() - began == takes_s
    types = {"silent": [], "ends": [], "expired": ["ERROR"]}.get(kind)
    if types is None:
        assert ("ADDED", "held") in seen(events)
    else:
        assert [event["type"] for event in events] == types


@pytest.mark.parametrize(("fault", "takes_s"), [
    (Fault(watch="cut", hangs_s=4), 4),
    (Fault(watch="endless"), 18),
    (Fault(cut="truncate"), 0),
])  # fmt: skip
def test_a_watch_may_break_off(kube, api, clock, fault, takes_s):
    """The connection dies, or says nothing for as long as the client's patience lasts."""
    kube.faults.add(fault)
    began = clock.now()
    response = api.response
    with pytest.raises(Exception, match=r"[Cc]onnection"):
        response("GET", since(kube, PODS), headers={"stepdrain-sandbox-read-timeout": "18"})
    assert clock.now() - began == takes_s


def test_the_right_to_watch_is_one_of_its_own(kube, api):
    """Who may list may not watch for that; a right to one name serves a watch of that name."""
    rules = [
        {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["watch"], "resourceNames": ["n"]},
    ]
    kube.cluster.create({"kind": "ClusterRole", "metadata": {"name": "looks"}, "rules": rules})
    binding = {
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "looks"},
        "roleRef": {"kind": "ClusterRole", "name": "looks"},
        "subjects": [{"kind": "User", "name": "drainer"}],
    }
    kube.cluster.create(binding)
    status, body = api("GET", f"{BUDGETS}&timeoutSeconds=1", token="drainer")
    assert status == 403
    assert 'cannot watch resource "poddisruptionbudgets" in API group "policy"' in body["message"]
    assert api("GET", "/apis/policy/v1/poddisruptionbudgets", token="drainer")[0] == 200
    assert api("GET", f"{NODE}&timeoutSeconds=1", token="drainer")[0] == 200
    assert api("GET", "/api/v1/nodes?watch=true&timeoutSeconds=1", token="drainer")[0] == 403
