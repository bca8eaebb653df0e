"""Situation × policy → rolled, evicted, or held and why."""

from dataclasses import replace

import pytest
from stepdrain.clock import to_epoch_s
from stepdrain.rules.budgets import Budget
from stepdrain.rules.pods import Owner
from stepdrain.rules.pods import parse as parse_pod
from stepdrain.rules.rollouts import Way, not_rollable, restart, verdict
from stepdrain.rules.workloads import Workload, current, fenceposts, parse, selector_text, why_not_ready

POLICIES = ("off", "annotated", "singletons", "blocked")
E, R, W, H = Way.EVICT, Way.ROLL, Way.ROLLING, Way.HELD
POD = parse_pod(
    {
        "metadata": {
            "namespace": "default",
            "name": "web-1",
            "uid": "u",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"nodeName": "n1"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }
)
HOLDS = Budget("default", "web", {}, False, 0, 1, 1, True, expected=1)
WAITS = Budget("default", "web", {}, False, 0, 1, 1, True, expected=2)
ONE = {
    "metadata": {"namespace": "default", "name": "web", "resourceVersion": "7", "generation": 1},
    "spec": {"replicas": 1},
    "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
}
SINGLE = parse("Deployment", ONE)
CORDONED = to_epoch_s("2026-01-01T00:00:04Z")
THREE = replace(SINGLE, replicas=3, updated=3, total=3, available=3)
HOLDS_THREE = replace(HOLDS, current=3, desired=3, expected=3)
STATEFUL = parse("StatefulSet", ONE)


def judged(policy, deployment=SINGLE, budgets=(HOLDS,), *, current=True, rolled=False, pod=POD):
    return verdict(
        policy, pod, deployment, current=current, budgets=budgets, rolled=rolled, cordoned_at=CORDONED
    )


def annotated(value, deployment=SINGLE):
    return replace(deployment, annotations={"stepdrain/roll": value})


@pytest.mark.parametrize(
    ("situation", "deployment", "budgets", "ways"),
    [
        ("an only pod, held for ever", SINGLE, [HOLDS], (E, E, R, R)),
        ("an only pod without a budget", SINGLE, [], (E, E, R, E)),
        ("an only pod that asks", annotated("true"), [HOLDS], (E, R, R, R)),
        ("an only pod that asks, without a budget", annotated("true"), [], (E, R, R, R)),
        ("an only pod that forbids", annotated("false"), [HOLDS], (E, E, E, E)),
        ("three pods, held for ever", THREE, [HOLDS_THREE], (E, E, E, R)),
        ("three pods that ask, held for ever", annotated("true", THREE), [HOLDS_THREE], (E, R, R, R)),
        ("three pods whose budget waits", THREE, [WAITS], (E, E, E, E)),
        ("three pods that ask, whose budget waits", annotated("true", THREE), [WAITS], (E, E, E, E)),
        ("two budgets, one for ever", THREE, [WAITS, HOLDS_THREE], (E, E, E, R)),
        ("two budgets, which the Eviction API refuses", THREE, [WAITS, WAITS], (E, E, E, R)),
        ("a budget that cannot be counted", THREE, [replace(HOLDS_THREE, sync_failure="why")], (E, E, E, E)),
        ("a StatefulSet's only pod, held for ever", STATEFUL, [HOLDS], (E, E, E, E)),
        ("a StatefulSet's only pod that asks", annotated("true", STATEFUL), [HOLDS], (E, R, R, R)),
        ("a StatefulSet's only pod that asks, no budget", annotated("true", STATEFUL), [], (E, E, E, E)),
        ("a budget that is not counted yet", THREE, [replace(HOLDS_THREE, observed=False)], (E, E, E, E)),
        ("scaled to zero", replace(SINGLE, replicas=0, updated=0, total=0, available=0), [], (E, E, E, E)),
    ],
)
def test_the_policy_decides_who_is_rolled(situation, deployment, budgets, ways):
    """off, annotated, singletons, blocked."""
    assert tuple(judged(policy, deployment, budgets).way for policy in POLICIES) == ways, situation


def test_an_annotation_of_the_pod_counts_as_its_deployments():
    """Teams that own the template alone can ask, and forbid."""
    pod = replace(POD, annotations={"stepdrain/roll": "true"})
    assert judged("annotated", pod=pod).way is R
    assert judged("annotated", annotated("false"), pod=pod).way is E
    assert (
        judged("blocked", annotated("true"), pod=replace(pod, annotations={"stepdrain/roll": "false"})).way
        is E
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"strategy": "Recreate"}, "its strategy is Recreate, which ends the old pod first"),
        ({"paused": True}, "it is paused"),
        ({"updated": 0}, "its last rollout is not complete (0 of 1 pod updated, 1 available)"),
        ({"observed_generation": 0}, "its last rollout is not complete (1 of 1 pod updated, 1 available)"),
        ({"available": 0}, "its last rollout is not complete (1 of 1 pod updated, 0 available)"),
        ({"total": 2}, "its last rollout is not complete (1 of 1 pod updated, 1 available)"),
        (
            {"progressing": ("ProgressDeadlineExceeded", "ReplicaSet web has timed out progressing.")},
            "its last rollout has exceeded its progress deadline: ReplicaSet web has timed out progressing",
        ),
        ({"max_surge": 0}, "its maxSurge is 0, so that the old pod ends first"),
        ({"max_unavailable": 1}, "a rollout may leave 0 of its pods available, and 1 must be"),
    ],
)
def test_what_cannot_be_rolled_is_held_and_says_why(changes, why):
    """An eviction in its stead would be the outage that the policy is to prevent."""
    found = judged("blocked", replace(SINGLE, **changes))
    assert (found.way, found.why) == (H, f"Deployment web cannot be rolled: {why}")


