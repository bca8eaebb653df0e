"""WaitForNode: has the launching instance become a node that can take pods?"""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from stepdrain import attempt, clock
from stepdrain.adapters import connections, invocation
from stepdrain.document.step import NodeRef, Step, parse
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
    node = attempt.in_time(lambda: _admitted(step, until), step)
    LOG.info("node ready", instance=step.instance_id, node=node.name, uid=node.uid)
    return {**asdict(node), "findings": []}


def _admitted(step: Step, until: float) -> NodeRef:
    now = clock.now()
    unwatched = settings.unwatched(os.environ) or waiting.crowded_out(step, now)
    instance = connections.aws().instance(step.instance_id or "")
    cluster = connections.kube(step.cluster)
    watches_until = waiting.watches_until(step, now, until)
    return wait_for_node.wait_for_node(step, cluster, instance, clock, watches_until, unwatched)
