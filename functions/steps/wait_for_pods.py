"""WaitForPods: are the evicted pods gone?"""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger
from drain import announcements, clock, conditions, connections, rounds, settings
from drain.announcements import announce
from drain.departure import wait_for_pods
from drain.invocation import parse

LOG = Logger(service="stepdrain")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The round's record with the state that comes next; raises PodsRemaining while pods are leaving."""
    step = parse(event)
    cluster = connections.kube(step.cluster)
    record = wait_for_pods(step, cluster, clock.now())
    if record.next == rounds.COMPLETE_ACTION:
        reason, story = announcements.drained(step.name, record)
        now, wanted = clock.now(), settings.node_conditions(os.environ)
        for untold in (
            announce(cluster, step.the_node, reason, story, step.name, now),
            conditions.show(cluster, step.the_node, conditions.State.DONE, story, now, wanted=wanted),
        ):
            if untold:
                LOG.warning(untold)
    LOG.info("pods looked for", node=step.the_node.name, attempt=step.attempt, round=record.to_document())
    return record.to_document()
