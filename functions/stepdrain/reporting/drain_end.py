"""How the end of a drain is told on the Node, by whichever state it ends in."""

from __future__ import annotations

from typing import Protocol

from stepdrain.document import progress
from stepdrain.document.progress import Round
from stepdrain.document.step import Step
from stepdrain.reporting import node_conditions, node_events
from stepdrain.reporting.node_events import announce


class Cluster(node_events.Cluster, node_conditions.Cluster, Protocol):
    """What is asked of the Kubernetes adapter."""


def tell_the_end(cluster: Cluster, step: Step, record: Round, now: float, *, wanted: bool) -> list[str]:
    """Tell it if ``record`` is the end: an Event, and the Node's conditions if they are ``wanted``.

    What could not be told is given back as sentences for the log.
    """
    if record.next != progress.COMPLETE_ACTION:
        return []
    reason, story = node_events.drained(step.name, record)
    told = (
        announce(cluster, step.the_node, reason, story, step.name, now),
        node_conditions.show(cluster, step.the_node, node_conditions.State.DONE, story, now, wanted=wanted),
    )
    return [untold for untold in told if untold]
