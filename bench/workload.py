"""Pods for the benchmark: bound to their node, and with a controller that does not put them back.

So that all tools find the same number of pods in each run, whatever ran before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from stepdrain_sandbox.workload import Manifest, daemonset

OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "web", "controller": True}


def pods(node: str, graces_s: Iterable[int]) -> Iterator[Manifest]:
    """A pod on ``node`` for each grace (seconds)."""
    for number, grace_s in enumerate(graces_s):
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "namespace": "default",
                "name": f"web-{node.split('.', maxsplit=1)[0]}-{number}",
                "labels": {"app": "web"},
                "ownerReferences": [OWNER],
            },
            "spec": {
                "nodeName": node,
                "terminationGracePeriodSeconds": grace_s,
                "containers": [{"name": "web", "image": "registry.invalid/web:1"}],
            },
        }


def on_each(nodes: Sequence[str], graces_s: Sequence[Sequence[int]]) -> Iterator[Manifest]:
    """The pods of each node, and two DaemonSets' as on any EKS node."""
    yield from daemonset("aws-node", nodes)
    yield from daemonset("kube-proxy", nodes)
    for node, its_graces in zip(nodes, graces_s, strict=True):
        yield from pods(node, its_graces)


def mix(count: int) -> list[int]:
    """``count`` graces from 0 to 30 s, evenly."""
    return [number % 31 for number in range(count)]
