"""Which attempts of EvictBatch count as progress, and what WaitForPods makes of pods that stay."""

from dataclasses import replace

import pytest
from stepdrain.document.progress import HEARTBEAT, WAIT_FOR_PODS, Progress
from stepdrain.document.step import parse
from stepdrain.errors import WatchUnavailable
from stepdrain.rules import deadline
from stepdrain.rules.eviction_answers import Answer
from stepdrain.rules.pods import Pod
from stepdrain.states.evict_batch import evict_batch
from stepdrain.states.wait_for_pods import View, wait_for_pods

from tests.document.test_progress import T0, Time, an_event

POD = Pod("shop", "web-1", "u", "Running", True, {}, {}, "", None, False, 30, 0.0, None)
NOW = T0 + 100


class Cluster:
    """Pods, no budgets, no Node object, and an API server that accepts each eviction."""

    def __init__(self, *pods):
        self.pods = list(pods)

    def pods_on(self, node):
        return View("n", self.pods, "1")

    def budgets(self):
        return []

    def node(self, name):
        return None

    def evict(self, doomed, grace_s):
        return [(pod, Answer(201, "")) for pod in doomed]


def a_step(**record):
    return replace(parse(an_event()), progress=Progress(0, T0, **record))


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


@pytest.mark.parametrize(("before_s", "interrupted"), [(21, False), (20, True), (19, True)])
def test_a_deadline_that_ec2_sets_is_an_interruption(before_s, interrupted):
    """drain_deadline takes the moment less the margin: that very value is EC2's."""
    assert deadline.interrupted(T0 - before_s, T0) is interrupted


@pytest.mark.parametrize(("age_s", "slept_s"), [(3599, 0), (3600, 30)])
def test_a_long_drain_that_cannot_watch_looks_twice_an_attempt(age_s, slept_s):
    """48 hours of attempts that look once would not fit into the history."""
    now, leaving = T0 + age_s, replace(POD, deletion_at=T0 + 7000.0)
    step = replace(parse(an_event(policy={"drainTimeout": 172_800})), progress=Progress(0, now, asked_at=now))
    clock = Time(now)
    with pytest.raises(WatchUnavailable):
        wait_for_pods(step, Cluster(leaving), clock, now + 120, print, "a proxy")
    assert clock.now() - now == slept_s


def test_a_pod_of_a_silent_kubelet_is_given_up_and_named():
    """The node is gone, and with it whoever would end the pod."""
    late = replace(POD, deletion_at=NOW - 300)
    record = wait_for_pods(a_step(asked_at=NOW), Cluster(late), Time(NOW), NOW + 120, print)
    assert (record.stuck, record.leaving, record.next) == (1, 0, "WaitForTargets")
    assert "shop/web-1: given up" in record.stuck_pods[0]
