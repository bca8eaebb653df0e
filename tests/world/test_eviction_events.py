"""EvictionEvents: an Event on each pod that a drain evicts, where an installation asks for it."""

import pytest

from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import World


def drained(parameters):
    """The fullest node is drained: its evicted pods (namespace/name), the pods with Events, and how many
    requests for Events were sent."""
    with World(workload=lambda nodes: cluster_workload(nodes, replicas=9), parameters=parameters) as world:
        instance, node = max(world.instances.items(), key=lambda item: len(world.pods_on(item[1])))
        world.kube.audit_log.clear()
        world.terminate(instance)
        world.settle()
        assert world.executions()[0]["status"] == "SUCCEEDED"
        asked = [event for event in world.kube.audit_log if event["userAgent"].startswith("stepdrain/")]
        evictions = [
            event["objectRef"] for event in asked if event["objectRef"].get("subresource") == "eviction"
        ]
        written = [event for event in asked if event["objectRef"]["resource"] == "events"]
        recorded = [
            event for event in world.kube.cluster.list("Event") if event["involvedObject"]["kind"] == "Pod"
        ]
        assert all(event["message"].endswith(f" empties node {node}") for event in recorded)
    evicted = sorted(f"{eviction['namespace']}/{eviction['name']}" for eviction in evictions)
    about = sorted(
        f"{event['metadata']['namespace']}/{event['involvedObject']['name']}" for event in recorded
    )
    return evicted, about, len(written)


@pytest.mark.parametrize("parameters", [{}, {"EvictionEvents": "true"}])
def test_a_drain_writes_one_event_for_each_evicted_pod_if_asked_and_else_none(parameters):
    """Without the parameter a drain sends DrainStarted and Drained, and not a request more."""
    evicted, about, written = drained(parameters)
    assert len(evicted) >= 4
    assert len(set(evicted)) == len(evicted)
    assert about == (evicted if parameters else [])
    assert written == 2 + len(about)
