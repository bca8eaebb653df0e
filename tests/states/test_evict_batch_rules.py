"""What EvictBatch records: counts, who holds what, and which attempts count as progress."""

from dataclasses import replace

import pytest
from stepdrain.document.progress import HEARTBEAT, WAIT_FOR_PODS
from stepdrain.errors import DrainRefused, EvictionBlocked, KubeForbidden
from stepdrain.rules.budgets import Budget
from stepdrain.rules.eviction_answers import Answer
from stepdrain.rules.pods import Owner, Pod
from stepdrain.states.evict_batch import evict_batch
from stepdrain.states.wait_for_pods import View

from tests.document.test_progress import T0, a_step

POD = Pod("shop", "web-1", "u", "Running", True, {}, {}, "", None, False, 30, 0.0, None)
NOW = T0 + 100


ACCEPTED = Answer(201, "")
WEBHOOK = Answer(403, {"message": 'admission webhook "x" denied the request'})
HELD = Budget("shop", "web", {}, False, 0, 1, 1, True)


class Cluster:
    """Pods, budgets, DaemonSets, and an API server that gives each eviction the same answer."""

    def __init__(self, *pods, budgets=(), answer=ACCEPTED, daemonsets=frozenset()):
        self.pods, self.found, self.answer = list(pods), list(budgets), answer
        self.known, self.daemonsets_asked, self.evicted = daemonsets, 0, []

    def pods_on(self, node):
        return View("n", self.pods, "1")

    def budgets(self):
        return self.found

    def daemonsets(self):
        self.daemonsets_asked += 1
        return self.known

    def evict(self, doomed, grace_s):
        self.evicted += [pod.name for pod in doomed]
        return [(pod, self.answer) for pod in doomed]

    def delete(self, doomed, condition):
        return [(pod, Answer(200, "")) for pod, _ in doomed]


@pytest.mark.parametrize(("staying", "refused_since"), [(None, None), (2, None), (1, T0 + 50), (0, T0 + 50)])
def test_an_eviction_is_progress_only_where_fewer_pods_stay(staying, refused_since):
    """An API server may accept evictions without effect; asked every two seconds it would be flooded."""
    step = a_step(staying=staying, refused_since=T0 + 50, asked_at=T0 + 90)
    record = evict_batch(step, Cluster(POD), NOW, print)
    assert (record.staying, record.evicted, record.refused_since) == (1, 1, refused_since)


@pytest.mark.parametrize(("came_from", "tried_at"), [(HEARTBEAT, NOW), (WAIT_FOR_PODS, T0 + 7)])
def test_a_heartbeat_that_failed_into_evict_batch_counts_as_tried(came_from, tried_at):
    """Heartbeat's function has failed then: without a note the next state would go straight back to it."""
    step = a_step(next=came_from, heartbeat_tried_at=T0 + 7)
    assert evict_batch(step, Cluster(POD), NOW, print).heartbeat_tried_at == tried_at


@pytest.mark.parametrize(
    ("record", "refused_since"),
    [
        # The first refusal of a pod that seemed to be free.
        ({"asked_at": NOW - 10}, NOW),
        ({"asked_at": NOW - 10, "refused_since": T0 + 50}, T0 + 50),
        # Long not asked for: it begins anew.
        ({"asked_at": T0, "refused_since": T0 - 50, "later_s": 200}, T0 - 50),
        ({"asked_at": T0, "refused_since": T0 - 50, "later_s": 201}, T0 + 301),
        # A probe, and a look at a rollout, were not expected to move anything.
        ({"heartbeat_at": NOW - 5, "asked_at": NOW - 10, "refused_since": T0 + 50}, T0 + 50),
        ({"heartbeat_at": NOW - 5, "asked_at": NOW - 10}, None),
        ({"asked_at": NOW - 50, "rolling": ("shop/web-2",)}, None),
        # The rollout is not due yet: a third of 90 s, and 10 s at least, after the last look.
        ({"asked_at": NOW - 10, "rolling": ("shop/web-2",)}, NOW),
        ({"asked_at": T0 + 20, "rolling": ("shop/web-2",), "later_s": -71}, T0 + 29),
        ({"asked_at": T0 + 20, "rolling": ("shop/web-2",), "later_s": -70}, None),
    ],
)
def test_since_when_evictions_are_refused(record, refused_since):
    """The laps lengthen by it."""
    now = NOW + record.pop("later_s", 0)
    found = evict_batch(a_step(**record), Cluster(POD, answer=WEBHOOK), now, print)
    assert found.refused_since == refused_since


