"""onTimeout: force: whose grace is cut, when, and to what."""

from dataclasses import replace

import pytest
from stepdrain.document.step import parse
from stepdrain.rules.eviction_answers import Answer
from stepdrain.rules.pods import Pod
from stepdrain.states.evict_batch import evict_batch

from tests.document.test_progress import T0, an_event

POD = Pod("shop", "web-1", "u", "Running", True, {}, {}, "", None, False, 600, 0.0, None)
UNTIL = T0 + 3600


class Cluster:
    """One pod, and a note of each DELETE."""

    def __init__(self, pod):
        self.pods, self.deleted = [pod], []

    def pods_on(self, node):
        return self

    def budgets(self):
        return []

    def evict(self, doomed, grace_s):
        return [(pod, Answer(201, "")) for pod in doomed]

    def delete(self, doomed, condition):
        self.deleted += [(pod.name, grace) for pod, grace in doomed]
        return [(pod, Answer(200, "")) for pod, _ in doomed]


def forced(pod, now):
    cluster = Cluster(pod)
    record = evict_batch(parse(an_event(policy={"onTimeout": "force"})), cluster, now, print)
    return cluster.deleted, record


@pytest.mark.parametrize(
    ("now", "grace"), [(UNTIL - 600, 600), (UNTIL - 90, 90), (UNTIL, 1), (UNTIL + 60, 1)]
)
def test_a_pod_is_deleted_when_only_its_own_grace_is_left(now, grace):
    """Clamped to the time left, and never 0."""
    deleted, record = forced(POD, now)
    assert deleted == [("web-1", grace)]
    assert record.forced_pods == (f"shop/web-1: deleted past its budgets, with {grace} s of grace",)


def test_nothing_is_deleted_while_the_grace_fits():
    """Until then budgets hold."""
    assert forced(POD, UNTIL - 601)[0] == []


def test_a_grace_that_ends_behind_the_deadline_is_cut():
    """An eviction that was accepted late would otherwise hold the instance past its deadline."""
    deleted, record = forced(replace(POD, deletion_at=UNTIL + 300), UNTIL - 200)
    assert deleted == [("web-1", 200)]
    assert (record.evicted, record.forced) == (0, 1)


@pytest.mark.parametrize(
    ("now", "deletion_at"), [(UNTIL - 200, UNTIL), (UNTIL - 20, UNTIL + 16), (UNTIL + 5, UNTIL + 6 + 16)]
)
def test_a_grace_that_was_cut_is_not_cut_again(now, deletion_at):
    """Else each attempt names the pod and counts as progress: with a server whose clock is 16 s ahead,
    EvictBatch and WaitForPods went round without a pause. Found by a generated night.
    """
    assert forced(replace(POD, deletion_at=deletion_at), now)[0] == []
