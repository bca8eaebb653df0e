"""EvictBatch: evict as many of the node's pods as the batch size and the disruption budgets allow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stepdrain import attempt, clock
from stepdrain.adapters import connections, invocation
from stepdrain.document import progress
from stepdrain.document.progress import Progress
from stepdrain.document.step import Step, parse
from stepdrain.errors import (
    EvictionBlocked,
    EvictionStillBlocked,
    NotYourTurn,
    StillNotYourTurn,
    Transient,
)
from stepdrain.intake import settings
from stepdrain.reporting import logs, metrics, node_conditions, pod_events
from stepdrain.reporting.node_events import write_event
from stepdrain.rules import reasons
from stepdrain.rules.pods import Pod
from stepdrain.rules.reasons import Reason, counted
from stepdrain.states import concurrency_limit, cordons_pending, lifecycle_action, protection, routes
from stepdrain.states.evict_batch import evict_batch
from stepdrain.verification import rehearsal

LOG = logs.logger()


@invocation.handler
@rehearsal.instead
@logs.waits
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The drain's record (document.progress.Progress.to_document), also if no pod could go.

    Raises CordonsPending while other drains have begun just now (stepdrain.states.cordons_pending),
    NotYourTurn while other drains of the group come first (stepdrain.states.concurrency_limit),
    DrainTimedOut if Heartbeat cannot end the drain.
    """
    step = parse(event)
    now = clock.now()
    if cordons_pending.may_wait(step, now):
        cordons_pending.wait(step, connections.cached(cordons_pending.key(step.cluster)), now)
    if step.wait_s is not None:
        lifecycle_action.end_unheard(step, now)
    try:
        return attempt.ask_again(lambda: _once(step), step, attempt.ends_at(step)).to_document()
    except Transient:
        if step.wait_s is None or not routes.heartbeat_needed(step.timing(clock.now())):
            raise
        # WaitForPods leads to Heartbeat.
        return replace(step.progress, next=progress.WAIT_FOR_PODS).to_document()


def _once(step: Step) -> Progress:
    cluster, now = connections.kube(step.cluster), clock.now()
    if step.redriven and step.attempt == 0 and (unset := _resume(step, cluster)):
        LOG.warning(unset)
    if step.uncordoned and protection.lost(step, cluster, now):
        # WaitForPods leads back to FindNode: nothing is evicted from a node without a cordon.
        return replace(step.progress, next=progress.WAIT_FOR_PODS)
    try:
        record = _evict(step, cluster, now)
    except (EvictionBlocked, EvictionStillBlocked) as blocked:
        metrics.publish(step.cluster, metrics.of_blocked(step, blocked.pods))
        if _first_of_round(step):
            _record_blocked(step, str(blocked), cluster, now)
        raise
    metrics.publish(step.cluster, metrics.of_batch(step, record))
    if record.rolled != step.progress.rolled:
        _record_rolled(step, record, cluster, now)
    if record.forced > step.progress.forced:
        _record_forced(step, record, cluster, now)
    if record.blocked and record.evicted == step.progress.evicted and step.progress.probing:
        # Once a heartbeat: an Event for each attempt would only hide the others.
        sentence = reasons.cannot_be_evicted(record.blocked, record.blockers)
        _record_blocked(step, sentence, cluster, now)
    LOG.info("batch evicted", node=step.node.name, attempt=step.attempt, progress=record.to_document())
    return record


def _evict(step: Step, cluster: Any, now: float) -> Progress:
    """The batch, if it is the drain's turn; without a turn only what the deadline leaves no more time for."""

    def warn(reason: str, sentence: str) -> None:
        write_event(cluster, step.node, reason, sentence, step.name, now)

    def held(pods: Sequence[Pod], blocked: Sequence[Reason]) -> None:
        if _first_of_round(step):
            _record_on_pods(step, pods, blocked, cluster, now)

    def evicted(pods: Sequence[Pod]) -> None:
        if settings.eviction_events(os.environ):
            _record_evicted(step, pods, cluster, now)

    try:
        _take_turn(step, now)
    except (NotYourTurn, StillNotYourTurn):
        timing, before = step.timing(now), step.progress
        if routes.heartbeat_needed(timing):
            # WaitForPods leads to Heartbeat.
            return replace(before, next=progress.WAIT_FOR_PODS)
        if not timing.forces:
            raise
        record = evict_batch(step, cluster, now, warn, held, evicted, for_deadline=True)
        if (record.evicted, record.forced) == (before.evicted, before.forced):
            raise
        return record
    return evict_batch(step, cluster, now, warn, held, evicted)


def _record_rolled(step: Step, record: Progress, cluster: Any, now: float) -> None:
    named = ", ".join(record.rolled[len(step.progress.rolled) :])
    LOG.info("workloads rolled", node=step.node.name, workloads=named)
    sentence, occasion = f"Restarted instead of evicting their pods: {named}", f"{step.name}/{named}"
    write_event(cluster, step.node, "WorkloadsRolled", sentence, occasion, now)


def _record_blocked(step: Step, sentence: str, cluster: Any, now: float) -> None:
    occasion = f"{step.name}/{step.progress.number}"
    write_event(cluster, step.node, "PodsBlocked", sentence, occasion, now)


def _first_of_round(step: Step) -> bool:
    """Whether what is blocked is recorded: once between two heartbeats."""
    return step.progress.probing if step.wait_s is not None else step.attempt == 0


def _record_on_pods(
    step: Step, pods: Sequence[Pod], blocked: Sequence[Reason], cluster: Any, now: float
) -> None:
    """On each pod that is named, too: its owner looks there, and not at a Node."""
    occasion = f"{step.name}/{step.progress.number}"
    named = blocked[: reasons.NAMED]
    for not_recorded in cluster.create_events(
        pod_events.blocked(pods, named, step.node.name, step.name, occasion, now)
    ):
        LOG.warning(not_recorded)


def _record_evicted(step: Step, pods: Sequence[Pod], cluster: Any, now: float) -> None:
    """On each pod, for its owner; a line of the log for all that could not be written."""
    if lost := cluster.create_events(pod_events.evicted(pods, step.node.name, step.name, now)):
        LOG.warning("eviction events not written", count=len(lost), first=lost[0])


def _resume(step: Step, cluster: node_conditions.Cluster) -> str | None:
    """Notify has marked the drain as failed, and now it goes on."""
    wanted, sentence = settings.node_conditions(os.environ), f"Drain {step.name} was redriven"
    started, since = node_conditions.State.STARTED, step.running_since
    return node_conditions.set_conditions(cluster, step.node, started, sentence, since, wanted=wanted)


def _record_forced(step: Step, record: Progress, cluster: Any, now: float) -> None:
    """Who lost a pod past its budget must be able to find out why, on the Node and in the log."""
    named = record.forced_pods[len(step.progress.forced_pods) :]
    deleted = counted(record.forced, "pod", "were")
    sentence = f"{deleted} deleted for the deadline, as the policy says: {'; '.join(named)}."
    occasion = f"{step.name}/{record.forced}"
    write_event(cluster, step.node, "PodsForced", sentence, occasion, now)
    LOG.warning("pods deleted for the deadline", node=step.node.name, pods=named)


def _take_turn(step: Step, now: float) -> None:
    if not concurrency_limit.limited(step, now):
        return
    table = os.environ.get("STEPDRAIN_LEASE_TABLE")
    if not table:
        LOG.warning("maxConcurrentDrains has no effect: MaxConcurrentDrains is 0, so there is no lease table")
        return
    concurrency_limit.take(step, connections.aws().leases(table), now)
