"""Cordon: let no new pod come to the node."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from drain import connections, nodes
from drain.invocation import parse

LOG = Logger(service="stepdrain")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """``{"cordoned": bool}``; false if the Node object is gone (its pods may still be there)."""
    step = parse(event)
    cordoned = nodes.cordon(connections.kube(step.cluster), step.the_node)
    LOG.info("node cordoned", node=step.the_node.name, cordoned=cordoned)
    return {"cordoned": cordoned}
