"""Uncordon: undo what an earlier drain of this node had set, and nothing else of it."""

from __future__ import annotations

from typing import Any

from stepdrain import clock
from stepdrain.adapters import connections, invocation
from stepdrain.document.step import parse
from stepdrain.reporting import drain_reports, logs
from stepdrain.states import nodes

LOG = logs.logger()


@invocation.handler
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """``{"undone": [...]}``: of ``label`` and ``cordon`` what a drain of ours had set and is now undone."""
    step = parse(event)
    cluster = connections.kube(step.cluster)
    undone = nodes.undo(cluster, step.node)
    if not_recorded := drain_reports.report_ignored_tags(cluster, step, clock.now()):
        LOG.warning(not_recorded)
    LOG.info("drain undone", node=step.node.name, undone=undone)
    return {"undone": undone}
