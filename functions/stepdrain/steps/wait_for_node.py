"""WaitForNode: has the launching instance become a node that can take pods?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from stepdrain import clock
from stepdrain.adapters import connections, invocation
from stepdrain.document.step import parse
from stepdrain.reporting import logs
from stepdrain.states import wait_for_node
from stepdrain.verification import rehearsal

LOG = logs.logger()


@invocation.handler
@rehearsal.instead
@logs.waits
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The node (stepdrain.document.step.NodeRef); raises NodeNotReady while it is none, or is not Ready."""
    step = parse(event)
    instance = connections.aws().instance(step.instance_id or "")
    node = wait_for_node.admit(step, connections.kube(step.cluster), instance, clock.now())
    LOG.info("node ready", instance=step.instance_id, node=node.name, uid=node.uid)
    return {**asdict(node), "findings": []}
