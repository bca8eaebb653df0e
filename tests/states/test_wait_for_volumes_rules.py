"""Which volumes are waited for, how often, and what comes next."""

from dataclasses import replace

import pytest
from stepdrain.document.progress import Progress
from stepdrain.document.step import parse
from stepdrain.errors import VolumesAttached, VolumesStillAttached, WatchUnavailable
from stepdrain.rules.pods import Pod
from stepdrain.rules.pods import parse as parse_pod
from stepdrain.states.wait_for_volumes import Attachment, Attachments, wait_for_volumes
from stepdrain.states.wait_for_volumes import parse as parse_attachment

from tests.document.test_progress import T0, Time, an_event

WEB = Pod("shop", "web-1", "u", "Running", True, {}, {}, "", None, False, 30, 0.0, None)


class Cluster:
    """One attachment to the node, one to another, and perhaps a pod on the node."""

    def __init__(self, *pods):
        self.pods, self.watching, self.watched_s = list(pods), "", None

    def attachments(self):
        here = Attachment("n-1", "pv-1", "ebs.csi.aws.com")
        return Attachments({"a": here, "b": Attachment("n-2", "pv-2", "ebs.csi.aws.com")}, "1")

    def follow_attachments(self, listed, seconds, done):
        self.watched_s = seconds
        return list(listed.by_name.values()), self.watching

    def pods_on(self, node):
        return self

    def volume_of(self, namespace, claim):
        return {("shop", "data"): "pv-1"}.get((namespace, claim))


def an_empty_node(entered_after_s=0, **changes):
    """The step of a node that was empty from T0 on."""
    record = Progress(**{"number": 3, "heartbeat_at": T0 + entered_after_s, "emptied_at": T0, **changes})
    event = an_event(state="WaitForVolumes", progress=record.to_document(), policy={"drainTimeout": 172_800})
    event["state"]["EnteredTime"] = f"2026-01-01T00:{entered_after_s // 60:02d}:{entered_after_s % 60:02d}Z"
    return parse(event)


def wait(step, cluster, now):
    return wait_for_volumes(step, cluster, Time(now), now + 120)


def test_an_attached_volume_is_watched_and_named():
    """A volume that takes half a minute must not be noticed later because the pods took an hour."""
    cluster = Cluster()
    with pytest.raises(VolumesAttached, match=r"1 volume is .* pv-1: held by ebs.csi.aws.com\."):
        wait(an_empty_node(), cluster, T0 + 1)
    assert cluster.watched_s == 120


def test_an_attempt_that_could_not_watch_says_so():
    """It is repeated after seconds instead of at once."""
    cluster = Cluster()
    cluster.watching = "a watch broke off"
    with pytest.raises(WatchUnavailable, match=r"pv-1: .*\. Polled, since a watch broke off\."):
        wait(an_empty_node(), cluster, T0 + 1)


@pytest.mark.parametrize(("entered_s", "error"), [(0, VolumesAttached), (250, VolumesStillAttached)])
def test_an_execution_on_the_first_definition_meets_its_own_names(entered_s, error):
    """Often at first, and rarely some minutes after the last pod."""
    step = replace(an_empty_node(entered_after_s=entered_s), wait_s=None)
    with pytest.raises(error):
        wait(step, Cluster(), T0 + entered_s + 1)


def test_a_heartbeat_that_is_due_comes_first_and_says_for_what():
    """The hook must not run out while a volume stays attached."""
    step = an_empty_node(heartbeat_at=T0)
    record = wait(step, Cluster(), T0 + 840)
    assert (record.next, record.then) == ("Heartbeat", "WaitForVolumes")
    assert record.blockers == ("pv-1: held by ebs.csi.aws.com",)


def test_a_pod_that_came_back_is_evicted_first():
    """Its volumes are not those of a pod that has left."""
    assert wait(an_empty_node(), Cluster(WEB), T0 + 1).next == "EvictBatch"


def test_the_volume_of_a_pod_that_is_given_up_on_a_ready_node_is_not_waited_for():
    """The kubelet detaches nothing that a pod may still write to."""
    late = replace(WEB, deletion_at=T0 - 600, claims=("data",))
    step = an_empty_node(unended=1)
    gives_up = replace(step, policy=replace(step.policy, overdue_pods="give-up"))
    assert wait(gives_up, Cluster(late), T0 + 1).next == "WaitForTargets"
    assert wait(step, Cluster(late), T0 + 1).next == "EvictBatch"


@pytest.mark.parametrize(("attempt", "then"), [(0, "WaitForTargets"), (1, "EvictBatch")])
def test_a_pod_that_landed_while_volumes_were_waited_for_is_evicted(attempt, then):
    """G4: nothing evictable is left. WaitForPods has looked a moment ago where nothing was waited for."""
    cluster = Cluster(WEB)
    cluster.attachments = lambda: Attachments({}, "1")
    step = replace(an_empty_node(), attempt=attempt)
    assert wait(step, cluster, T0 + 1).next == then


def test_no_attachment_is_the_end_of_the_wait():
    """And it is not asked for again in this drain."""
    cluster = Cluster()
    cluster.attachments = lambda: Attachments({}, "1")
    record = wait(an_empty_node(), cluster, T0 + 1)
    assert (record.next, record.detached) == ("WaitForTargets", True)


def test_a_generic_ephemeral_volume_has_a_claim_of_the_pods_name():
    """kubernetes.io, "PersistentVolumeClaim naming"."""
    raw = {
        "metadata": {"namespace": "shop", "name": "web-1", "uid": "u"},
        "spec": {
            "volumes": [
                {"name": "scratch", "ephemeral": {}},
                {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "config", "configMap": {"name": "c"}},
            ]
        },
    }
    assert parse_pod(raw).claims == ("web-1-scratch", "data")


def test_an_attachment_without_a_persistent_volume_is_left_out():
    """An inline volume has no claim that anybody waits for."""
    raw = {"spec": {"attacher": "a", "nodeName": "n-1", "source": {"inlineVolumeSpec": {}}}}
    assert parse_attachment(raw) is None
