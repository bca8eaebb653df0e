"""WaitForPods: are the evicted pods gone?"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from drain import clock, connections
from drain.departure import wait_for_pods
from drain.invocation import parse

LOG = Logger(service="stepdrain")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The round's record with the state that comes next; raises PodsRemaining while pods are leaving."""
    step = parse(event)
    record = wait_for_pods(step, connections.kube(step.cluster), clock.now()).to_document()
    LOG.info("pods looked for", node=step.the_node.name, attempt=step.attempt, round=record)
    return record
