"""WaitForNode: has the launching instance become a node that can take pods?"""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from stepdrain import clock
from stepdrain.adapters import connections, invocation
from stepdrain.document.step import parse
from stepdrain.intake import settings
from stepdrain.reporting import logs
from stepdrain.states import wait_for_node, waiting
from stepdrain.verification import rehearsal

LOG = logs.logger()


@invocation.handler
@rehearsal.instead
@logs.waits
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The node (stepdrain.document.step.NodeRef).

    Raises NodeNotReady, or WatchUnavailable, while it is none, or is not Ready.
    """
    step = parse(event)
    until = clock.now() + (step.wait_s or 0)
    unwatched = settings.unwatched(os.environ) or waiting.crowded_out(step, clock.now())
    instance = connections.aws().instance(step.instance_id or "")
    node = wait_for_node.wait_for_node(
        step, connections.kube(step.cluster), instance, clock, until, unwatched
    )
    LOG.info("node ready", instance=step.instance_id, node=node.name, uid=node.uid)
    return {**asdict(node), "findings": []}
