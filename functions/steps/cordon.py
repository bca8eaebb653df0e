"""Cordon: let no new pod come to the node."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger
from drain import clock, conditions, connections, nodes, settings
from drain.announcements import announce
from drain.invocation import parse

LOG = Logger(service="stepdrain")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """``{"cordoned": bool}``; false if the Node object is gone (its pods may still be there)."""
    step = parse(event)
    cluster = connections.kube(step.cluster)
    cordoned = nodes.cordon(cluster, step.the_node, step.name)
    story = f"Drain {step.name} began: labelled out of load balancers and cordoned"
    now, wanted = clock.now(), settings.node_conditions(os.environ)
    for untold in (
        announce(cluster, step.the_node, "DrainStarted", story, step.name, now),
        conditions.show(
            cluster, step.the_node, conditions.State.STARTED, story, step.running_since, wanted=wanted
        ),
    ):
        if untold:
            LOG.warning(untold)
    LOG.info("node cordoned", node=step.the_node.name, cordoned=cordoned)
    return {"cordoned": cordoned}
