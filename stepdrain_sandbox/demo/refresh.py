"""The demo's instance refresh: each instance is drained and replaced, and its successor admitted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from stepdrain_recorded import audit
from stepdrain_sandbox import guarantees, workload
from stepdrain_sandbox.clock import Clock, RealClock
from stepdrain_sandbox.demo.live import LOOK_EVERY_S, Live
from stepdrain_sandbox.demo.scenario import Outcome
from stepdrain_sandbox.world import World

Json = dict[str, Any]
MACHINES = ("DrainNode", "AdmitNode")
BOOTS_AFTER_S = 2.0
EACH_WITHIN_S = 60


def play(say: Callable[[str], None], nodes: int = 3) -> Outcome:
    """Replace all ``nodes`` (a count) in real time, saying what happens."""
    with contextlib.closing(RealClock()) as clock:
        return run(say, nodes, clock)


def run(say: Callable[[str], None], nodes: int, clock: Clock, look_every_s: float = LOOK_EVERY_S) -> Outcome:
    """Replace all nodes on ``clock``, one after the other, as an instance refresh does."""
    with World(clock=clock, nodes=nodes, workload=workload.cluster_workload) as world:
        world.add_launch_hook()
        world.boots_after_s = BOOTS_AFTER_S
        live = Live(world, say, MACHINES, look_every_s)
        old = dict(world.instances)
        replaced = [_replace(world, live, instance, name) for instance, name in old.items()]
        return _judge(world, old, replaced)


def _replace(world: World, live: Live, instance: str, name: str) -> Json:
    before, began = set(world.instances), world.clock.now()
    live.say(f"Auto Scaling replaces {instance} ({name}); the hook holds it in Terminating:Wait")
    world.replace(instance)

    def in_service() -> bool:
        new = set(world.instances) - before
        return (
            bool(new)
            and all(world.lifecycle_state(instance) == "InService" for instance in new)
            and _closed(world)
        )

    done = live.follow(in_service, EACH_WITHIN_S)
    new = next(iter(set(world.instances) - before), "nothing")
    took = world.clock.now() - began
    live.say(f"{instance} is replaced by {new}" if done else f"{instance} is not replaced after {took:.0f} s")
    return {"instanceId": instance, "node": name, "replacedBy": new, "seconds": round(took, 1), "done": done}


def _closed(world: World) -> bool:
    return all(
        execution["status"] != "RUNNING" for machine in MACHINES for execution in world.executions(machine)
    )


def _judge(world: World, old: dict[str, str], replaced: list[Json]) -> Outcome:
    executions = [execution for machine in MACHINES for execution in world.executions(machine)]
    history = [event for execution in executions for event in world.history(execution["executionArn"])]
    written = audit.changes(world.kube.audit_log)
    results = [what for _, what, _ in world.aws.hooks.log if what != "heartbeat"]
    broken = [
        *(
            sentence
            for name in old.values()
            for sentence in guarantees.order_broken(_of(written, name), name)
        ),
        *guarantees.deletions_made(written, "fail"),
        *guarantees.secrets_shown(map(str, [*world.kube.audit_log, *history])),
        *(
            f"{replacement['instanceId']} was not replaced in time."
            for replacement in replaced
            if not replacement["done"]
        ),
    ]
    if {execution["status"] for execution in executions} != {"SUCCEEDED"}:
        broken.append("G5: an execution did not end well.")
    if results != ["CONTINUE"] * (2 * len(old)):
        broken.append(f"G4: the lifecycle actions were ended by {', '.join(results)}.")
    summary = {
        "replaced": replaced,
        "executions": [execution["name"] for execution in executions],
        "status": [execution["status"] for execution in executions],
        "evicted": [change.object for change in written if change.kind == "evict" and change.status < 300],
        "lifecycleAction": results,
        "brokenGuarantees": broken,
    }
    return Outcome(summary, list(world.kube.audit_log), history, broken)


def _of(written: list[audit.Change], node: str) -> list[audit.Change]:
    """The changes from the node's label on, without the marks of other nodes."""
    mine = [change for change in written if change.kind not in ("label", "cordon") or change.object == node]
    first = next((number for number, change in enumerate(mine) if change.object == node), len(mine))
    return mine[first:]


def lines(summary: Json) -> list[str]:
    """What came of it, a line for each instance."""
    return [
        f"{number}. {replacement['instanceId']} drained and let go, {replacement['replacedBy']} admitted: "
        f"{replacement['seconds']:.0f} s"
        for number, replacement in enumerate(summary["replaced"], start=1)
    ]
