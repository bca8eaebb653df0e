"""The batch of an attempt: who is asked to go now, who is held, and who is only looked at."""

from dataclasses import replace
from functools import partial

import pytest
from stepdrain.rules.budgets import Budget
from stepdrain.rules.eviction_answers import Answer, Tally
from stepdrain.rules.pods import Pod
from stepdrain.rules.reasons import Reason
from stepdrain.states.batch import Moved, begun, move
from stepdrain.states.rolling import Rolling

from tests.document import test_progress
from tests.document.test_progress import T0

a_step = partial(test_progress.a_step, attempt=0, asked_at=T0)

POD = Pod("shop", "web-1", "u1", "Running", True, {"app": "web"}, {}, "", None, False, 600, 0.0, None)
OTHER = replace(POD, name="web-2", uid="u2")
CRITICAL = replace(POD, name="dns", uid="u3", labels={}, priority_class="system-node-critical")
UNTIL = T0 + 3600
HELD = Budget("shop", "web", {"matchLabels": {"app": "web"}}, False, 0, 1, 1, True)
SECOND = replace(HELD, name="all", selector={})


class Cluster:
    """Budgets, and an API server that accepts each eviction but those of ``refused`` names."""

    def __init__(self, *budgets, refused=()):
        self.found, self.refused, self.evicted, self.deleted, self.lists = list(budgets), refused, [], [], 0

    def budgets(self):
        self.lists += 1
        return self.found

    def evict(self, doomed, grace_s):
        self.evicted += [pod.name for pod in doomed]
        webhook = Answer(403, {"message": 'admission webhook "x" denied the request'})
        return [(pod, webhook if pod.name in self.refused else Answer(201, "")) for pod in doomed]

    def delete(self, doomed, condition):
        self.deleted += [pod.name for pod, _ in doomed]
        return [(pod, Answer(200, "")) for pod, _ in doomed]


def moved(cluster, staying, leaving=(), step=None, now=T0 + 1, for_deadline=False):
    """What the batch came to, and the Events that it wrote."""
    step, events = step or a_step(), []
    warn = lambda reason, message: events.append((reason, message))  # noqa: E731
    return move(
        list(staying), list(leaving), step, cluster, step.timing(now), warn, for_deadline=for_deadline
    ), events


@pytest.mark.parametrize(
    ("tally", "forced", "rolled", "nothing"),
    [
        (Tally(), [], Rolling(), True),
        (Tally(blocked=[Reason("a/b", "held")]), [], Rolling(), True),
        (Tally(evicted=1), [], Rolling(), False),
        (Tally(), [Reason("a/b", "deleted")], Rolling(), False),
        (Tally(), [], Rolling(begun={"shop/web": "why"}), False),
        (Tally(), [], Rolling(others=[POD], held=[Reason("a/b", "rolls")]), True),
    ],
)
def test_when_an_attempt_has_moved_nothing(tally, forced, rolled, nothing):
    """An eviction, a deletion or a restart moves something; a pod that is held does not."""
    assert Moved(tally, forced, 1, 0, rolled, []).nothing is nothing


@pytest.mark.parametrize(
    ("attempt", "record", "looked"),
    [
        (0, {}, False),
        # It has waited: for its turn, or for the cordons of other nodes.
        (1, {}, False),
        (1, {"wait_s": None}, True),
        (0, {"asked_at": T0}, True),
        (0, {"number": 1}, True),
        (0, {"evicted": 1}, True),
    ],
)
def test_when_a_drain_has_looked_at_its_pods_before(attempt, record, looked):
    """After a batch, or a heartbeat; on the first definition, which keeps no record, a further attempt."""
    assert begun(a_step(**{"attempt": attempt, "asked_at": None, **record})) is looked


@pytest.mark.parametrize(
    ("staying", "leaving", "evicted"),
    [
        ([POD, OTHER, CRITICAL], [], ["web-1", "web-2"]),
        ([CRITICAL], [], ["dns"]),
        # A wave is gone before the next begins.
        ([CRITICAL], [replace(POD, deletion_at=T0 + 30)], []),
        # What is terminating is not asked twice.
        ([POD], [replace(OTHER, deletion_at=T0 + 30)], ["web-1"]),
        ([], [], []),
    ],
)
def test_the_first_wave_is_asked_to_go(staying, leaving, evicted):
    """Pods that are still leaving belong to it. Budgets are listed only where somebody is asked."""
    cluster = Cluster()
    moved(cluster, staying, leaving)
    assert (cluster.evicted, cluster.lists) == (evicted, int(bool(evicted)))


