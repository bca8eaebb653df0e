"""Checks all guarantees at once for a whole world, whatever has happened in it."""

from __future__ import annotations

import json
from typing import Any

from stepdrain_recorded import audit
from stepdrain_sandbox import guarantees
from stepdrain_sandbox.world import World

Json = dict[str, Any]


def broken(world: World, *, policy: str = "fail") -> list[str]:
    """A sentence for each violated guarantee, for all drains of the world; [] if all were kept.

    ``policy`` is the ``onTimeout`` of its drains. An instance that Auto Scaling terminated because a
    heartbeat ran out does not count against a drain that had failed.
    """
    written = audit.changes(world.kube.audit_log)
    executions = world.executions()
    histories = {execution["name"]: world.history(execution["executionArn"]) for execution in executions}
    records = [*world.kube.audit_log, *histories.values(), *world.aws.messages()]
    return [
        *(sentence for node in world.instances.values() for sentence in _order(world, written, node)),
        *guarantees.deletions_made(written, policy),
        *([] if policy.startswith("force") else guarantees.budgets_broken(_budgets(world))),
        *guarantees.others_touched(written, world.witness.staying),
        *_completed_early(world),
        *guarantees.actions_lost(world.terminated, _cared_for(world, executions)),
        *guarantees.started_twice(map(_instance, executions)),
        *guarantees.history_too_long({name: len(events) for name, events in histories.items()}),
        *guarantees.secrets_shown(map(str, records)),
        *_rolled_below(world, written),
        *_left_unsaid(world, executions),
    ]


def _instance(execution: Json) -> str:
    return str(json.loads(execution["input"])["instanceId"])


def _order(world: World, written: list[audit.Change], node: str) -> list[str]:
    return guarantees.order_broken(written, node, world.witness.homes.get(node, set()))


def _budgets(world: World) -> list[str]:
    """A machine that goes off with pods on it lowers budgets, too; that is reported as G4, not as G2."""
    return world.witness.budgets if not any(world.witness.left.values()) else []


def _completed_early(world: World) -> list[str]:
    completed = {instance for _, what, instance in world.aws.hooks.log if what in ("CONTINUE", "ABANDON")}
    executions = world.executions()
    given_up = {(_instance(execution), pod) for execution in executions for pod in _given_up(execution)}
    left = [
        pod
        for instance in completed
        for pod in world.witness.left.get(instance, ())
        if (instance, pod) not in given_up
    ]
    return guarantees.completed_early(left, released=any(map(_released, executions)))


def _given_up(execution: Json) -> set[str]:
    """The pods (``namespace/name``) that the drain's result says it has given up."""
    record = json.loads(execution.get("output") or "{}").get("progress") or {}
    named = [*record.get("stuckPods", ()), *record.get("unendedPods", ())]
    return {name for name, given_up, _ in (phrase.partition(": given up") for phrase in named) if given_up}


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
        for execution in executions
        if execution["status"] == "SUCCEEDED"
        for instance in [_instance(execution)]
        for sentence in guarantees.left_unsaid(
            instance, world.witness.left.get(instance, ()), str(execution.get("output"))
        )
    ]


def _cared_for(world: World, executions: list[Json]) -> set[str]:
    started = set(map(_instance, executions))
    return started | {letter["detail"].get("EC2InstanceId") for letter in world.dead_letters()}