def test_an_attempt_that_moves_pods_ends_a_refusal_although_it_was_a_probe():
    """The webhook has given way."""
    step = a_step(asked_after=None, refused_since=T0 + 50)
    assert evict_batch(step, Cluster(POD), NOW, print).refused_since is None


def test_a_pod_that_is_forced_ends_a_refusal():
    """It leaves, whatever had held it."""
    step = a_step(policy={"onTimeout": "force"}, refused_since=T0 + 50, asked_at=T0 + 3500)
    record = evict_batch(step, Cluster(POD, answer=WEBHOOK), T0 + 3580, print)
    assert (record.forced, record.refused_since) == (1, None)


def test_an_attempt_adds_to_what_those_before_it_have_done():
    """Counts of pods; the blockers and who leaves are of this attempt alone."""
    old = {"evicted": 5, "leaving": 9, "blocked": 9, "forced": 2, "blockers": ("x",), "forced_pods": ("a",)}
    late = replace(POD, name="late", deletion_at=T0 + 9000)
    free = replace(POD, name="free", namespace="other")
    record = evict_batch(a_step(asked_at=T0, **old), Cluster(POD, late, free, budgets=[HELD]), NOW, print)
    assert (record.evicted, record.leaving, record.blocked, record.forced) == (6, 2, 1, 2)
    assert record.blockers == ("shop/web-1: disruption budget web needs 1 healthy pod and has 1",)
    assert (record.asked_at, record.asked_after, record.next) == (NOW, T0, WAIT_FOR_PODS)
    assert record.forced_pods == ("a",)
    forced = evict_batch(a_step(policy={"onTimeout": "force"}, **old), Cluster(late), T0 + 3600, print)
    assert (forced.forced, forced.evicted) == (3, 5)
    assert forced.forced_pods == ("a", "shop/late: its grace was cut to 1 s")


def test_a_record_names_twenty_forced_pods():
    """The document is small."""
    late = [
        replace(POD, name=f"late-{number}", uid=f"{number}", deletion_at=T0 + 9000) for number in range(22)
    ]
    record = evict_batch(a_step(policy={"onTimeout": "force"}), Cluster(*late), T0 + 3600, print)
    assert (record.forced, len(record.forced_pods)) == (22, 20)


OWNER = Owner("apps/v1", "DaemonSet", "logs")
AGENT = replace(POD, name="logs-1", uid="d", owner=OWNER)
EVICTED = {"evictDaemonsets": True, "waitForVolumes": False}


@pytest.mark.parametrize(
    ("pods", "step", "asked", "evicted"),
    [
        # Its DaemonSet is gone: it goes as a pod without a controller does.
        ([AGENT], a_step(0), 1, ["logs-1"]),
        # Looked up once a drain: the record knows the orphans.
        ([AGENT], a_step(asked_at=T0), 0, []),
        ([AGENT], a_step(asked_at=T0, orphans=("d",)), 0, ["logs-1"]),
        # Nothing to look up.
        ([POD], a_step(0), 0, ["web-1"]),
        ([replace(AGENT, owner=Owner("apps.kruise.io/v1", "DaemonSet", "x"))], a_step(0), 0, []),
    ],
)
def test_daemonsets_are_looked_up_once_a_drain_where_a_pod_has_one(pods, step, asked, evicted):
    """It costs a request."""
    cluster = Cluster(*pods)
    evict_batch(step, cluster, NOW, print)
    assert (cluster.daemonsets_asked, cluster.evicted) == (asked, evicted)


@pytest.mark.parametrize("known", [None, {("shop", "logs")}])
def test_a_daemonset_that_stands_or_cannot_be_looked_up_keeps_its_pods(known):
    """Without the right for it they stay, as DaemonSets' pods do."""
    record = evict_batch(a_step(0), cluster := Cluster(AGENT, daemonsets=known), NOW, print)
    assert (cluster.evicted, record.orphans) == ([], ())


def test_no_more_orphans_are_taken_than_the_document_holds():
    """Further ones stay, as DaemonSets' pods do."""
    agents = [replace(AGENT, name=f"logs-{number}", uid=f"{number}") for number in range(22)]
    record = evict_batch(a_step(0), cluster := Cluster(*agents), NOW, print)
    assert (len(record.orphans), len(cluster.evicted)) == (20, 20)


