"""onTimeout: force: whose grace is cut, when, and to what."""

from dataclasses import replace

import pytest
from stepdrain.clock import to_rfc3339
from stepdrain.document.progress import Progress
from stepdrain.document.step import parse
from stepdrain.rules.budgets import Budget
from stepdrain.rules.eviction_answers import Answer
from stepdrain.rules.pods import Pod
from stepdrain.states.evict_batch import evict_batch

from tests.document.test_progress import T0, an_event

POD = Pod("shop", "web-1", "u", "Running", True, {}, {}, "", None, False, 600, 0.0, None)
UNTIL = T0 + 3600
HELD = Answer(429, {"message": "Cannot evict", "details": {"causes": [{"reason": "DisruptionBudget"}]}})
WEBHOOK = Answer(429, {"message": 'admission webhook "guard.example.com" denied the request: wait'})


class Cluster:
    """One pod, an answer to each eviction of it, and a note of what was asked."""

    def __init__(self, pod, answer):
        self.pods, self.answer, self.evicted, self.deleted = [pod], answer, [], []

    def pods_on(self, node):
        return self

    def budgets(self):
        return [Budget("shop", "web", {}, False, 0, 1, 1, True)]

    def evict(self, doomed, grace_s):
        self.evicted += [(pod.name, grace_s) for pod in doomed]
        return [(pod, self.answer) for pod in doomed]

    def delete(self, doomed, condition):
        self.deleted += [(pod.name, grace) for pod, grace in doomed]
        return [(pod, Answer(200, "")) for pod, _ in doomed]


def forced(pod, now, answer=HELD, **drain):
    cluster = Cluster(pod, answer)
    asked = Progress(0, T0, asked_at=T0 + 1, asked_after=T0).to_document()
    event = an_event(policy={"onTimeout": "force"}, progress=asked, **drain)
    return cluster, evict_batch(parse(event), cluster, now, print)


@pytest.mark.parametrize(
    ("now", "grace"),
    [(UNTIL - 610, 600), (UNTIL - 600, 600), (UNTIL - 90.5, 90), (UNTIL, 1), (UNTIL + 60, 1)],
)
def test_a_held_pod_is_deleted_when_its_own_grace_just_fits(now, grace):
    """Its eviction is asked for first; the grace is its own, or what is left of it, and never 0."""
    cluster, record = forced(POD, now)
    assert cluster.evicted == [("web-1", -1 if grace == 600 else grace)]
    assert cluster.deleted == [("web-1", grace)]
    assert record.forced_pods == (f"shop/web-1: deleted past its budgets, with {grace} s of grace",)


def test_nothing_is_deleted_while_the_grace_fits():
    """Until then budgets hold."""
    cluster, _ = forced(POD, UNTIL - 611)
    assert (cluster.evicted, cluster.deleted) == ([], [])


def test_what_the_eviction_api_lets_go_is_not_deleted():
    """The budget may have given way at the last moment."""
    cluster, record = forced(POD, UNTIL - 90, Answer(201, ""))
    assert (cluster.evicted, cluster.deleted) == ([("web-1", 90)], [])
    assert (record.evicted, record.forced) == (1, 0)


def test_what_a_webhook_holds_is_named_as_that():
    """No budget held it, and its owner looks for the reason."""
    _, record = forced(POD, UNTIL - 610, WEBHOOK)
    (named,) = record.forced_pods
    assert "deleted with 600 s of grace, since its eviction was refused (admission webhook" in named


def test_a_grace_that_ends_behind_the_deadline_is_cut():
    """An eviction that was accepted late would otherwise hold the instance past its deadline."""
    cluster, record = forced(replace(POD, deletion_at=UNTIL + 300, deletion_grace_s=600), UNTIL - 200)
    assert cluster.deleted == [("web-1", 200)]
    assert (record.evicted, record.forced) == (0, 1)
    assert record.forced_pods == ("shop/web-1: its grace was cut to 200 s",)


@pytest.mark.parametrize(("ends_s", "cut"), [(16, []), (59, []), (61, [("web-1", 90)])])
def test_a_grace_that_was_cut_is_cut_again_only_for_an_earlier_deadline(ends_s, cut):
    """Else each attempt names the pod: with a server whose clock is 16 s ahead it always looks late."""
    cluster, _ = forced(replace(POD, deletion_at=UNTIL + ends_s, deletion_grace_s=200), UNTIL - 90)
    assert cluster.deleted == cut


@pytest.mark.parametrize("left_s", [120, 300, 600, 1500])
@pytest.mark.parametrize("grace_s", [5, 15, 30, 45, 60, 120])
def test_each_pod_has_all_of_its_grace_wherever_it_fits(left_s, grace_s):
    """At the latest moment, under force, and 5 s before EC2 takes the instance."""
    pod, ends_at = replace(POD, grace_s=grace_s), to_rfc3339(T0 + left_s)
    cluster, _ = forced(pod, T0 + left_s - grace_s - 5, endsAt=ends_at)
    assert cluster.deleted == [("web-1", grace_s)]
