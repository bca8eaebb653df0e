"""FindNode: which node of the cluster is the instance?"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from stepdrain import attempt, clock
from stepdrain.adapters import connections, instances, invocation
from stepdrain.document.step import NodeRef, Step, document, parse
from stepdrain.errors import NodeNotFound, NodeNotRegistered
from stepdrain.intake import ownership, settings
from stepdrain.reporting import logs
from stepdrain.reporting.node_events import write_event
from stepdrain.rules import nodes
from stepdrain.rules.nodes import Instance
from stepdrain.states import find_node
from stepdrain.verification import rehearsal

LOG = logs.logger()


@invocation.handler
@rehearsal.instead
@logs.waits
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The whole document with ``node`` (stepdrain.document.step.NodeRef).

    Raises NodeNotRegistered while there is none, NothingToDo for an instance that leaves a warm pool asleep.

    A drain that a person started may lack everything but ``instanceId`` or ``nodeName``; the rest is filled
    in here, the lifecycle action that holds the instance above all. Without a node that is lost again, for a
    Catch hands on what went in: so a person's drain fails at once, by NodeNotFound. A drain that comes back
    to find its node anew keeps the one that it had, as one that is gone: pods may still be bound to it.
    """
    drain, given = event["drain"], parse(event)
    comes_back = given.under_way
    by_hand = ownership.started_by_hand(drain) and not comes_back
    completed = attempt.in_time(lambda: _completed(drain), given) if by_hand else drain
    step = parse({**event, "drain": completed})
    try:
        node = attempt.in_time(lambda: _node(step), step)
    except NodeNotRegistered as absent:
        if comes_back:
            LOG.warning(f"{absent} The drain goes on with the pods of {step.node.name}.")
            return document(completed, replace(step.node, gone=True))
        if not by_hand:
            raise
        raise NodeNotFound(f"{absent} Nothing was drained.{_held(step)}") from absent
    LOG.info("node found", instance=step.instance_id, node=node.name, uid=node.uid)
    return document(completed, node)


def _tell_never_joined(step: Step, instance: Instance, sentence: str) -> None:
    """An Event on the node that is missing, by its name alone, as the kubelet writes its own."""
    if not instance.private_dns_name:
        return
    missing = NodeRef(instance.private_dns_name, instance.private_dns_name)
    message = f"{sentence} The instance is let go without a drain."
    cluster = connections.kube(step.cluster)
    write_event(cluster, missing, "NeverJoined", message, step.name, clock.now())


def _completed(drain: dict[str, Any]) -> dict[str, Any]:
    installed = settings.manual(os.environ, connections.parameter)
    if not drain.get("instanceId"):
        drain = _with_instance(drain, installed.clusters)
    return ownership.by_hand(drain, connections.aws(), installed)


def _held(step: Step) -> str:
    action = step.lifecycle
    if action is None:
        return ""
    return (
        " Auto Scaling holds the instance; if it has no pods, let it go: aws autoscaling "
        f"complete-lifecycle-action --auto-scaling-group-name {action['group']} --lifecycle-hook-name "
        f"{action['hook']} --instance-id {step.instance_id} --lifecycle-action-result CONTINUE"
    )


def _with_instance(drain: dict[str, Any], clusters: tuple[str, ...]) -> dict[str, Any]:
    """The document with the cluster and, if its providerID names one, the instance of the node in it."""
    name = drain["nodeName"]
    asked = [drain["cluster"]] if drain.get("cluster") else list(clusters)
    for cluster in asked:
        node = connections.kube(cluster).node(name)
        if node is not None:
            return {**drain, "cluster": cluster, "instanceId": nodes.ec2_instance_of(node)}
    where = f"cluster {asked[0]} has" if len(asked) == 1 else f"the clusters {', '.join(asked)} have"
    raise NodeNotFound(f"{where[0].upper()}{where[1:]} no node called {name}. Nothing was drained.")


def _node(step: Step) -> NodeRef:
    cluster = connections.kube(step.cluster)
    if step.instance_id is None:
        return find_node.named_node(cluster, step.node_name or "")
    warm = (step.lifecycle or {}).get("origin") == "WarmPool" and not step.under_way
    instance = _instance(step, step.instance_id)
    try:
        found = find_node.find_node(cluster, instance, step.attempt, warm=warm)
    except NodeNotRegistered as absent:
        if step.attempt >= find_node.LAST_ATTEMPT and not step.under_way:
            _tell_never_joined(step, instance, str(absent))
        raise
    node = find_node.reference(found[0])
    for reason, sentence in (
        ("OtherNodes", nodes.others(found, instance)),
        ("NodeWithoutProviderID", nodes.unproven(found[0], instance)),
    ):
        if sentence:
            LOG.warning(sentence)
            write_event(cluster, node, reason, sentence, step.name, clock.now())
    return node


def _instance(step: Step, instance_id: str) -> Instance:
    if step.node_name:
        return nodes.described(instance_id, {"PrivateDnsName": step.node_name})
    if step.private_dns_name and step.private_ip_address:
        # Whoever started the drain has asked EC2 already.
        known = {"PrivateDnsName": step.private_dns_name, "PrivateIpAddress": step.private_ip_address}
        return nodes.described(instance_id, known)
    if step.lifecycle and step.attempt == 0:
        # Later attempts ask EC2: whether the instance is there at all, the cache cannot say.
        kept = instances.address(step.lifecycle["group"], instance_id)
        if kept:
            return nodes.described(instance_id, kept)
    return connections.aws().instance(instance_id)