@pytest.mark.parametrize(
    ("pods", "orphans", "empty"),
    [
        ([], (), True),
        ([POD], (), False),
        ([replace(POD, deletion_at=T0 + 900)], (), False),
        # Only DaemonSets' pods are to go: volumes that were detached stay so.
        ([AGENT], (), True),
        ([replace(AGENT, deletion_at=T0 + 900)], (), True),
        ([AGENT], ("d",), False),
        ([AGENT, POD], (), False),
    ],
)
def test_what_was_detached_stays_so_while_only_daemonsets_pods_are_there(pods, orphans, empty):
    """A pod that came back may have brought a volume."""
    step = a_step(policy=EVICTED, asked_at=T0, detached=True, emptied_at=T0 + 9, orphans=orphans)
    record = evict_batch(step, Cluster(*pods), NOW, print)
    assert (record.detached, record.emptied_at) == (empty, T0 + 9 if empty else None)
    assert evict_batch(a_step(policy=EVICTED), Cluster(*pods), NOW, print).detached is False


@pytest.mark.parametrize(
    ("asked_at", "wave", "reasons"),
    [(None, "soon", ["AnnotationIgnored"]), (T0, "soon", []), (None, "2", [])],
)
def test_an_annotation_that_cannot_be_read_is_told_when_a_drain_begins(asked_at, wave, reasons):
    """In a Warning on the node; the pod leaves in the wave of its kind."""
    events, pod = [], replace(POD, annotations={"stepdrain/wave": wave})
    evict_batch(a_step(asked_at=asked_at), Cluster(pod), NOW, lambda *event: events.append(event))
    assert [reason for reason, _ in events] == reasons


def test_a_pod_that_the_policy_keeps_stops_the_drain_before_anything_is_evicted():
    """Its owner decides, and the message names it."""
    cluster = Cluster(POD, replace(POD, name="kept", local_storage=True))
    with pytest.raises(DrainRefused, match="shop/kept: has an emptyDir volume"):
        evict_batch(a_step(policy={"deleteEmptydirData": False}), cluster, NOW, print)
    assert cluster.evicted == []


@pytest.mark.parametrize(
    ("pods", "budgets", "answer", "said"),
    [
        ([POD], [HELD], ACCEPTED, [(["web-1"], ["shop/web-1"])]),
        ([POD], [], WEBHOOK, [(["web-1"], ["shop/web-1"])]),
        # Something moves.
        ([POD, replace(POD, namespace="other")], [HELD], ACCEPTED, []),
        ([POD], [], ACCEPTED, []),
        ([], [], ACCEPTED, []),
    ],
)
def test_who_is_held_is_named_where_nothing_can_be_evicted(pods, budgets, answer, said):
    """The pods that are to go, and those of them that are held."""
    heard = []
    evict_batch(
        a_step(asked_at=T0),
        Cluster(*pods, budgets=budgets, answer=answer),
        NOW,
        print,
        lambda staying, held: heard.append(([pod.name for pod in staying], [reason.name for reason in held])),
    )
    assert heard == said


def test_an_error_that_a_person_must_mend_is_raised():
    """A right is missing; nothing is recorded then."""
    denied = Answer(403, {"message": 'User "x" cannot create resource "pods/eviction"'})
    with pytest.raises(KubeForbidden):
        evict_batch(a_step(), Cluster(POD, answer=denied), NOW, print)


@pytest.mark.parametrize(
    ("wait_s", "pods", "now", "raised"),
    [
        (None, [POD], NOW, True),
        # Something moves, nothing is held, or a heartbeat is due.
        (None, [POD, replace(POD, namespace="other")], NOW, False),
        (None, [], NOW, False),
        (None, [POD], T0 + 846, False),
        (120, [POD], NOW, False),
    ],
)
def test_evict_batch_waits_by_an_error_on_the_first_definition_alone(wait_s, pods, now, raised):
    """Its retriers know the name; on the present one WaitForPods waits."""
    step, cluster = a_step(wait_s=wait_s, asked_at=T0), Cluster(*pods, budgets=[HELD])
    if raised:
        with pytest.raises(EvictionBlocked, match="shop/web-1: disruption budget web"):
            evict_batch(step, cluster, now, print)
    else:
        assert evict_batch(step, cluster, now, print).next == WAIT_FOR_PODS
