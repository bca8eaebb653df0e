"""The verdict table, row by row; kubectl's own table is in its pkg/drain/filters.go."""

import pytest
from stepdrain.rules.pods import Action, Owner, orphans, parse, sort, verdict
from stepdrain.rules.policy import Policy


def a_pod(**changes):
    """A running ReplicaSet pod as the API lists it, with ``changes`` at the named places."""
    raw = {
        "metadata": {
            "namespace": "shop",
            "name": "web-1",
            "uid": "u-1",
            "labels": {"app": "web"},
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d9", "controller": True}
            ],
        },
        "spec": {"terminationGracePeriodSeconds": 30},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }
    for place, value in changes.items():
        section, field = place.split("__")
        raw[section][field] = value
    return parse(raw)


DAEMONSET = [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "kube-proxy", "controller": True}]


def judged(pod, *, orphan=False, **policy):
    result = verdict(pod, Policy(**policy), orphan=orphan)
    return result.action, result.reason


def test_a_running_pod_with_a_controller_is_evicted():
    """The ordinary case: its ReplicaSet puts another one elsewhere."""
    assert judged(a_pod()) == (Action.EVICT, "ReplicaSet web-5d9 replaces it")


def test_a_static_pod_stays():
    """The kubelet runs it from a file; deleting its mirror only makes the kubelet write it again."""
    pod = a_pod(metadata__annotations={"kubernetes.io/config.mirror": "x"}, metadata__ownerReferences=[])
    assert judged(pod) == (Action.LEAVE, "static pod, run by the kubelet from a file")


def test_a_daemonset_pod_stays():
    """Its controller tolerates the cordon and would put it back at once (G3)."""
    pod = a_pod(metadata__ownerReferences=DAEMONSET)
    assert judged(pod) == (Action.LEAVE, "DaemonSet kube-proxy would put it back")


def test_a_terminating_daemonset_pod_is_not_waited_for():
    """Its successor comes to this very node: waiting for it could last for ever."""
    pod = a_pod(metadata__ownerReferences=DAEMONSET, metadata__deletionTimestamp="2026-01-01T00:00:00Z")
    assert judged(pod)[0] is Action.LEAVE


def test_a_daemonset_pod_is_evicted_where_the_policy_asks_for_it():
    """kubernetes/kubernetes #75482: some DaemonSets hold connections that deserve their grace."""
    assert judged(a_pod(metadata__ownerReferences=DAEMONSET), evict_daemonsets=True)[0] is Action.EVICT


def test_an_orphaned_daemonset_pod_is_treated_as_unmanaged():
    """Nothing puts it back any more; kubectl drain takes it with --force only."""
    pod = a_pod(metadata__ownerReferences=DAEMONSET)
    assert judged(pod, orphan=True) == (Action.EVICT, "DaemonSet kube-proxy is gone")
    assert judged(pod, orphan=True, evict_unmanaged=False) == (
        Action.REFUSE,
        "DaemonSet kube-proxy is gone, and evictUnmanaged is false",
    )


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_finished_pod_stays_readable(phase):
    """Nothing of it runs; an eviction would only delete its record and its logs."""
    assert judged(a_pod(status__phase=phase)) == (Action.LEAVE, f"finished ({phase})")


def test_a_terminating_pod_is_waited_for():
    """Somebody evicted it already, perhaps an earlier attempt of this drain."""
    pod = a_pod(metadata__deletionTimestamp="2026-01-01T00:00:30Z")
    assert judged(pod) == (Action.WAIT, "terminating already")
    assert pod.deletion_at == 1767225630.0


def test_emptydir_data_is_given_up_by_default():
    """The volume dies with the machine whether its pod is evicted or not."""
    pod = a_pod(spec__volumes=[{"name": "tmp", "emptyDir": {}}])
    assert judged(pod) == (Action.EVICT, "ReplicaSet web-5d9 replaces it; its emptyDir data is lost")


def test_emptydir_data_is_kept_where_the_policy_says_so():
    """kubectl drain's --delete-emptydir-data=false."""
    pod = a_pod(spec__volumes=[{"name": "tmp", "emptyDir": {}}])
    assert judged(pod, delete_emptydir_data=False)[0] is Action.REFUSE


def test_a_pod_without_controller_is_evicted_by_default():
    """It is lost with the machine anyway; an eviction gives it its grace first."""
    assert judged(a_pod(metadata__ownerReferences=[])) == (Action.EVICT, "no controller would put it back")


def test_a_pod_without_controller_is_refused_where_the_policy_says_so():
    """kubectl drain without --force."""
    pod = a_pod(metadata__ownerReferences=[])
    assert judged(pod, evict_unmanaged=False) == (
        Action.REFUSE,
        "no controller would put it back, and evictUnmanaged is false",
    )


