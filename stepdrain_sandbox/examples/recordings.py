"""The drains of docs/examples: blocked and then forced; failed and then redriven.

Time is virtual, and random values (instance ids, tokens, names of pods) come from a seed, so that the
files change only when the drain or the report does.
"""

from __future__ import annotations

import contextlib
import json
import random
import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

from moto.moto_api._internal import mock_random

from stepdrain_sandbox import workload
from stepdrain_sandbox.world import World

Json = dict[str, Any]
LONE = "forgotten-debug-pod"
SEED = 2026
NODE, INSTANCE = "ip-10-4-122-68.ec2.internal", "i-c7daae88bb98ec822"
TOKEN = "71514102-3a47-4f20-9c1e-5b0c8f1e2d3a"


@dataclass(frozen=True)
class Recording:
    """The records of a drain."""

    history: list[Json]
    audit: list[Json]


@contextlib.contextmanager
def seeded() -> Iterator[None]:
    """Inside this context, the world's random values are the same every time."""
    # Names have a generator of their own: several threads draw uids, in any order.
    numbers, names = random.Random(SEED), random.Random(SEED)
    mock_random.seed(SEED)

    def uuid4() -> uuid.UUID:
        return uuid.UUID(int=numbers.getrandbits(128), version=4)

    with mock.patch.object(uuid, "uuid4", uuid4), mock.patch.object(secrets, "choice", names.choice):
        yield


def blocked_then_forced() -> Recording:
    """A budget blocks three pods until the deadline; then onTimeout force deletes them."""
    with (
        seeded(),
        World(workload=_database, parameters={"DrainTimeout": "600", "OnTimeout": "force"}) as world,
    ):
        return _play(world, lambda _node: None)


def failed_then_redriven() -> Recording:
    """The drain refuses a pod without a controller; after ten minutes somebody removes it and redrives."""
    with seeded(), World(workload=workload.cluster_workload, parameters={"EvictUnmanaged": "false"}) as world:
        _, node = _fullest(world)
        world.kube.cluster.create(workload.lone_pod(LONE, node))
        world.pass_time(5)

        def fix_and_redrive(_node: str) -> None:
            world.pass_time(600)
            world.kube.cluster.remove("Pod", LONE, "default")
            world.redrive(world.executions()[0]["executionArn"])
            world.settle()

        return _play(world, fix_and_redrive)


def _play(world: World, then: Callable[[str], None]) -> Recording:
    instance, node = _fullest(world)
    world.terminate(instance)
    world.settle(within_s=7200)
    then(node)
    execution = world.executions()[0]
    token = json.loads(execution["input"])["lifecycle"]["token"]
    fixed = {node: NODE, instance: INSTANCE, token: TOKEN, token[:8]: TOKEN[:8]}
    history = world.history(execution["executionArn"])
    return Recording(_renamed(history, fixed), _renamed(world.kube.audit_log, fixed))


def _renamed(events: list[Json], fixed: Mapping[str, str]) -> list[Json]:
    """The events with fixed names in place of moto's random ones, which change with every new resource."""
    text = json.dumps(events, default=lambda moment: moment.isoformat())
    for drawn, name in fixed.items():
        text = text.replace(drawn, name)
    renamed: list[Json] = json.loads(text)
    return renamed


def _fullest(world: World) -> tuple[str, str]:
    return max(world.instances.items(), key=lambda item: len(world.pods_on(item[1])))


def _database(nodes: Sequence[str]) -> list[Json]:
    """The demo's workload, and a database on the first node whose budget lets no pod go."""
    database = workload.blocked_database(nodes[0], replicas=3, grace_s=30)
    return [*workload.cluster_workload(nodes, replicas=6, grace_s=20), *database]


RECORDINGS: dict[str, Callable[[], Recording]] = {
    "blocked-then-forced": blocked_then_forced,
    "failed-then-redriven": failed_then_redriven,
}
