"""FindNode: which node of the cluster is the instance?"""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger

from stepdrain.adapters import connections
from stepdrain.document.step import NodeRef, Step, document, parse
from stepdrain.intake import ownership, settings
from stepdrain.states import nodes

LOG = Logger(service="stepdrain")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The whole document with ``node`` (stepdrain.document.step.NodeRef).

    Raises NodeNotRegistered while there is none, NothingToDo for an instance that leaves a warm pool asleep.

    A drain that was started by hand may lack everything but ``instanceId``; the rest is filled in here.
    """
    parse(event)
    completed = _completed(event["drain"])
    step = parse({**event, "drain": completed})
    node = _node(step)
    LOG.info("node found", instance=step.instance_id, node=node.name, uid=node.uid)
    return document(completed, node)


def _completed(drain: dict[str, Any]) -> dict[str, Any]:
    if drain.get("cluster"):
        return drain
    return ownership.by_hand(drain, connections.aws(), settings.manual(os.environ))


def _node(step: Step) -> NodeRef:
    cluster = connections.kube(step.cluster)
    if step.instance_id is None:
        return nodes.named_node(cluster, step.node_name or "")
    guess = step.node_name or connections.aws().private_dns_name(step.instance_id)
    warm = (step.lifecycle or {}).get("origin") == "WarmPool"
    return nodes.find_node(cluster, step.instance_id, guess, step.attempt, warm=warm)