def test_an_owner_that_does_not_control_does_not_count():
    """Only the reference with controller: true replaces a pod."""
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c"}
    assert a_pod(metadata__ownerReferences=[reference]).owner is None


KRUISE = [{**DAEMONSET[0], "apiVersion": "apps.kruise.io/v1alpha1"}]


def bound_to(*nodes, operator="In", key="metadata.name", terms=1):
    """A node affinity as the DaemonSet controller writes it; each of ``terms`` names the nodes."""
    term = {"matchFields": [{"key": key, "operator": operator, "values": list(nodes)}]}
    required = {"nodeSelectorTerms": [term] * terms}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


def test_a_daemonset_of_another_api_group_stays_like_any_other():
    """OpenKruise has DaemonSets of its own; they put their pods back past the cordon, too."""
    pod = a_pod(metadata__ownerReferences=KRUISE)
    assert judged(pod) == (Action.LEAVE, "DaemonSet kube-proxy would put it back")
    assert judged(pod, evict_daemonsets=True)[0] is Action.EVICT


def test_only_a_daemonset_of_kubernetes_itself_can_be_found_missing():
    """Of others nobody asks whether they exist, so their pods must not count as orphans."""
    ours, foreign = a_pod(metadata__ownerReferences=DAEMONSET), a_pod(metadata__ownerReferences=KRUISE)
    web = a_pod()
    assert orphans([ours, foreign, web], set()) == [ours]
    assert orphans([ours, foreign, web], {("shop", "kube-proxy")}) == []
    assert orphans([ours], {("other", "kube-proxy")}) == [ours]


@pytest.mark.parametrize(
    ("affinity", "stays"),
    [
        (bound_to("n1"), True),
        (bound_to("n1", terms=2), True),
        (bound_to("n2"), False),
        (bound_to("n1", "n2"), False),
        (bound_to("n1", operator="NotIn"), False),
        (bound_to("n1", key="metadata.uid"), False),
        (bound_to(terms=0), False),
        ({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}, False),
        ({"nodeAffinity": None}, False),
        ("of a later Kubernetes", False),
    ],
)
def test_a_pod_that_its_controller_bound_to_the_node_stays(affinity, stays):
    """Its replacement would start on this very node, whatever kind its controller is."""
    pod = a_pod(spec__affinity=affinity, spec__nodeName="n1")
    assert (judged(pod)[0] is Action.LEAVE) is stays
    assert not stays or judged(pod)[1] == "ReplicaSet web-5d9 would put it back"


def test_one_term_that_fits_elsewhere_is_enough_to_leave():
    """Of several terms one has to fit: such a pod can start on another node."""
    affinity, other = bound_to("n1", terms=2), {"matchExpressions": []}
    affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][1] = other
    assert judged(a_pod(spec__affinity=affinity, spec__nodeName="n1"))[0] is Action.EVICT


def test_a_bound_pod_that_nobody_puts_back_leaves():
    """Without a controller it would only be lost with the machine, and without its grace."""
    pod = a_pod(spec__affinity=bound_to("n1"), spec__nodeName="n1", metadata__ownerReferences=[])
    assert judged(pod)[0] is Action.EVICT


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("spec__terminationGracePeriodSeconds", None),
        ("spec__terminationGracePeriodSeconds", "soon"),
        ("spec__volumes", None),
        ("spec__volumes", ["v"]),
        ("spec__volumes", [{"name": "v", "persistentVolumeClaim": None}]),
        ("spec__tolerations", [None]),
        ("spec__tolerations", [{"operator": "Nearly"}]),
        ("spec__priorityClassName", None),
        ("status__conditions", [{}]),
        ("status__conditions", [{"type": "Ready", "status": "Perhaps"}]),
        ("status__conditions", None),
        ("status__phase", "Dreaming"),
        ("status__phase", None),
        ("metadata__labels", None),
        ("metadata__annotations", ["a"]),
        ("metadata__creationTimestamp", None),
        ("metadata__creationTimestamp", "yesterday"),
        ("metadata__finalizers", None),
        ("metadata__ownerReferences", [{"controller": True}]),
    ],
)
def test_a_pod_of_another_form_is_still_a_pod(place, value):
    """A foreign or later Kubernetes: what is not understood is not set, and the pod is evicted."""
    pod = a_pod(**{place: value})
    assert judged(pod)[0] is Action.EVICT
    assert pod.grace_s == 30
    assert pod.claims == ()


