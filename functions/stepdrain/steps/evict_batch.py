"""EvictBatch: evict as many of the node's pods as the batch size and the disruption budgets allow."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger

from stepdrain import clock
from stepdrain.adapters import connections
from stepdrain.document.progress import Round
from stepdrain.document.step import Step, parse
from stepdrain.errors import Blocked
from stepdrain.intake import settings
from stepdrain.reporting import metrics, node_conditions
from stepdrain.reporting.node_events import announce
from stepdrain.states import concurrency_limit
from stepdrain.states.evict_batch import evict_batch

LOG = Logger(service="stepdrain")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The round's record (document.progress.Round.to_document); raises EvictionBlocked if no pod could go.

    Raises NotYourTurn while other drains of the group come first (stepdrain.states.concurrency_limit).
    """
    step = parse(event)
    cluster, now = connections.kube(step.cluster), clock.now()
    if step.redriven and step.attempt == 0 and (unset := _resume(step, cluster)):
        LOG.warning(unset)

    def tell(reason: str, sentence: str, chapter: str) -> None:
        if untold := announce(cluster, step.the_node, reason, sentence, chapter, now):
            LOG.warning(untold)

    if (waiting := _turn(step, now)) is not None:
        return waiting.to_document()
    try:
        complain = partial(tell, "AnnotationIgnored", chapter=step.name)
        record = evict_batch(step, cluster, now, complain)
    except Blocked as blocked:
        metrics.publish(step.cluster, metrics.of_blocked(step, blocked.pods))
        # Once a round: an Event for each attempt would only hide the others.
        if step.attempt == 0:
            tell("PodsBlocked", str(blocked), f"{step.name}/{step.round.number}")
        raise
    metrics.publish(step.cluster, metrics.of_batch(step, record))
    if record.forced > step.round.forced:
        _tell_forced(step, record, cluster, now)
    document = record.to_document()
    LOG.info("batch evicted", node=step.the_node.name, attempt=step.attempt, round=document)
    return document


def _resume(step: Step, cluster: node_conditions.Cluster) -> str | None:
    """Notify has marked the drain as failed, and now it goes on."""
    wanted, story = settings.node_conditions(os.environ), f"Drain {step.name} was redriven"
    started, since = node_conditions.State.STARTED, step.running_since
    return node_conditions.show(cluster, step.the_node, started, story, since, wanted=wanted)


def _tell_forced(step: Step, record: Round, cluster: Any, now: float) -> None:
    """Who lost a pod past its budget must be able to find out why, on the Node and in the log."""
    named = record.forced_pods[len(step.round.forced_pods) :]
    story = f"{record.forced} pods were deleted past their budgets, as the policy says: {'; '.join(named)}"
    chapter = f"{step.name}/{record.forced}"
    if untold := announce(cluster, step.the_node, "PodsForced", story, chapter, now):
        LOG.warning(untold)
    LOG.warning("pods deleted past their budgets", node=step.the_node.name, pods=named)


def _turn(step: Step, now: float) -> Round | None:
    table = os.environ.get("STEPDRAIN_LEASE_TABLE")
    if not concurrency_limit.limited(step, now):
        return None
    if not table:
        LOG.warning("maxConcurrentDrains has no effect: MaxConcurrentDrains is 0, so there is no lease table")
        return None
    return concurrency_limit.take(step, connections.aws().leases(table), now)
