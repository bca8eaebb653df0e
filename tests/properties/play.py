"""Plays a generated night on the rehearsal's stage, and says what was broken."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from stepdrain import errors
from stepdrain.errors import DrainError

from stepdrain_engine.execution import Execution
from stepdrain_recorded import audit
from stepdrain_sandbox import guarantees
from stepdrain_sandbox.kube.faults import Fault
from stepdrain_sandbox.kube.kubelet import DEAD
from stepdrain_sandbox.kube.status import failure
from stepdrain_sandbox.rehearsal.stage import DEFINITION, Death, Stage
from stepdrain_sandbox.workload import budget
from stepdrain_sandbox.world import node_manifest
from tests.properties.nights import DEATHS, HOURS_S, Night

LASTS_S = 8 * HOURS_S
REFUSED_S = 10
"""So long a token or a right is refused: an API server restarts, an access entry propagates."""
DENIAL = 'admission webhook "guard.example.com" denied the request: not this pod'
LARGEST_DOCUMENT = 32 * 1024
NO_NAMES = {"KeyError", *DEATHS}
"""What the deaths of a night are called; any other name must be one of stepdrain.errors."""


def play(night: Night, machine: dict[str, Any] = DEFINITION) -> Stage:
    """The stage after the night, its redrives and a quiet morning, on that definition of DrainNode."""
    stage = Stage(night.nodes, night.policy, night.heartbeat_s, machine=machine)
    with stage.set(night.manifests(list(stage.instances.values()))):
        _prepare(stage, night)
        stage.clock.run(LASTS_S)
        for after_s in night.redrive_after_s:
            stage.clock.run(after_s)
            repair(stage)
            for execution in stage.machine.executions.values():
                if execution.status in ("FAILED", "TIMED_OUT"):
                    stage.machine.redrive(execution)
            stage.clock.run(LASTS_S)
    return stage


def _prepare(stage: Stage, night: Night) -> None:
    begin = stage.clock.now()

    def later(seconds: float, action: object, *arguments: object) -> None:
        stage.clock.call_at(begin + seconds, lambda: action(*arguments))  # type: ignore[operator]

    for number, instance in enumerate(list(stage.instances)[: night.victims]):
        later(number * night.apart_s, _terminate, stage, instance, night.deliveries)
    for drawn in night.faults:
        later(drawn.at_s, stage.transport.faults.add, fault(drawn), REFUSED_S if drawn.refuse else None)
    for at_s, number, allows in night.edits:
        later(at_s, edit, stage, f"app{number}", allows)
    for at_s, seconds in night.skews:
        later(at_s, setattr, stage, "skew_s", float(seconds))
    for at_s, number, what in night.nodes_changed:
        instance = list(stage.instances)[: night.victims][-1 if number else 0]
        later(at_s, change_node, stage, instance, what)
    stage.group.faults.extend(night.refusals)
    stage.deaths.extend(Death(*death) for death in night.deaths)


def _terminate(stage: Stage, instance: str, deliveries: list[int]) -> None:
    event = stage.terminate(instance)
    for after_s in deliveries:
        stage.clock.call_at(stage.clock.now() + after_s, lambda: stage.deliver(event))


def fault(drawn: object) -> Fault:
    """What the transport does to requests, of a night's fault."""
    status, cut = drawn.status, drawn.cut  # type: ignore[attr-defined]
    if drawn.watch:  # type: ignore[attr-defined]
        return Fault(drawn.verb, times=drawn.times, watch=drawn.watch)  # type: ignore[attr-defined]
    if drawn.refuse:  # type: ignore[attr-defined]
        return Fault(drawn.verb, refuse=drawn.refuse)  # type: ignore[attr-defined]
    if drawn.webhook:  # type: ignore[attr-defined]
        denied = failure(drawn.webhook, "", DENIAL)  # type: ignore[attr-defined]
        return Fault(drawn.verb, "/eviction", drawn.times, denied.status, denied.body)  # type: ignore[attr-defined]
    if not status:
        return Fault(drawn.verb, times=drawn.times, cut=cut or "reset")  # type: ignore[attr-defined]
    return Fault(drawn.verb, times=drawn.times, status=status, body="{cut")  # type: ignore[attr-defined]


def edit(stage: Stage, name: str, allows: int) -> None:
    """Somebody edits a workload's budget, deletes it (-1), or makes one."""
    there = stage.cluster.get("PodDisruptionBudget", name, "default") is not None
    if there and allows < 0:
        stage.cluster.remove("PodDisruptionBudget", name, "default")
    elif there:
        stage.cluster.change("PodDisruptionBudget", name, "default", {"spec": {"maxUnavailable": allows}})
    elif allows >= 0:
        stage.cluster.create(budget("default", name, {"app": name.removeprefix("app")}, allows))


