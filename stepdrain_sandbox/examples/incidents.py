"""A night on call: one drain finished, one failed, one is blocked by a budget, two nodes are untouched.

The reader can fix what is wrong, and the drains go on. On a RealClock it runs until it is stopped.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

from moto.moto_api._internal import mock_random

from stepdrain_sandbox import workload
from stepdrain_sandbox.clock import Clock
from stepdrain_sandbox.examples.recordings import LONE, SEED, seeded
from stepdrain_sandbox.world import World

Json = dict[str, Any]
WITHIN_S = 60


class Night(World):
    """A world whose instances have the same ids and names, whatever else was made before them."""

    def _make_group(self) -> None:
        auto_scaling = self._client("autoscaling")
        made = auto_scaling.create_auto_scaling_group

        def seeded_anew(**options: Any) -> Any:
            mock_random.seed(SEED)
            return made(**options)

        with mock.patch.object(auto_scaling, "create_auto_scaling_group", seeded_anew):
            super()._make_group()


@contextlib.contextmanager
def incidents(clock: Clock | None = None) -> Iterator[World]:
    """The world once the first drain has finished and the second has failed; in virtual time by default."""
    parameters = {"EvictUnmanaged": "false"}
    with seeded(), Night(nodes=5, clock=clock, workload=_workload, parameters=parameters) as world:
        done, refused, blocked, *_ = world.instances
        world.kube.cluster.create(workload.lone_pod(LONE, world.instances[refused]))
        world.pass_time(2)
        for instance in (done, refused, blocked):
            world.terminate(instance)
            world.pass_time(1)
        _await_two_ends(world)
        yield world


def _await_two_ends(world: World) -> None:
    for _ in range(WITHIN_S):
        if {execution["status"] for execution in world.executions()} >= {"SUCCEEDED", "FAILED"}:
            return
        world.pass_time(1)
    raise AssertionError(f"Two drains should have ended within {WITHIN_S} s: {world.executions()}")


def _workload(nodes: Sequence[str]) -> list[Json]:
    database = workload.blocked_database(nodes[2], replicas=2, grace_s=10)
    return [*workload.cluster_workload(nodes, replicas=4, grace_s=5), *database]