def test_a_pod_without_spec_and_status_is_still_a_pod():
    """It is on the node, so it must be dealt with."""
    pod = parse({"metadata": {"namespace": "shop", "name": "web", "uid": "u"}, "spec": None, "status": None})
    assert (judged(pod)[0], pod.ready, pod.phase) == (Action.EVICT, False, "")


def test_claims_and_finalizers_are_read():
    """Volumes of what stays are not waited for; a finalizer says why a pod does not end."""
    volumes = [{"name": "a", "persistentVolumeClaim": {"claimName": "data"}}, {"name": "b", "ephemeral": {}}]
    pod = a_pod(spec__volumes=volumes, metadata__finalizers=["example.io/hold"])
    assert pod.claims == ("data", "web-1-b")
    assert pod.finalizers == ("example.io/hold",)


def test_pods_are_sorted_by_what_becomes_of_them():
    """EvictBatch and WaitForPods see the same four by_action."""
    web, proxy = a_pod(), a_pod(metadata__ownerReferences=DAEMONSET, metadata__uid="u-2")
    by_action = sort([web, proxy], Policy(), orphans=["u-2"])
    assert by_action[Action.EVICT] == [web, proxy]
    assert sort([web, proxy], Policy())[Action.LEAVE] == [proxy]


def test_a_daemonset_pod_that_came_back_is_left_in_peace():
    """Its controller tolerates the cordon: evicting it again and again would never end."""
    pod = a_pod(metadata__ownerReferences=DAEMONSET, metadata__creationTimestamp="2026-01-01T00:00:10Z")
    old, young = pod.created_at + 1, pod.created_at
    policy = Policy(evict_daemonsets=True)
    assert verdict(pod, policy, since=old).action is Action.EVICT
    assert verdict(pod, policy, since=young).reason == "DaemonSet kube-proxy has put it back"


@pytest.mark.parametrize(
    ("changes", "cordoned_after_s", "action"),
    [
        ({}, 0, Action.LEAVE),
        ({}, 1, Action.EVICT),
        ({"spec__tolerations": []}, 0, Action.EVICT),
        ({"metadata__ownerReferences": []}, 0, Action.EVICT),
        ({"metadata__deletionTimestamp": "2026-01-01T00:00:30Z"}, 0, Action.WAIT),
    ],
)
def test_a_pod_that_came_back_past_the_cordon_is_left(changes, cordoned_after_s, action):
    """Its controller would put it on the emptiest node again, and that is this one."""
    young = {
        "metadata__creationTimestamp": "2026-01-01T00:00:10Z",
        "spec__tolerations": [{"operator": "Exists"}],
    }
    pod = a_pod(**{**young, **changes})
    assert verdict(pod, Policy(), since=pod.created_at + cordoned_after_s).action is action


BARE, EMPTYDIR = {"metadata__ownerReferences": []}, {"spec__volumes": [{"name": "t", "emptyDir": {}}]}
OF_DAEMONSET = {"metadata__ownerReferences": DAEMONSET}
FINISHED, LEAVING = {"status__phase": "Succeeded"}, {"metadata__deletionTimestamp": "2026-01-01T00:00:30Z"}
STATIC = {"metadata__annotations": {"kubernetes.io/config.mirror": "x"}}


@pytest.mark.parametrize(
    ("pod", "orphan", "careful", "kubectl"),
    [
        ({}, False, Action.EVICT, "delete"),
        (LEAVING, False, Action.WAIT, "delete, and wait"),
        (OF_DAEMONSET, False, Action.LEAVE, "skip, with --ignore-daemonsets"),
        ({**OF_DAEMONSET, **FINISHED}, False, Action.LEAVE, "delete; here it stays, as all finished pods"),
        (OF_DAEMONSET, True, Action.REFUSE, "error without --force"),
        ({**OF_DAEMONSET, **FINISHED}, True, Action.LEAVE, "delete; here it stays"),
        ({**OF_DAEMONSET, **LEAVING}, True, Action.WAIT, "delete with --force, and wait"),
        ({**OF_DAEMONSET, **EMPTYDIR}, False, Action.LEAVE, "skip: the DaemonSet filter comes first"),
        (STATIC, False, Action.LEAVE, "skip"),
        ({**STATIC, **BARE, **EMPTYDIR}, False, Action.LEAVE, "skip: the mirror filter comes first"),
        (EMPTYDIR, False, Action.REFUSE, "error without --delete-emptydir-data"),
        ({**EMPTYDIR, **FINISHED}, False, Action.LEAVE, "delete; here it stays"),
        ({**EMPTYDIR, **LEAVING}, False, Action.WAIT, "error; it goes whatever we say"),
        (BARE, False, Action.REFUSE, "error without --force"),
        ({**BARE, **FINISHED}, False, Action.LEAVE, "delete; here it stays"),
        ({**BARE, **LEAVING}, False, Action.WAIT, "error without --force; it goes whatever we say"),
        ({**BARE, **EMPTYDIR}, False, Action.REFUSE, "error"),
    ],
)
def test_every_row_of_kubectls_table_has_a_verdict(pod, orphan, careful, kubectl):
    """With kubectl's careful defaults, and with ours, where the machine dies anyway: nothing is refused.

    The last column is what kubectl drain does (kubernetes/kubectl, pkg/drain/filters.go).
    """
    raw = a_pod(**pod)
    as_kubectl = {"evict_unmanaged": False, "delete_emptydir_data": False}
    assert judged(raw, orphan=orphan, **as_kubectl)[0] is careful, kubectl
    ours = Action.EVICT if careful is Action.REFUSE else careful
    assert judged(raw, orphan=orphan)[0] is ours


