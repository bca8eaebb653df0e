"""What Label and Cordon have set is looked at again in each round, and set again by them alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from stepdrain.document import progress
from stepdrain.document.progress import Progress
from stepdrain.document.step import Step
from stepdrain.rules import nodes

FRESH_S = 30
"""So long after the cordon nothing is asked: the API server has said that it stands."""


class Cluster(Protocol):
    """What is asked of the Kubernetes adapter; nodes are core/v1 Node JSON."""

    def node(self, name: str) -> Mapping[str, Any] | None: ...


def lost(step: Step, cluster: Cluster, now: float, *, last: bool = False) -> tuple[Progress, str] | None:
    """The record that leads back to FindNode, and why; None if the node is what the drain has made of it.

    One GET at the first attempt of a visit, but not just after the cordon, unless the execution runs on the
    first definition; and always where it is the ``last`` look, at a node that was seen empty, or where Cordon
    had no node to mark. It leads back at most once between two heartbeats, so that two tools that set and
    lift a cordon in turn cannot fill the history.
    Executions of a definition that knows no way back keep no record of it, and are not asked.
    """
    record = step.progress
    # The cordon's time is the API server's: a clock that is behind it must not put the look off. The first
    # definition's laps have no pause in which a look could be fresh.
    fresh = step.wait_s is not None and abs(now - step.cordoned_at) < FRESH_S
    if not (last or step.uncordoned) and (step.attempt or fresh):
        return None
    if record.found_again_in is None or record.found_again_in >= record.number:
        return None
    node = cluster.node(step.node.name)
    why = nodes.unprotected(node, step.node.name, step.node.uid)
    if not why and node is not None and nodes.silent(node) and not step.node.silent:
        why = f"Node {step.node.name} was Ready and is not any more: its kubelet may have taken another name"
    if not why:
        return None
    return replace(record, next=progress.FIND_NODE, found_again_in=record.number), why
