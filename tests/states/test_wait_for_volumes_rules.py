"""Which volumes are waited for, how often, and what comes next."""

from dataclasses import replace

import pytest
from stepdrain.document.progress import Progress
from stepdrain.document.step import parse
from stepdrain.errors import VolumesAttached, VolumesStillAttached
from stepdrain.rules.deadline import Hook, late_for_the_aftermath
from stepdrain.rules.pods import Pod
from stepdrain.rules.pods import parse as parse_pod
from stepdrain.states.wait_for_volumes import Attachment, wait_for_volumes
from stepdrain.states.wait_for_volumes import parse as parse_attachment

from tests.document.test_progress import T0, an_event

WEB = Pod("shop", "web-1", "u", "Running", True, {}, {}, "", None, False, 30, 0.0, None)


class Cluster:
    """One attachment to the node, one to another, and perhaps a pod on the node."""

    def __init__(self, *pods):
        self.pods = list(pods)

    def attachments(self):
        return [Attachment("n-1", "pv-1", "ebs.csi.aws.com"), Attachment("n-2", "pv-2", "ebs.csi.aws.com")]

    def pods_on(self, node):
        return self

    def volume_of(self, namespace, claim):
        return {("shop", "data"): "pv-1"}.get((namespace, claim))


def an_empty_node(entered_after_s=0, **changes):
    """The step of a node that was empty from T0 on."""
    record = Progress(**{"number": 3, "heartbeat_at": T0 + entered_after_s, "emptied_at": T0, **changes})
    event = an_event(progress=record.to_document(), policy={"drainTimeout": 172_800})
    event["state"]["EnteredTime"] = f"2026-01-01T00:{entered_after_s // 60:02d}:{entered_after_s % 60:02d}Z"
    return parse(event)


def test_an_attached_volume_is_asked_for_often_at_first_however_long_the_pods_took():
    """A volume that takes half a minute must not be overslept for nine because the pods took an hour."""
    with pytest.raises(VolumesAttached, match=r"1 volumes .* pv-1: held by ebs"):
        wait_for_volumes(an_empty_node(), Cluster(), T0 + 1)


def test_it_is_asked_for_rarely_some_minutes_after_the_last_pod():
    """So that 48 hours fit into the history (G8)."""
    with pytest.raises(VolumesStillAttached):
        wait_for_volumes(an_empty_node(entered_after_s=250), Cluster(), T0 + 251)


def test_a_visit_that_came_late_gives_way_to_a_heartbeat_and_says_for_what():
    """The long pause fits into a round only if the round has just begun."""
    step = an_empty_node(entered_after_s=100, heartbeat_at=T0)
    record = wait_for_volumes(step, Cluster(), T0 + 101)
    assert (record.next, record.blockers) == ("Heartbeat", ("pv-1: held by ebs.csi.aws.com",))


def test_a_pod_that_came_back_is_evicted_first():
    """Its volumes are not those of a pod that has left."""
    assert wait_for_volumes(an_empty_node(), Cluster(WEB), T0 + 1).next == "EvictBatch"


@pytest.mark.parametrize(("attempt", "then"), [(0, "WaitForTargets"), (1, "EvictBatch")])
def test_a_pod_that_landed_while_volumes_were_waited_for_is_evicted(attempt, then):
    """G4: nothing evictable is left. WaitForPods has looked a moment ago where nothing was waited for."""
    cluster = Cluster(WEB)
    cluster.attachments = lambda: []
    step = replace(an_empty_node(), attempt=attempt)
    assert wait_for_volumes(step, cluster, T0 + 1).next == then


def test_no_attachment_is_the_end_of_the_wait():
    """And it is not asked for again in this drain."""
    cluster = Cluster()
    cluster.attachments = lambda: []
    record = wait_for_volumes(an_empty_node(), cluster, T0 + 1)
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


def test_the_state_is_entered_only_while_its_silence_ends_in_time():
    """Half a timeout belongs to Heartbeat; without a hook nothing presses."""
    hook = Hook(1800, 172_800)
    assert not late_for_the_aftermath(T0 + 639, T0, hook)
    assert late_for_the_aftermath(T0 + 640, T0, hook)
    assert not late_for_the_aftermath(T0 + 9999, T0, None)
