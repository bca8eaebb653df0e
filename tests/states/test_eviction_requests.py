"""What is asked of the API server for a batch, and what its answers come to."""

from dataclasses import replace

import pytest
from stepdrain.clock import to_rfc3339
from stepdrain.document.step import parse
from stepdrain.errors import KubeForbidden, KubeUnavailable
from stepdrain.rules.eviction_answers import Answer
from stepdrain.rules.pods import Pod
from stepdrain.rules.reasons import Reason
from stepdrain.states.eviction_requests import send

from tests.document.test_progress import T0, an_event

POD = Pod("shop", "web-1", "u1", "Running", True, {}, {}, "", None, False, 600, 0.0, None)
OTHER = replace(POD, name="web-2", uid="u2", grace_s=30)
LATE = replace(POD, name="late", uid="u3", deletion_at=T0 + 9000, deletion_grace_s=9000)
UNTIL = T0 + 3600
BUDGET = Answer(429, {"message": "Cannot evict", "details": {"causes": [{"reason": "DisruptionBudget"}]}})
TWO_BUDGETS = Answer(500, {"message": "This pod has more than one PodDisruptionBudget"})
WEBHOOK = Answer(403, {"message": 'admission webhook "guard.example.com" denied the request: wait.'})
UNREACHED = 'failed calling webhook "guard.example.com": connection refused'
RBAC = Answer(403, {"message": 'User "x" cannot create resource "pods/eviction"'})
DONE, GONE, NO_ANSWER = Answer(201, ""), Answer(404, ""), Answer(0, "timed out")


class Cluster:
    """Answers to evictions and deletions by pod, DONE unless said otherwise; notes each request."""

    def __init__(self, evictions=None, deletions=None):
        self.evictions, self.deletions = evictions or {}, deletions or {}
        self.evicted, self.deleted, self.conditions = [], [], []

    def evict(self, doomed, grace_s):
        self.evicted.append(([pod.name for pod in doomed], grace_s))
        return [(pod, self.evictions.get(pod.name, DONE)) for pod in doomed]

    def delete(self, doomed, condition):
        self.deleted.append([(pod.name, grace_s) for pod, grace_s in doomed])
        self.conditions.append(condition)
        return [(pod, self.deletions.get(pod.name, DONE)) for pod, _ in doomed]


def sent(cluster, due=(), chosen=(), late=(), held=(), now=UNTIL - 200, **policy):
    step = parse(an_event(policy={"onTimeout": "force", **policy}))
    return send(list(due), list(chosen), list(late), list(held), step, cluster, step.timing(now))


@pytest.mark.parametrize(
    ("now", "policy", "requests"),
    [
        # Both graces fit: one request, and each pod has its own.
        (UNTIL - 600, {}, [(["web-1", "web-2"], -1)]),
        # What the deadline leaves of the longer one.
        (UNTIL - 599, {}, [(["web-1"], 599), (["web-2"], -1)]),
        (UNTIL - 20, {}, [(["web-1", "web-2"], 20)]),
        # The policy's grace stands for both.
        (UNTIL - 100, {"gracePeriod": 100}, [(["web-1", "web-2"], 100)]),
        (UNTIL - 60, {"gracePeriod": 100}, [(["web-1", "web-2"], 60)]),
        # Nothing is cut where nothing is forced.
        (UNTIL - 20, {"onTimeout": "fail"}, [(["web-1", "web-2"], -1)]),
    ],
)
def test_each_pod_is_evicted_with_its_own_grace_where_it_fits(now, policy, requests):
    """-1 leaves the grace to the pod."""
    cluster = Cluster()
    sent(cluster, due=[POD], chosen=[OTHER], now=now, **policy)
    assert cluster.evicted == requests
    assert cluster.deleted == []