def test_a_pod_is_read_from_its_json():
    """Each field that decides."""
    pod = a_pod(
        metadata__creationTimestamp="2026-01-01T00:00:10Z",
        metadata__deletionTimestamp="2026-01-01T00:01:00Z",
        metadata__deletionGracePeriodSeconds=45,
        metadata__annotations={"stepdrain/wave": "3"},
        spec__terminationGracePeriodSeconds=0,
        spec__priorityClassName="system-node-critical",
        spec__volumes=[{"emptyDir": {}}],
    )
    assert (pod.key, pod.uid, pod.phase, pod.ready) == ("shop/web-1", "u-1", "Running", True)
    assert (pod.labels, pod.annotations) == ({"app": "web"}, {"stepdrain/wave": "3"})
    assert (pod.created_at, pod.deletion_at) == (1767225610.0, 1767225660.0)
    assert (pod.grace_s, pod.deletion_grace_s, pod.priority_class) == (0, 45, "system-node-critical")
    assert (pod.local_storage, pod.tolerates_cordon, pod.bound_to_node) == (True, False, False)
    assert pod.owner == Owner("apps/v1", "ReplicaSet", "web-5d9")
    bare = a_pod()
    assert (bare.created_at, bare.deletion_at, bare.deletion_grace_s) == (0.0, None, None)
    assert (bare.local_storage, bare.priority_class) == (False, "")
    assert a_pod(spec__tolerations=[{"operator": "Exists"}]).tolerates_cordon


@pytest.mark.parametrize(
    ("conditions", "is_ready"),
    [
        ([{"type": "Ready", "status": "True"}], True),
        ([{"type": "Ready", "status": "False"}], False),
        ([{"type": "Initialized", "status": "True"}], False),
        ([{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "Unknown"}], False),
        ([{"type": "Initialized", "status": "False"}, {"type": "Ready", "status": "True"}], True),
        ([], False),
    ],
)
def test_a_pod_is_ready_by_the_condition_of_that_name(conditions, is_ready):
    """Other conditions say something else."""
    assert a_pod(status__conditions=conditions).ready is is_ready


@pytest.mark.parametrize(
    ("kind", "policy", "why"),
    [
        ("ReplicaSet", {}, "ReplicaSet x replaces it; its emptyDir data is lost"),
        (None, {}, "no controller would put it back; its emptyDir data is lost"),
        (
            "ReplicaSet",
            {"delete_emptydir_data": False},
            "has an emptyDir volume, and deleteEmptydirData is false",
        ),
        (None, {"evict_unmanaged": False}, "no controller would put it back, and evictUnmanaged is false"),
        ("ReplicaSet", {"evict_unmanaged": False}, "ReplicaSet x replaces it; its emptyDir data is lost"),
    ],
)
def test_what_is_lost_with_a_pod_is_said(kind, policy, why):
    """Its emptyDir, and the pod itself where nobody makes another."""
    owners = [{"apiVersion": "apps/v1", "kind": kind, "name": "x", "controller": True}] if kind else []
    pod = a_pod(metadata__ownerReferences=owners, spec__volumes=[{"emptyDir": {}}])
    assert judged(pod, **policy)[1] == why


def test_only_daemonsets_of_kubernetes_that_are_gone_leave_orphans():
    """By namespace and name; other groups' cannot be looked up."""
    proxy = a_pod(metadata__ownerReferences=DAEMONSET)
    foreign = a_pod(metadata__ownerReferences=[{**DAEMONSET[0], "apiVersion": "apps.kruise.io/v1"}])
    assert orphans([a_pod(), proxy, foreign], set()) == [proxy]
    assert orphans([proxy], {("shop", "kube-proxy")}) == []
    assert orphans([proxy], {("other", "kube-proxy"), ("shop", "another")}) == [proxy]
