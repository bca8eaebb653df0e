"""FindNode: which node of the cluster is the instance?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger
from drain import connections, nodes
from drain.invocation import parse

LOG = Logger(service="stepdrain")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """``{"name", "uid"}`` of the node; raises NodeNotRegistered while there is none."""
    step = parse(event)
    cluster = connections.kube(step.cluster)
    if step.instance_id is None:
        node = nodes.named_node(cluster, step.node_name or "")
    else:
        guess = step.node_name or connections.aws().private_dns_name(step.instance_id)
        node = nodes.find_node(cluster, step.instance_id, guess, step.attempt)
    LOG.info("node found", instance=step.instance_id, node=node.name, uid=node.uid)
    return asdict(node)
