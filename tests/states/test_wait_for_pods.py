"""WaitForPods: what comes next of what is seen, how long an attempt waits, and what it names."""

from dataclasses import replace
from functools import partial

import pytest
from stepdrain.errors import EvictionBlocked, PodsRemaining, WatchUnavailable
from stepdrain.rules.budgets import Budget
from stepdrain.rules.pods import Owner, Pod
from stepdrain.states.wait_for_pods import DEAF, View, wait_for_pods

from tests.document import test_progress
from tests.document.test_progress import T0, Time

a_step = partial(test_progress.a_step, asked_at=T0)

POD = Pod("shop", "web-1", "u", "Running", True, {}, {}, "", None, False, 30, 0.0, None)
HELD = Budget("shop", "web", {}, False, 0, 1, 1, True)
READY = {"metadata": {"uid": "u"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
HOUR = 3600


class Cluster:
    """Pods, and what they are later: ``later`` is pairs of a time and the pods from then on.

    ``broken`` says why each watch breaks off after 3 s; ``deaf`` watches show nothing of what comes.
    """

    def __init__(self, *pods, later=(), budgets=(), node=READY, broken="", deaf=False):
        self.clock, self._pods, self._later, self._budgets = Time(T0), list(pods), list(later), list(budgets)
        self._node, self._broken, self._deaf = node, broken, deaf
        self.watched, self.looked_at, self.nodes_asked, self.budgets_asked = [], [], 0, 0

    def _now(self):
        return [self._pods, *(pods for at, pods in self._later if at <= self.clock.now())][-1]

    def pods_on(self, node):
        self.looked_at.append(self.clock.now() - T0)
        return View(node, self._now(), "1")

    def with_budgets(self, view):
        self.budgets_asked += 1
        return replace(view, budgets=self._budgets)

    def node(self, name):
        self.nodes_asked += 1
        return self._node

    def follow(self, view, seconds, done):
        self.watched.append(seconds)
        end = self.clock.now() + (3 if self._broken else seconds)
        for at, pods in [] if self._deaf else self._later:
            if self.clock.now() < at <= end:
                self.clock.sleep(at - self.clock.now())
                view = replace(view, pods=pods)
                if done(view):
                    return view, ""
        self.clock.sleep(end - self.clock.now())
        return view, self._broken


def waited(cluster, step=None, now=T0, until_s=120, unwatched="", warn=print):
    """The record, after what time has passed on the cluster's clock."""
    cluster.clock = Time(now)
    return wait_for_pods(step or a_step(), cluster, cluster.clock, now + until_s, warn, unwatched)


def not_yet(error, cluster, step=None, **more):
    """The sentence of the error."""
    with pytest.raises(error) as raised:
        waited(cluster, step, **more)
    return str(raised.value)


def leaving(ends_s, **fields):
    return replace(POD, deletion_at=T0 + ends_s, **fields)


FORCED = {"onTimeout": "force"}


@pytest.mark.parametrize(
    ("pods", "now_s", "policy", "record", "following"),
    [
        ([], 1, {}, {}, "WaitForVolumes"),
        # A pod is to go, and no budget holds it.
        ([POD], 1, {}, {}, "EvictBatch"),
        ([POD, leaving(30)], 1, {}, {}, "EvictBatch"),
        # A heartbeat comes first, save for what the deadline demands.
        ([leaving(9000)], 840, {}, {}, "Heartbeat"),
        ([POD], 840, {}, {}, "Heartbeat"),
        ([replace(POD, grace_s=3000)], 840, FORCED, {}, "EvictBatch"),
        # The end of the drain comes before everything.
        ([leaving(9000)], HOUR, {}, {"heartbeat_at": T0 + HOUR}, "Heartbeat"),
        ([POD], HOUR + 60, FORCED, {"heartbeat_at": T0 + HOUR}, "Heartbeat"),
        ([POD], HOUR + 59, FORCED, {"heartbeat_at": T0 + HOUR}, "EvictBatch"),
        # A pause is over.
        ([POD], 32, {}, {"refused_since": T0 - 900}, "EvictBatch"),
        # A rollout is looked at.
        ([POD], 10, {}, {"rolling": ("shop/web-1",)}, "EvictBatch"),
    ],
)
def test_what_comes_next(pods, now_s, policy, record, following):
    """The first row of the table in states.routes that fits, at once."""
    cluster = Cluster(*pods)
    assert waited(cluster, a_step(policy=policy, **record), T0 + now_s).next == following
    assert cluster.clock.now() == T0 + now_s


@pytest.mark.parametrize(
    ("pods", "now_s", "policy", "record", "wakes_s"),
    [
        # Heartbeat, at 840.
        ([leaving(9000)], 800, {}, {}, 40),
        # The drain's end.
        ([leaving(9000)], HOUR - 10, {}, {"heartbeat_at": T0 + HOUR}, 10),
        # The pause after a refusal, 30 s after the last.
        ([POD], 10, {}, {"refused_since": T0 - 900}, 20),
        # A look at a rollout, 10 s after the last; another pod that may not go does not shorten that.
        ([POD], 1, {}, {"rolling": ("shop/web-1",)}, 9),
        # A pod's last moment under force.
        ([leaving(9000), replace(POD, name="b", grace_s=3540)], 1, FORCED, {"refused_since": T0 - 9000}, 49),
    ],
)
def test_a_watch_lasts_until_the_next_moment_at_which_there_is_something_to_do(
    pods, now_s, policy, record, wakes_s
):
    """Nothing happens on the node meanwhile; then the state goes on by itself."""
    cluster = Cluster(*pods)
    assert waited(cluster, a_step(policy=policy, **record), T0 + now_s).next in ("Heartbeat", "EvictBatch")
    assert cluster.watched == [wakes_s]


def test_a_watch_wakes_when_a_pod_is_given_up_and_when_it_is_named():
    """Of a silent kubelet after stuckAfter, else five minutes later; the Node is asked once for both."""
    cluster = Cluster(leaving(10))
    named = not_yet(PodsRemaining, cluster, until_s=700)
    # Each of the three watches is compared with a new list.
    assert cluster.watched == [310, 300, 90]
    assert cluster.nodes_asked == 1
    assert "shop/web-1: should have ended by 2026-01-01T00:00:10Z" in named
    assert named.count("shop/web-1") == 1


def test_pods_of_a_silent_node_are_given_up_and_the_others_are_waited_for():
    """What is given up holds neither the drain nor a wave."""
    cluster = Cluster(
        leaving(10), leaving(400, name="b", uid="v"), node=None, later=[(T0 + 350, [leaving(10)])]
    )
    record = waited(cluster, until_s=700)
    assert cluster.clock.now() == T0 + 350
    assert (record.stuck, record.leaving, record.unended, record.next) == (1, 0, 0, "WaitForTargets")
    assert record.stuck_pods == ("shop/web-1: given up, its grace ended at 2026-01-01T00:00:10Z",)
    assert cluster.nodes_asked == 1


def test_pods_that_a_ready_node_does_not_end_are_given_up_where_the_policy_says_so():
    """Five minutes later, and under another name."""
    cluster = Cluster(leaving(10))
    record = waited(cluster, a_step(policy={"overduePods": "give-up"}), until_s=700)
    assert cluster.clock.now() == T0 + 610
    assert (record.stuck, record.leaving, record.unended, record.stuck_pods) == (0, 0, 1, ())
    assert "shop/web-1: given up: it should have ended" in record.unended_pods[0]


@pytest.mark.parametrize(("attempt", "watched"), [(0, [15]), (2, [15]), (3, [0])])
def test_an_execution_on_the_first_definition_watches_three_times(attempt, watched):
    """Whatever comes; its state machine waits by itself then, and its lists have no budgets."""
    cluster = Cluster(leaving(9000))
    not_yet(PodsRemaining, cluster, a_step(attempt, wait_s=None), until_s=15)
    assert cluster.watched == watched
    assert (cluster.looked_at, cluster.budgets_asked) == ([0], 0)


@pytest.mark.parametrize(("created_s", "attempt", "waits"), [(1, 0, True), (1, 1, False), (0, 0, False)])
def test_on_the_first_definition_only_pods_that_keep_coming_pause(created_s, attempt, waits):
    """EvictBatch asks and waits by itself there; the cordon's own second counts as before it."""
    cluster, step = Cluster(replace(POD, created_at=T0 + created_s)), a_step(attempt, wait_s=None)
    if waits:
        not_yet(EvictionBlocked, cluster, step, until_s=15)
    else:
        assert waited(cluster, step).next == "EvictBatch"


def test_on_the_first_definition_a_rollout_is_no_reason_to_go_back():
    """Its EvictBatch waits for rollouts by itself."""
    step = a_step(0, wait_s=None, rolling=("shop/web-1",))
    not_yet(EvictionBlocked, Cluster(POD), step, now=T0 + 20, until_s=15)


@pytest.mark.parametrize(("wait_s", "back_to"), [(120, "WaitForPods"), (None, "EvictBatch")])
def test_a_heartbeat_leads_back_to_where_the_definition_waits(wait_s, back_to):
    """And the record names what is awaited meanwhile."""
    record = waited(Cluster(leaving(9000)), a_step(wait_s=wait_s), T0 + 870)
    assert (record.next, record.then) == ("Heartbeat", back_to)
    assert record.blockers == ("shop/web-1: has until 2026-01-01T02:30:00Z",)


def test_budgets_are_read_only_while_a_pod_is_to_be_evicted():
    """Each list is a request."""
    cluster = Cluster(leaving(9000))
    not_yet(PodsRemaining, cluster)
    assert (cluster.budgets_asked, len(cluster.looked_at)) == (0, 2)
    cluster = Cluster(POD, budgets=[HELD])
    not_yet(EvictionBlocked, cluster)
    assert (cluster.budgets_asked, len(cluster.looked_at)) == (2, 2)


@pytest.mark.parametrize(("emptied_at", "since"), [(None, T0 + 5), (T0 + 2, T0 + 2)])
def test_a_node_is_empty_since_it_was_first_seen_so(emptied_at, since):
    """And nothing blocks it any more."""
    step = a_step(emptied_at=emptied_at, blocked=3, blockers=("shop/web-1: held",))
    record = waited(Cluster(), step, T0 + 5)
    assert (record.emptied_at, record.blocked, record.blockers) == (since, 0, ())


def test_a_record_counts_what_is_on_the_node():
    """No more pods are blocked than stay; those that came back past the cordon are named with the reason."""
    owner = Owner("apps/v1", "Deployment", "web")
    back = replace(POD, name="back", owner=owner, tolerates_cordon=True, created_at=T0 + 1)
    before = replace(back, name="before", created_at=T0)
    record = waited(Cluster(POD, back, before, leaving(30)), a_step(blocked=3))
    assert (record.leaving, record.blocked, record.next) == (1, 2, "EvictBatch")
    assert record.returned == ("shop/back: tolerates the cordon, and Deployment web has put it back",)
    assert waited(Cluster(POD, before), a_step(blocked=1)).blocked == 1


def test_each_pod_is_named_with_what_it_waits_for():
    """First those that nobody has asked, by budget, by what EvictBatch has recorded, or by their wave; then
    those that leave, the last one first."""
    critical = replace(
        POD, name="dns", uid="d", namespace="kube-system", priority_class="system-node-critical"
    )
    rolled = replace(POD, name="rolled", uid="r")
    soon, late = leaving(200, name="soon"), leaving(300, name="late", finalizers=("x/y",))
    over = leaving(-5, name="over", finalizers=("a/b", "c/d"))
    cluster = Cluster(soon, over, late, critical, POD, rolled, budgets=[HELD])
    step = a_step(rolling=("shop/rolled",), blockers=("shop/rolled: Deployment rolls: 1 of 2", "and 3 more"))
    sentence = not_yet(PodsRemaining, cluster, step, until_s=5)
    assert sentence.partition(": ")[2].split("; ") == [
        "kube-system/dns: waits until the wave before it has left",
        "shop/web-1: disruption budget web needs 1 healthy pod and has 1",
        "shop/rolled: Deployment rolls: 1 of 2",
        "shop/late: has until 2026-01-01T00:05:00Z",
        "shop/soon: has until 2026-01-01T00:03:20Z",
        "shop/over: overdue since 2025-12-31T23:59:55Z, finalizers a/b, c/d.",
    ]
    assert "3 evicted pods" in sentence
    assert "3 others are to be evicted" in sentence


def test_a_pod_whose_pause_lasts_is_to_be_evicted():
    """No budget holds it; it was refused a moment ago."""
    sentence = not_yet(EvictionBlocked, Cluster(POD), a_step(refused_since=T0 - 900), until_s=5)
    assert sentence.endswith("shop/web-1: is to be evicted.")
    assert sentence.startswith("1 pod ")


def test_pods_of_which_only_some_may_go_are_not_said_to_be_held():
    """Their budget lets one go, and which one is not decided yet."""
    budget = replace(HELD, allowed=1, current=2)
    other = replace(POD, name="web-2", uid="v")
    step = a_step(refused_since=T0 - 900)
    sentence = not_yet(EvictionBlocked, Cluster(POD, other, budgets=[budget]), step, until_s=5)
    assert sentence.endswith("shop/web-1: is to be evicted; shop/web-2: is to be evicted.")


def test_a_grace_that_ends_now_is_over():
    """The kubelet has had all of it."""
    cluster = Cluster(leaving(5))
    assert "overdue since" in not_yet(PodsRemaining, cluster, until_s=5)
    assert "finalizers" not in not_yet(PodsRemaining, cluster, until_s=5)


def test_the_watch_ends_with_the_last_pod():
    """And not with the first."""
    other = leaving(9000, name="b", uid="v")
    cluster = Cluster(leaving(9000), other, later=[(T0 + 7, [other]), (T0 + 9, [])])
    assert waited(cluster).next == "WaitForVolumes"
    assert (cluster.clock.now(), cluster.watched) == (T0 + 9, [120])


@pytest.mark.parametrize(("until_s", "unwatched"), [(4, None), (5, DEAF)])
def test_a_watch_that_has_hidden_a_change_is_not_held_again(until_s, unwatched):
    """A proxy keeps its events; one of a moment proves nothing, and is not compared."""
    cluster = Cluster(leaving(9000), later=[(T0 + 2, [])], deaf=True)
    if unwatched is None:
        not_yet(PodsRemaining, cluster, until_s=until_s)
    else:
        assert waited(cluster, until_s=until_s).unwatched == unwatched


def test_a_watch_that_has_shown_something_is_no_deaf_one():
    """It is not compared with a list."""
    first, second = leaving(9000), leaving(9000, name="b", uid="v")
    cluster = Cluster(first, second, later=[(T0 + 2, [first])])
    not_yet(PodsRemaining, cluster, until_s=60)
    assert cluster.looked_at == [0]


def test_a_drain_whose_watches_are_held_back_polls_from_then_on():
    """The record says why, and so does the error."""
    cluster = Cluster(leaving(9000))
    sentence = not_yet(WatchUnavailable, cluster, a_step(unwatched=DEAF))
    assert (cluster.watched, cluster.looked_at) == ([], [0])
    assert sentence.endswith(f"Polled, since {DEAF}.")


@pytest.mark.parametrize(("attempt", "looks"), [(0, [0, 1, 3, 7, 15]), (1, [0])])
def test_the_first_attempt_that_cannot_watch_looks_a_few_times(attempt, looks):
    """After 1, 2, 4 and 8 seconds; the state machine's pause comes between all others."""
    cluster = Cluster(leaving(9000))
    not_yet(WatchUnavailable, cluster, a_step(attempt), unwatched="a proxy")
    assert cluster.looked_at == looks


@pytest.mark.parametrize(("until_s", "looks"), [(0, [0]), (1, [0, 1]), (2, [0, 1, 2]), (5, [0, 1, 3, 5])])
def test_looks_end_with_their_attempt(until_s, looks):
    """Its function is stopped then."""
    cluster = Cluster(leaving(9000))
    not_yet(WatchUnavailable, cluster, a_step(0), until_s=until_s, unwatched="a proxy")
    assert cluster.looked_at == looks


def test_a_poll_waits_for_a_moment_that_comes_before_the_next_attempt():
    """The heartbeat is due in 31 s; a pause of the state machine's would come late. Not for one that comes
    later."""
    cluster = Cluster(leaving(9000))
    assert waited(cluster, now=T0 + 809, unwatched="a proxy").next == "Heartbeat"
    assert cluster.looked_at == [809, 840]
    cluster = Cluster(leaving(9000))
    not_yet(WatchUnavailable, cluster, now=T0 + 808, unwatched="a proxy")
    assert cluster.looked_at == [808]


def test_a_pause_between_refusals_is_spent_in_one_attempt_that_polls():
    """Each attempt is events in the history; it looks on meanwhile."""
    cluster = Cluster(POD)
    step = a_step(refused_since=T0 - 3000)
    assert waited(cluster, step, unwatched="a proxy").next == "EvictBatch"
    assert cluster.looked_at == [0, 31, 62, 93, 100]


def test_a_poll_sees_a_pod_that_has_left():
    """And goes on at once."""
    cluster = Cluster(leaving(9000), later=[(T0 + 2, [])])
    assert waited(cluster, a_step(0), unwatched="a proxy").next == "WaitForVolumes"
    assert cluster.clock.now() == T0 + 3


def test_a_watch_that_breaks_off_is_followed_by_looks_in_the_same_attempt():
    """On the first definition the next attempt looks."""
    cluster = Cluster(leaving(9000), broken="it broke off")
    not_yet(PodsRemaining, cluster, a_step(0, wait_s=None))
    assert cluster.looked_at == [0]
    cluster = Cluster(leaving(9000), broken="it broke off")
    not_yet(WatchUnavailable, cluster, a_step(0), until_s=600)
    assert cluster.looked_at == [0, 4, 6, 10, 18]


def warned(cluster, step=None, **more):
    """The reasons of the Events that an attempt writes, and when."""
    events = []
    error = more.pop("error", EvictionBlocked)
    not_yet(
        error,
        cluster,
        step,
        warn=lambda reason, _text: events.append((reason, cluster.clock.now() - T0)),
        **more,
    )
    return events


def test_blocked_pods_are_written_on_the_node_when_nothing_leaves_any_more():
    """In the middle of a watch, which then goes on; in a later attempt once that began."""
    cluster = Cluster(POD, leaving(9000, uid="v"), budgets=[HELD], later=[(T0 + 30, [POD])])
    assert warned(cluster, a_step(9)) == [("PodsBlocked", 30)]
    assert cluster.watched == [120, 90]


def test_blocked_pods_are_not_written_while_others_leave():
    """They may be what the budget waits for."""
    assert warned(Cluster(POD, leaving(9000, uid="v"), budgets=[HELD]), error=PodsRemaining) == []


def test_pods_past_their_grace_are_written_on_the_node_before_the_watch():
    """An Event is not held back by it."""
    assert warned(Cluster(leaving(-700)), a_step(0), error=PodsRemaining) == [("PodsOverdue", 0)]
    assert warned(Cluster(leaving(-700)), a_step(9), error=PodsRemaining) == []
    assert warned(Cluster(leaving(-570)), a_step(9), error=PodsRemaining) == [("PodsOverdue", 30)]


@pytest.mark.parametrize(("age_s", "looks"), [(3599, [3599]), (3600, [3600, 3630])])
def test_a_long_drain_that_cannot_watch_looks_twice_an_attempt(age_s, looks):
    """48 hours of attempts that look once would not fit into the history."""
    cluster = Cluster(leaving(9000))
    step = a_step(policy={"drainTimeout": 172_800}, heartbeat_at=T0 + age_s)
    not_yet(WatchUnavailable, cluster, step, now=T0 + age_s, unwatched="a proxy")
    assert cluster.looked_at == looks
