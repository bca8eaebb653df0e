"""An account for trying commands, with three drains: finished, failed, and blocked by a budget.

It is the same every time (seed, virtual time) and gone when the command ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from stepdrain_sandbox import workload
from stepdrain_sandbox.examples.incidents import Night
from stepdrain_sandbox.examples.recordings import LONE, seeded
from stepdrain_sandbox.world import World

Json = dict[str, Any]
FREED_AFTER_S = 300
"""Seconds until somebody edits the budget that blocks the third drain."""


@contextlib.contextmanager
def drains() -> Iterator[World]:
    """Five nodes: one drained; one failed, its cause fixed since; one blocked and running; two untouched."""
    with seeded(), Night(nodes=5, workload=_workload, parameters={"EvictUnmanaged": "false"}) as world:
        done, refused, blocked, *_ = world.instances
        world.terminate(done)
        world.settle()
        world.kube.cluster.create(workload.lone_pod(LONE, world.instances[refused]))
        world.pass_time(5)
        world.terminate(refused)
        world.settle()
        world.kube.cluster.remove("Pod", LONE, "default")
        world.terminate(blocked)
        world.pass_time(60)
        world.clock.call_at(world.clock.now() + FREED_AFTER_S, lambda: _free(world))
        yield world


def _free(world: World) -> None:
    world.kube.cluster.change("PodDisruptionBudget", "orders-db", "default", {"spec": {"maxUnavailable": 2}})


def _workload(nodes: Sequence[str]) -> list[Json]:
    database = workload.blocked_database(nodes[2], replicas=2, grace_s=10)
    return [*workload.cluster_workload(nodes, replicas=4, grace_s=5), *database]