@pytest.mark.parametrize(("unavailable", "way"), [(0, R), (1, H)])
def test_a_roll_never_breaks_the_budget_itself(unavailable, way):
    """G10: three pods that all are needed, and a rollout that may take one away."""
    assert judged("blocked", replace(THREE, max_unavailable=unavailable), [HOLDS_THREE]).way is way


def test_an_only_pod_without_a_budget_needs_itself():
    """Nobody counts it, and its users do."""
    assert judged("singletons", replace(SINGLE, max_unavailable=1), []).way is H


@pytest.mark.parametrize("policy", ["singletons", "blocked"])
def test_a_rollout_that_runs_is_waited_for(policy):
    """Whoever began it: the pod has the old template and goes by itself; several nodes roll it once."""
    found = judged(policy, replace(SINGLE, updated=1, total=2), current=False)
    assert (found.way, found.why) == (W, "Deployment web is being rolled")


def test_a_surge_pod_does_not_make_the_budget_look_as_if_it_gave_way():
    """expectedPods counts it; the drain goes on waiting for what it began."""
    assert judged("blocked", budgets=[WAITS], current=False, rolled=True).way is W


@pytest.mark.parametrize("changes", [{"paused": True}, {"progressing": ("ProgressDeadlineExceeded", "")}])
def test_a_rollout_that_hangs_is_no_reason_to_wait(changes):
    """What will not end by itself is named instead."""
    assert judged("blocked", replace(SINGLE, **changes), current=False).way is H


def test_a_restart_that_was_taken_back_is_not_repeated():
    """A GitOps tool that removes the annotation would otherwise be fought for hours."""
    found = judged("blocked", rolled=True)
    assert (found.way, found.why) == (
        H,
        "Deployment web was rolled once by this drain, and its restart was taken back",
    )


@pytest.mark.parametrize(
    ("rolling", "replicas", "surge", "unavailable"),
    [
        ({}, 1, 1, 0),
        ({}, 4, 1, 1),
        ({}, 10, 3, 2),
        ({"maxSurge": 0, "maxUnavailable": 1}, 1, 0, 1),
        ({"maxSurge": 2, "maxUnavailable": 0}, 3, 2, 0),
        ({"maxSurge": "0%", "maxUnavailable": "10%"}, 3, 0, 1),
        ({"maxSurge": "50%", "maxUnavailable": "50%"}, 3, 2, 1),
        ({"maxSurge": 1, "maxUnavailable": 5}, 2, 1, 2),
    ],
)
def test_percentages_are_rounded_as_the_controller_does(rolling, replicas, surge, unavailable):
    """Up for the surge, down for the other; both zero means one."""
    assert fenceposts(rolling, replicas) == (surge, unavailable)


def test_why_a_deployment_is_rolled_names_it_and_its_pods():
    """All of them are replaced once, not only the one on this node."""
    why = "Deployment web, 1 pod, because"
    assert judged("blocked").why == f"{why} budget web can never allow its eviction"
    assert judged("singletons", budgets=[]).why == f"{why} it has no other pod"
    both = judged("blocked", budgets=[WAITS, replace(WAITS, name="too")]).why
    assert both == f"{why} budgets too and web both select it, and the Eviction API refuses that"
    outage = judged("annotated", annotated("true", STATEFUL)).why
    assert outage.endswith("can never allow its eviction; its pod is away until the next one is Ready")


def test_a_restart_says_when_and_by_whom():
    """A second attempt, or a redrive, changes nothing; another drain that was faster is a conflict."""
    assert restart(SINGLE, CORDONED, "i-1-abc") == {
        "metadata": {"resourceVersion": "7", "annotations": {"stepdrain/rolled-by": "i-1-abc"}},
        "spec": {
            "template": {
                "metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:04Z"}}
            }
        },
    }


@pytest.mark.parametrize(
    ("at", "way"),
    [
        ("2026-01-01T00:00:03Z", R),
        ("2026-01-01T00:00:04Z", H),
        ("2026-01-01T01:00:09+01:00", H),
        ("2026-01-01T01:00:03+01:00", R),
        ("yesterday", R),
    ],
)
def test_a_restart_since_the_cordon_is_not_repeated(at, way):
    """kubectl writes the time with the zone of whoever types."""
    template = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": at}}}
    assert judged("blocked", replace(SINGLE, template=template)).way is way