def test_no_more_are_asked_than_the_policy_says_and_none_that_a_budget_holds():
    """In the order of the list."""
    cluster = Cluster(replace(HELD, selector={"matchLabels": {"app": "db"}}))
    db = replace(POD, name="db", uid="u4", labels={"app": "db"})
    done, _ = moved(cluster, [db, POD, OTHER], step=a_step(policy={"batchSize": 1}))
    assert cluster.evicted == ["web-1"]
    assert [reason.name for reason in done.tally.blocked] == ["shop/db"]


@pytest.mark.parametrize(
    ("step", "evicted"),
    [
        # Not asked since the last heartbeat.
        (a_step(attempt=9, asked_after=None), ["web-1"]),
        (a_step(attempt=9, heartbeat_at=T0 + 1), ["web-1"]),
        (a_step(attempt=9), []),
        (a_step(attempt=0), []),
        # The first definition counts attempts.
        (a_step(attempt=0, wait_s=None), ["web-1"]),
        (a_step(attempt=1, wait_s=None, asked_after=None), []),
    ],
)
def test_one_pod_is_asked_for_after_each_heartbeat_whatever_its_budget_says(step, evicted):
    """Our reading of the budgets may be wrong; no more than one, and none where another may go."""
    cluster = Cluster(HELD)
    moved(cluster, [POD, OTHER], step=step)
    assert cluster.evicted == evicted
    free = replace(POD, name="free", uid="u5", labels={})
    cluster = Cluster(HELD)
    moved(cluster, [POD, free], step=step)
    assert cluster.evicted == ["free"]


@pytest.mark.parametrize(
    ("asked_at", "staying", "named"),
    [
        (None, [POD], ["shop/web-1"]),
        # Of a later wave: it is named before hours of other evictions.
        (
            None,
            [
                replace(CRITICAL, labels={}),
                POD,
                replace(POD, name="last", priority_class="system-node-critical"),
            ],
            ["shop/web-1", "shop/last"],
        ),
        (T0, [POD], []),
        (None, [CRITICAL], []),
    ],
)
def test_pods_that_two_budgets_select_are_told_when_a_drain_begins(asked_at, staying, named):
    """No eviction can ever move them."""
    _, events = moved(Cluster(HELD, SECOND), staying, step=a_step(asked_at=asked_at))
    assert [reason for reason, _ in events] == ["MultipleBudgets"] * bool(named)
    recorded = events[0][1] if events else ""
    assert [pod.key for pod in staying if recorded.count(f"{pod.key}: more than one") == 1] == named
    assert not named or "kubectl get poddisruptionbudgets --all-namespaces" in recorded


FORCE = {"onTimeout": "force"}


@pytest.mark.parametrize(
    ("now", "for_deadline", "evicted"),
    [
        # In its turn a pod is asked for whatever its budget says once its grace just fits.
        (UNTIL - 611, False, ["free"]),
        (UNTIL - 610, False, ["web-1", "free"]),
        # Who waits for a turn asks for nothing else, and 31 s sooner: so long it may be to the next time.
        (UNTIL - 642, True, []),
        (UNTIL - 641, True, ["web-1"]),
    ],
)
def test_who_is_asked_for_the_deadline(now, for_deadline, evicted):
    """The other pod has a short grace."""
    cluster, free = Cluster(HELD), replace(POD, name="free", uid="u5", labels={}, grace_s=5)
    moved(cluster, [POD, free], step=a_step(policy=FORCE), now=now, for_deadline=for_deadline)
    assert cluster.evicted == evicted
    assert cluster.lists == int(not for_deadline)


@pytest.mark.parametrize("for_deadline", [False, True])
def test_a_grace_is_cut_with_or_without_a_turn(for_deadline):
    """It would end after the deadline."""
    cluster, late = Cluster(), replace(POD, deletion_at=UNTIL + 300, deletion_grace_s=600)
    done, _ = moved(cluster, [], [late], a_step(policy=FORCE), UNTIL - 200, for_deadline)
    assert (cluster.evicted, cluster.deleted, len(done.forced)) == ([], ["web-1"], 1)


def test_progress_counts_pods_from_before_the_cordon():
    """Who came in its second or later may come again and again."""
    old, same = replace(POD, created_at=T0), replace(OTHER, created_at=T0 + 1)
    refused = replace(POD, name="no", uid="u6")
    done, _ = moved(Cluster(refused=("no",)), [old, same, refused])
    assert (done.staying, done.old_pods, done.tally.evicted) == (2, 1, 2)
