"""What a drain asks must not grow with the cluster."""

from stepdrain_sandbox.workload import daemonset, replica_set
from stepdrain_sandbox.world import World, node_manifest

WAITED_FOR = ("pods", "volumeattachments", "targetgroupbindings")
"""Each attempt of a state that waits (bench.history.WAITING) lists one of these once."""


def workload(nodes):
    """Pods that no budget holds: a blocked round asks for one eviction in vain, and tells an Event."""
    return [replica_set("default", "web", {"app": "web"}, 6, 5), *daemonset("aws-node", nodes)]


def requests_of_one_drain(other_nodes):
    """Verb, resource and path of each request for the drain of one node beside ``other_nodes`` others."""
    with World(nodes=2, workload=workload) as world:
        for number in range(other_nodes):
            world.kube.cluster.create(node_manifest(f"other-{number}", f"i-other{number}"))
        instance, node = max(world.instances.items(), key=lambda item: len(world.pods_on(item[1])))
        leaving = len(
            [p for p in world.pods_on(node) if not p["metadata"]["name"].startswith(("aws-", "kube-"))]
        )
        world.terminate(instance)
        world.settle()
        asked = [e for e in world.kube.audit_log if e["userAgent"].startswith("stepdrain/")]
        assert world.executions()[0]["status"] == "SUCCEEDED"
    return leaving, [(event["verb"], event["objectRef"]["resource"]) for event in asked]


def test_a_cluster_of_5000_nodes_is_never_listed():
    """The node is found by one GET: the private DNS name is a first guess, its providerID the proof.

    A second GET is the last look at its cordon.
    """
    leaving, asked = requests_of_one_drain(5000)
    assert ("list", "nodes") not in asked
    assert asked.count(("get", "nodes")) == 2
    attempts = sum(asked.count(("list", what)) for what in WAITED_FOR)
    assert len(asked) <= leaving + 6 + 2 * attempts
