"""Uncordon: undo what an earlier drain of this node had set, and nothing else."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from drain import connections, nodes
from drain.invocation import parse

LOG = Logger(service="stepdrain")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """``{"undone": [...]}``: of ``label`` and ``cordon`` what a drain of ours had set and is now undone."""
    step = parse(event)
    undone = nodes.undo(connections.kube(step.cluster), step.the_node)
    LOG.info("drain undone", node=step.the_node.name, undone=undone)
    return {"undone": undone}
