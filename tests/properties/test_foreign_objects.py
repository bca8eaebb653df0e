"""What others have written is read, skipped or named, whatever its form; no drain stops at it unforeseen."""

from hypothesis import given
from hypothesis import strategies as st

from stepdrain_sandbox.rehearsal.stage import Stage
from stepdrain_sandbox.workload import cluster_workload
from tests.properties.play import LASTS_S
from tests.rules.test_fields import JUNK, uncertain, with_junk
from tests.shards import sharded

LISTED = ("pods", "poddisruptionbudgets", "nodes", "volumeattachments", "daemonsets")
POLICY = {"STEPDRAIN_ON_TIMEOUT": "continue", "STEPDRAIN_DRAIN_TIMEOUT": "900", "STEPDRAIN_ROLL": "blocked"}


def damaged(item, number, junk):
    """The object with ``junk`` in one of its fields (``with_junk``)."""
    found = uncertain(item)
    return with_junk(item, found[number % len(found)], junk) if found else item


def attachment(node):
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": f"csi-{node}"},
        "spec": {
            "attacher": "ebs.csi.aws.com",
            "nodeName": node,
            "source": {"persistentVolumeName": "pv-1"},
        },
        "status": {"attached": True},
    }


@sharded
@given(
    resource=st.sampled_from(LISTED),
    which=st.integers(0, 8),
    number=st.integers(0, 120),
    junk=st.sampled_from(JUNK) | st.just("missing"),
)
def test_no_field_of_a_foreign_object_stops_a_drain_unforeseen(shard, resource, which, number, junk):
    """G5 A failed drain stops at the state that failed, with an error that has a name."""
    stage = Stage(2, POLICY)
    served = stage.transport._served

    def answer(request):
        status, body = served(request)
        if request.target.resource.plural == resource and isinstance(body.get("items"), list):
            items = list(body["items"])
            if items:
                items[which % len(items)] = damaged(items[which % len(items)], number, junk)
            body = {**body, "items": items}
        elif request.target.resource.plural == resource and request.verb == "get":
            body = damaged(body, number, junk)
        return status, body

    stage.transport._served = answer
    nodes = list(stage.instances.values())
    with stage.set([*cluster_workload(nodes), attachment(nodes[0])]):
        event = stage.terminate(next(iter(stage.instances)))
        stage.deliver(event)
        stage.clock.run(LASTS_S)
    (execution,) = stage.machine.executions.values()
    assert execution.error != "UnexpectedError", execution.cause
    assert execution.status in ("SUCCEEDED", "FAILED")
