"""EvictBatch: evict as many of the node's pods as the batch size and the disruption budgets allow."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from drain import clock, connections
from drain.batch import evict_batch
from drain.invocation import parse

LOG = Logger(service="stepdrain")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The round's record (drain.rounds.Round.to_document); raises EvictionBlocked if no pod could go."""
    step = parse(event)
    record = evict_batch(step, connections.kube(step.cluster), clock.now()).to_document()
    LOG.info("batch evicted", node=step.the_node.name, attempt=step.attempt, round=record)
    return record