def change_node(stage: Stage, instance: str, what: str) -> None:
    """Somebody lifts the cordon, the kubelet registers its Node anew, or a stale Node of the instance shows.

    Nothing where the Node is gone.
    """
    name = stage.instances[instance]
    if stage.cluster.get("Node", name) is None:
        return
    if what == "cordon lifted":
        stage.cluster.change("Node", name, "", {"spec": {"unschedulable": None}})
    elif what == "registered anew":
        with stage.cluster.store.lock:
            stage.cluster.remove("Node", name)
            stage.cluster.create(node_manifest(name, instance))
    elif stage.cluster.get("Node", f"stale-{name}") is None:
        stale = node_manifest(f"stale-{name}", instance)
        stale["metadata"]["annotations"] = {DEAD: "true"}
        stage.cluster.create(stale)


def repair(stage: Stage) -> None:
    """Whatever was wrong with cluster, account and functions is right again."""
    stage.transport.faults.clear()
    stage.group.faults.clear()
    stage.deaths.clear()
    stage.skew_s = 0.0


def broken(stage: Stage, night: Night, *, ended: bool = True) -> list[str]:
    """A sentence for each guarantee that the night broke, so far or (``ended``) once everything is over."""
    actions = _actions(stage, night) if ended else ()
    return [*_cluster(stage, night), *_completions(stage, night), *actions, *_executions(stage, ended=ended)]


def _cluster(stage: Stage, night: Night) -> Iterator[str]:
    policy, written = night.policy["STEPDRAIN_ON_TIMEOUT"], audit.changes(stage.transport.audit_log)
    for node in stage.instances.values():
        yield from guarantees.order_broken(written, node, stage.witness.homes.get(node, set()))
    yield from guarantees.deletions_made(written, policy)
    yield from guarantees.others_touched(written, stage.witness.staying)
    accepted = Counter(change.object for change in written if change.kind == "evict" and change.status == 201)
    yield from (f"G7: {pod} was evicted {times} times." for pod, times in accepted.items() if times > 1)
    # Pods that came back go with the machine, and budgets fall with them (docs/decisions/0033).
    if not policy.startswith("force") and not any(stage.witness.left.values()) and not stage.witness.returned:
        yield from guarantees.budgets_broken(stage.witness.budgets)
        removed = {
            change.object for change in written if change.kind in ("evict", "delete") and change.status < 300
        }
        rolled = audit.rolled(stage.transport.audit_log)
        yield from guarantees.rolled_below(stage.rollout_witness.falls, rolled, removed)


def _actions(stage: Stage, night: Night) -> Iterator[str]:
    executions = stage.machine.executions.values()
    started = {execution.document["instanceId"] for execution in executions}
    terminated = list(stage.instances)[: night.victims]
    letters = set(terminated) if stage.intake_errors else set()
    for error in stage.intake_errors:
        if not _typed(error):
            yield f"G6: StartDrain ended with {error}, no error of ours."
    yield from guarantees.actions_lost(terminated, started | letters)


def _completions(stage: Stage, night: Night) -> Iterator[str]:
    executions = stage.machine.executions.values()
    started = {execution.document["instanceId"]: execution for execution in executions}
    yield from guarantees.started_twice(execution.document["instanceId"] for execution in executions)
    for instance, result in stage.ended:
        if result in ("CONTINUE", "ABANDON"):
            outcome = started[instance].document["completed"]["outcome"] if _told(started[instance]) else ""
            # A function that died after its work has completed the action, and could not say how.
            released = "released" in started[instance].document or outcome == "released"
            yield from guarantees.completed_early(stage.witness.left.get(instance, ()), released=released)
        if result == "ABANDON" and night.policy["STEPDRAIN_ON_TIMEOUT"] != "abandon":
            yield f"G4: {instance} was abandoned, which no policy asked for."
    if len({instance for instance, _ in stage.ended}) != len(stage.ended):
        yield "G4: an action was completed twice."


def _told(execution: Execution) -> bool:
    return "completed" in execution.document


def _executions(stage: Stage, *, ended: bool) -> Iterator[str]:
    for execution in stage.machine.executions.values():
        if ended and execution.status == "RUNNING":
            yield f"G5: {execution.name} still runs after hours, in {execution.state}."
        if execution.status == "FAILED" and not _typed(execution.error):
            failure = f"{execution.name} failed in {execution.state} with {execution.error}"
            yield f"G5: {failure}, no error of ours: {execution.cause}"
        if execution.status == "FAILED" and execution.state not in execution.entered:
            yield f"G5: {execution.name} failed in {execution.state}, which it never entered."
        if execution.log.longest_document > LARGEST_DOCUMENT:
            yield f"The document of {execution.name} grew to {execution.log.longest_document} characters."
        yield from guarantees.history_too_long({execution.name: execution.events})
        yield from guarantees.secrets_shown([json.dumps(execution.document), execution.cause])


def _typed(error: str) -> bool:
    cls = getattr(errors, error, None)
    return error in NO_NAMES or (isinstance(cls, type) and issubclass(cls, DrainError))