@pytest.mark.parametrize(
    ("answer", "deleted"),
    [
        (BUDGET, True),
        (TWO_BUDGETS, True),
        (WEBHOOK, True),
        # An answer that only evictions get: a webhook for them is down, or too much is asked of it.
        (Answer(500, {"message": UNREACHED}), True),
        (Answer(400, {"message": UNREACHED}), True),
        (Answer(429, "too many requests"), True),
        # A DELETE would fare no better, or is not needed.
        (NO_ANSWER, False),
        (RBAC, False),
        (Answer(401, ""), False),
        (Answer(400, {"message": "unknown field"}), False),
        (Answer(409, {"message": "the object has been modified"}), False),
        (GONE, False),
        (DONE, False),
    ],
)
def test_what_is_deleted_when_its_eviction_is_refused_at_the_last_moment(answer, deleted):
    """Only what is due: whatever else is refused is held, as a budget's pod is."""
    cluster = Cluster({"web-1": answer, "web-2": answer})
    asked = sent(cluster, due=[POD], chosen=[OTHER])
    assert cluster.deleted == ([[("web-1", 200)]] if deleted else [])
    assert [reason.name for reason in asked.forced] == (["shop/web-1"] if deleted else [])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (BUDGET, "deleted past its budgets, with 200 s of grace"),
        (TWO_BUDGETS, "deleted past its budgets, with 200 s of grace"),
        (
            WEBHOOK,
            "deleted with 200 s of grace, since its eviction was refused "
            '(admission webhook "guard.example.com" denied the request: wait)',
        ),
    ],
)
def test_a_forced_pod_is_named_as_its_owner_reads_it(answer, why):
    """Whose rule was passed over, and how long the pod had."""
    assert sent(Cluster({"web-1": answer}), due=[POD]).forced == [Reason("shop/web-1", why)]


def test_a_grace_that_is_cut_is_no_new_eviction():
    """The pod was counted when it was asked to go."""
    asked = sent(Cluster(), late=[LATE])
    assert asked.forced == [Reason("shop/late", "its grace was cut to 200 s")]
    assert (asked.tally.evicted, asked.moved) == (0, frozenset())


def test_a_pod_that_was_gone_before_its_deletion_was_not_forced():
    """It has moved all the same."""
    asked = sent(Cluster({"web-1": BUDGET}, {"web-1": GONE, "late": GONE}), due=[POD], late=[LATE])
    assert (asked.forced, asked.tally.evicted, asked.moved) == ([], 1, {"u1"})


@pytest.mark.parametrize(
    ("evictions", "deletions", "evicted", "moved"),
    [
        ({}, {}, 2, {"u1", "u2"}),
        ({"web-1": GONE}, {}, 2, {"u1", "u2"}),
        ({"web-1": BUDGET, "web-2": BUDGET}, {}, 1, {"u1"}),
        ({"web-1": BUDGET}, {"web-1": NO_ANSWER}, 1, {"u2"}),
        ({"web-1": NO_ANSWER, "web-2": WEBHOOK}, {}, 0, set()),
    ],
)
def test_who_leaves_after_a_batch(evictions, deletions, evicted, moved):
    """Each pod counts once, by the last answer about it."""
    asked = sent(Cluster(evictions, deletions), due=[POD], chosen=[OTHER])
    assert (asked.tally.evicted, asked.moved) == (evicted, moved)


def test_pods_that_are_held_are_counted_with_what_holds_them():
    """Those that were not asked for, too; the server does not name budgets that are too many."""
    held = [Reason("shop/web-2", "two budgets: a and b"), Reason("shop/web-3", "budget c")]
    asked = sent(Cluster({"web-2": TWO_BUDGETS}), chosen=[OTHER], held=held)
    assert sorted(map(str, asked.tally.blocked)) == [
        "shop/web-2: two budgets: a and b",
        "shop/web-3: budget c",
    ]


def test_an_error_about_a_grace_to_cut_counts_behind_those_about_evictions():
    """One of each kind is kept."""
    deletions = {"late": RBAC, "web-1": NO_ANSWER}
    alone = sent(Cluster(deletions={"late": NO_ANSWER}), late=[LATE]).tally
    assert alone.errors == {KubeUnavailable: "shop/late: timed out"}
    both = sent(Cluster({"web-1": BUDGET}, deletions), due=[POD], late=[LATE]).tally
    assert both.errors.keys() == {KubeForbidden, KubeUnavailable}
    same = sent(Cluster({"web-1": BUDGET}, {"web-1": NO_ANSWER, "late": NO_ANSWER}), due=[POD], late=[LATE])
    assert same.tally.errors == {KubeUnavailable: "shop/web-1: timed out"}


def test_a_deleted_pod_gets_the_condition_of_an_eviction():
    """A Job's podFailurePolicy looks for it."""
    cluster = Cluster()
    sent(cluster, late=[LATE])
    (condition,) = cluster.conditions
    assert (condition["type"], condition["status"]) == ("DisruptionTarget", "True")
    assert (condition["reason"], condition["lastTransitionTime"]) == (
        "EvictionByEvictionAPI",
        to_rfc3339(UNTIL - 200),
    )
