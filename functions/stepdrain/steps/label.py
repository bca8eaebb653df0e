"""Label: take the node out of its load balancers."""

from __future__ import annotations

from typing import Any

from stepdrain.adapters import connections, invocation
from stepdrain.document.step import parse
from stepdrain.reporting import logs
from stepdrain.states import nodes

LOG = logs.logger()


@invocation.handler
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """``{"labelled": bool, "seconds": int}``.

    labelled    false if the Node object is gone (its pods may still be there)
    seconds     until the first eviction, as the policy says; the state Settle waits so long
    """
    step = parse(event)
    labelled = nodes.exclude_from_load_balancers(connections.kube(step.cluster), step.node, step.name)
    LOG.info("node labelled out of load balancers", node=step.node.name, labelled=labelled)
    return {"labelled": labelled, "seconds": step.policy.settle_time}
