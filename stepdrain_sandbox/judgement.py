"""All guarantees at once, asked of a whole world after whatever has happened in it."""

from __future__ import annotations

import json
from typing import Any

from stepdrain_recorded import audit
from stepdrain_sandbox import guarantees
from stepdrain_sandbox.world import World

Json = dict[str, Any]


def broken(world: World, *, policy: str = "fail") -> list[str]:
    """A sentence for each guarantee that was not kept, for all drains of the world; [] if all were.

    ``policy`` is the ``onTimeout`` of its drains. Instances that Auto Scaling gave up by
    itself, because a heartbeat ran out, are not held against a drain that had failed.
    """
    written = audit.changes(world.kube.audit_log)
    executions = world.executions()
    histories = {one["name"]: world.history(one["executionArn"]) for one in executions}
    records = [*world.kube.audit_log, *histories.values(), *world.aws.messages()]
    return [
        *(sentence for node in world.instances.values() for sentence in _order(world, written, node)),
        *guarantees.deletions_made(written, policy),
        *([] if policy == "force" else guarantees.budgets_broken(_budgets(world))),
        *guarantees.others_touched(written, world.witness.staying),
        *_completed_early(world),
        *guarantees.actions_lost(world.terminated, _cared_for(world, executions)),
        *guarantees.started_twice(json.loads(one["input"])["instanceId"] for one in executions),
        *guarantees.history_too_long({name: len(events) for name, events in histories.items()}),
        *guarantees.secrets_shown(map(str, records)),
        *_rolled_below(world, written),
        *_left_unsaid(world, executions),
    ]


def _order(world: World, written: list[audit.Change], node: str) -> list[str]:
    return guarantees.order_broken(written, node, world.witness.homes.get(node, set()))


def _budgets(world: World) -> list[str]:
    """A machine that went off with pods on it lowers budgets, too; that is told as G4, not as G2."""
    return world.witness.budgets if not any(world.witness.left.values()) else []


def _completed_early(world: World) -> list[str]:
    completed = {one for _, what, one in world.aws.hooks.log if what in ("CONTINUE", "ABANDON")}
    left = [pod for one in completed for pod in world.witness.left.get(one, ())]
    return guarantees.completed_early(left, released=any(_released(one) for one in world.executions()))


def _released(execution: Json) -> bool:
    output = json.loads(execution.get("output") or "{}")
    return bool(output.get("completed", {}).get("outcome") == "released")


def _rolled_below(world: World, written: list[audit.Change]) -> list[str]:
    removed = {
        change.object for change in written if change.kind in ("evict", "delete") and change.status < 300
    }
    rolled = audit.rolled(world.kube.audit_log)
    return guarantees.rolled_below(world.rollout_witness.falls, rolled, removed)


def _left_unsaid(world: World, executions: list[Json]) -> list[str]:
    return [
        sentence
        for one in executions
        if one["status"] == "SUCCEEDED"
        for instance in [json.loads(one["input"])["instanceId"]]
        for sentence in guarantees.left_unsaid(
            instance, world.witness.left.get(instance, ()), str(one.get("output"))
        )
    ]


def _cared_for(world: World, executions: list[Json]) -> set[str]:
    started = {json.loads(one["input"])["instanceId"] for one in executions}
    return started | {letter["detail"].get("EC2InstanceId") for letter in world.dead_letters()}
