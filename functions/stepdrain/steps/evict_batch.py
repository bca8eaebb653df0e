"""EvictBatch: evict as many of the node's pods as the batch size and the disruption budgets allow."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from stepdrain import clock
from stepdrain.adapters import connections, invocation
from stepdrain.document.progress import Progress
from stepdrain.document.step import Step, parse
from stepdrain.errors import Blocked
from stepdrain.intake import settings
from stepdrain.reporting import logs, metrics, node_conditions
from stepdrain.reporting.node_events import record_event
from stepdrain.states import concurrency_limit
from stepdrain.states.evict_batch import evict_batch
from stepdrain.verification import rehearsal

LOG = logs.logger()


@invocation.handler
@rehearsal.instead
@logs.waits
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The round's record (document.progress.Progress.to_document); raises EvictionBlocked if no pod could go.

    Raises NotYourTurn while other drains of the group come first (stepdrain.states.concurrency_limit).
    """
    step = parse(event)
    cluster, now = connections.kube(step.cluster), clock.now()
    if step.redriven and step.attempt == 0 and (unset := _resume(step, cluster)):
        LOG.warning(unset)

    def tell(reason: str, sentence: str, occasion: str) -> None:
        if not_recorded := record_event(cluster, step.node, reason, sentence, occasion, now):
            LOG.warning(not_recorded)

    if (waiting := _turn(step, now)) is not None:
        return waiting.to_document()
    try:
        record = evict_batch(step, cluster, now, partial(tell, occasion=step.name))
    except Blocked as blocked:
        metrics.publish(step.cluster, metrics.of_blocked(step, blocked.pods))
        # Once a round: an Event for each attempt would only hide the others.
        if step.attempt == 0:
            tell("PodsBlocked", str(blocked), f"{step.name}/{step.progress.number}")
        raise
    metrics.publish(step.cluster, metrics.of_batch(step, record))
    if record.rolled != step.progress.rolled:
        named = ", ".join(record.rolled[len(step.progress.rolled) :])
        LOG.info("workloads rolled", node=step.node.name, workloads=named)
        tell("WorkloadsRolled", f"Restarted instead of evicting their pods: {named}", f"{step.name}/{named}")
    if record.forced > step.progress.forced:
        _tell_forced(step, record, cluster, now)
    document = record.to_document()
    LOG.info("batch evicted", node=step.node.name, attempt=step.attempt, progress=document)
    return document


def _resume(step: Step, cluster: node_conditions.Cluster) -> str | None:
    """Notify has marked the drain as failed, and now it goes on."""
    wanted, sentence = settings.node_conditions(os.environ), f"Drain {step.name} was redriven"
    started, since = node_conditions.State.STARTED, step.running_since
    return node_conditions.set_conditions(cluster, step.node, started, sentence, since, wanted=wanted)


def _tell_forced(step: Step, record: Progress, cluster: Any, now: float) -> None:
    """Who lost a pod past its budget must be able to find out why, on the Node and in the log."""
    named = record.forced_pods[len(step.progress.forced_pods) :]
    sentence = f"{record.forced} pods were deleted past their budgets, as the policy says: {'; '.join(named)}"
    occasion = f"{step.name}/{record.forced}"
    if not_recorded := record_event(cluster, step.node, "PodsForced", sentence, occasion, now):
        LOG.warning(not_recorded)
    LOG.warning("pods deleted past their budgets", node=step.node.name, pods=named)


def _turn(step: Step, now: float) -> Progress | None:
    table = os.environ.get("STEPDRAIN_LEASE_TABLE")
    if not concurrency_limit.limited(step, now):
        return None
    if not table:
        LOG.warning("maxConcurrentDrains has no effect: MaxConcurrentDrains is 0, so there is no lease table")
        return None
    return concurrency_limit.take(step, connections.aws().leases(table), now)
