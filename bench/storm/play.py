"""Lets a storm pass over a world of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from bench.storm.outcome import Outcome, outcome_of
from bench.storm.storms import Storm
from stepdrain_sandbox.aws.account import ACCOUNT, REGION
from stepdrain_sandbox.aws.load import Load
from stepdrain_sandbox.aws.quotas import Quotas
from stepdrain_sandbox.kube.store import rfc3339
from stepdrain_sandbox.workload import replica_set
from stepdrain_sandbox.world import World

Json = dict[str, Any]
GRACES_S = (30, 60)
"""Of the pods, by turns; each node has as many pods as there are graces."""
OF_A_SET = 50
"""Replicas of each ReplicaSet."""
SPARE = 2
"""Nodes that stay, for the evicted pods."""
SWEPT_S = 330
LONGEST_S = 4 * 3600
WARNED_S = 120
"""From a Spot instance's notice to its end
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html)."""
WARNING = "EC2 Spot Instance Interruption Warning"


def play(storm: Storm) -> Outcome:
    """Let the storm pass over a world of its own."""
    nodes, parameters = storm.instances + SPARE, {"Waiting": storm.waiting}
    with World(nodes=nodes, workload=_workload, parameters=parameters) as world:
        # A stack that has stood for a while has been swept. The sweeps go on.
        world.pass_time(SWEPT_S)
        load = Load(world.clock, Quotas(world.clock, storm.region, storm.share, storm.concurrent))
        world.aws.put_under(load)
        victims = list(world.instances)[: storm.instances]
        began, before = world.clock.now(), len(world.kube.audit_log)
        _strike(world, storm, victims)
        world.pass_time(storm.within_s)
        ends_at = world.clock.now() + LONGEST_S
        # An event that Lambda throttles comes again within minutes; until then no execution runs.
        while len(world.aws.running(world.machine)) < len(victims) and world.clock.now() < ends_at:
            world.pass_time(10)
        world.settle(within_s=LONGEST_S, every_s=10)
        return outcome_of(world, load, victims, began, before)


def _workload(nodes: Sequence[str]) -> Iterator[Json]:
    """Pods on each node that may start anywhere, of several workloads for each grace."""
    for grace_s in GRACES_S:
        for first in range(0, len(nodes), OF_A_SET):
            name = f"web-{grace_s}-{first // OF_A_SET}"
            replicas = min(OF_A_SET, len(nodes) - first)
            yield replica_set("default", name, {"app": name}, replicas, grace_s)


def _strike(world: World, storm: Storm, victims: Sequence[str]) -> None:
    strikes = {"spot": _interrupt, "scale-in": World.terminate, "refresh": World.replace}
    for number, instance in enumerate(victims):
        at = world.clock.now() + storm.within_s * number / len(victims)
        world.clock.call_at(at, partial(strikes[storm.kind], world, instance))


def _interrupt(world: World, instance: str) -> None:
    now = world.clock.now()
    world.clock.call_at(now + WARNED_S, partial(world.power_off, instance))
    world.aws.delivery.send(_warning(instance, now))


def _warning(instance: str, now: float) -> Json:
    return {
        "version": "0",
        "id": instance,
        "detail-type": WARNING,
        "source": "aws.ec2",
        "account": ACCOUNT,
        "time": rfc3339(now),
        "region": REGION,
        "resources": [],
        "detail": {"instance-id": instance, "instance-action": "terminate"},
    }