def test_a_pod_that_serves_nobody_is_evicted_and_not_rolled():
    """No budget counts it, so that its eviction takes nothing away."""
    ill = replace(POD, ready=False)
    assert judged("singletons", budgets=[], pod=ill).way is E
    assert judged("blocked", budgets=[replace(HOLDS, always_allow_unready=True)], pod=ill).way is E
    held = judged("blocked", replace(SINGLE, available=0), [replace(HOLDS, current=0)], pod=ill)
    assert (held.way, "not complete" in held.why) == (H, True)


def test_in_the_middle_of_a_rollout_an_eviction_would_come_on_top():
    """G10: three are needed, a surge pod is Ready, and the budget allows one; the rollout takes that one."""
    allows = Budget("default", "web", {}, False, 1, 4, 3, True, expected=4)
    moving = replace(THREE, updated=1, total=4, available=4)
    assert judged("blocked", moving, [allows], current=False).way is W
    assert judged("blocked", moving, [allows]).way is H
    assert judged("blocked", replace(moving, replicas=9, updated=9), [allows], current=False).way is E


@pytest.mark.parametrize(
    ("update", "why"),
    [
        ({"type": "OnDelete"}, "its update strategy is OnDelete, which replaces no pod by itself"),
        ({"rollingUpdate": {"partition": 1}}, "its update strategy keeps pods below number 1 (partition)"),
    ],
)
def test_a_stateful_set_that_replaces_nothing_is_not_rolled(update, why):
    """A restart would change its template, and nothing else."""
    stateful = parse("StatefulSet", {**ONE, "spec": {"replicas": 1, "updateStrategy": update}})
    found = judged("annotated", annotated("true", stateful))
    assert (found.way, found.why) == (H, f"StatefulSet web cannot be rolled: {why}")


@pytest.mark.parametrize(
    ("policy", "annotation", "budget", "named"),
    [
        ("blocked", None, HOLDS, True),
        ("blocked", "false", HOLDS, False),
        ("blocked", None, WAITS, False),
        ("annotated", "true", HOLDS, True),
        ("annotated", None, HOLDS, False),
        ("off", "true", HOLDS, False),
    ],
)
def test_what_another_controller_runs_is_named_as_not_rollable(policy, annotation, budget, named):
    """Argo Rollouts evict their pods to restart them, and the budget would refuse that as well."""
    pod = replace(POD, annotations={"stepdrain/roll": annotation} if annotation else {})
    why = not_rollable(policy, pod, Owner("argoproj.io/v1alpha1", "Rollout", "web"), [budget])
    assert why.startswith("Rollout web cannot be rolled: only Deployments are") is named


def template(**labels):
    return {
        "metadata": {"labels": {"app": "web", **labels}},
        "spec": {"containers": [{"image": "web:1"}]},
    }


def test_the_template_tells_whether_a_pod_is_of_the_latest_rollout():
    """As the controller finds its new ReplicaSet: all but its own label must be the same."""
    web = replace(SINGLE, template=template())
    assert current(web, POD, {"spec": {"template": template(**{"pod-template-hash": "5d9"})}})
    assert not current(web, POD, {"spec": {"template": template(tier="old")}})


def test_the_revision_tells_it_of_a_stateful_set():
    """A change that its controller has not seen yet counts as one."""
    pod = replace(POD, labels={"controller-revision-hash": "web-2"})
    web = replace(STATEFUL, revision="web-2")
    assert current(web, pod)
    assert not current(replace(web, revision="web-3"), pod)
    assert not current(replace(web, generation=2), pod)


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({"matchLabels": {"app": "web", "tier": "x"}}, "app=web,tier=x"),
        (
            {
                "matchExpressions": [
                    {"key": "a", "operator": "In", "values": ["1", "2"]},
                    {"key": "b", "operator": "NotIn", "values": ["3"]},
                    {"key": "c", "operator": "Exists"},
                    {"key": "d", "operator": "DoesNotExist"},
                ]
            },
            "a in (1,2),b notin (3),c,!d",
        ),
    ],
)
def test_a_selector_is_written_as_the_api_reads_it(selector, text):
    """Each operator of matchExpressions."""
    assert selector_text(selector) == text


NOWHERE = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: 3 unschedulable."}


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"conditions": [NOWHERE]}, "0/3 nodes are available: 3 unschedulable."),
        (
            {
                "containerStatuses": [
                    {"name": "web", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no"}}}
                ]
            },
            "container web: ImagePullBackOff: no",
        ),
        (
            {"conditions": [{"type": "Ready", "status": "False", "message": "unready: [web]"}]},
            "unready: [web]",
        ),
        ({}, "it has just started"),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, ""),
    ],
)
def test_a_pod_that_is_not_ready_says_why_in_the_clusters_words(status, why):
    """The scheduler's first, then what its containers wait for."""
    assert why_not_ready({"status": status}) == why


def test_a_deployment_without_optional_fields_is_read_with_the_apis_defaults():
    """A foreign object never ends a drain."""
    found = parse("Deployment", {"metadata": {"namespace": "n", "name": "d"}})
    assert isinstance(found, Workload)
    assert (found.replicas, found.strategy, found.max_surge, found.max_unavailable) == (
        1,
        "RollingUpdate",
        1,
        0,
    )
