"""The time between the label and the first eviction."""

import pytest

from stepdrain_recorded import audit
from stepdrain_sandbox import guarantees
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import World


@pytest.mark.parametrize("seconds", [0, 90])
def test_load_balancers_have_the_policys_time_between_label_and_first_eviction(seconds):
    """An NLB sends new connections for a minute and more to a target that is being deregistered."""
    with World(workload=cluster_workload, tags={"stepdrain:settle-time": str(seconds)}) as world:
        at = {}
        world.kube.cluster.store.subscribe(lambda change: note(change, at, world.clock.now()))
        instance, _ = max(world.instances.items(), key=lambda item: len(world.pods_on(item[1])))
        world.terminate(instance)
        world.settle()
        assert world.executions()[0]["status"] == "SUCCEEDED"
        assert seconds <= at["leaves"] - at["label"] < seconds + 30
        assert guarantees.order_broken(audit.changes(world.kube.audit_log), world.instances[instance]) == []


def note(change, at, now):
    """When the label was set, and when the first pod began to leave."""
    metadata = change.object["metadata"]
    if change.resource.kind == "Node" and audit.EXCLUDE_LABEL in (metadata.get("labels") or {}):
        at.setdefault("label", now)
    if change.resource.kind == "Pod" and "deletionTimestamp" in metadata:
        at.setdefault("leaves", now)
