"""How the beginning of a drain is told on the Node, and what of its policy could not be read."""

from __future__ import annotations

from typing import Protocol

from stepdrain.document.step import Step
from stepdrain.reporting import node_conditions, node_events
from stepdrain.reporting.node_events import announce


class Cluster(node_events.Cluster, node_conditions.Cluster, Protocol):
    """What is asked of the Kubernetes adapter."""


def tell_the_beginning(cluster: Cluster, step: Step, now: float, *, wanted: bool) -> list[str]:
    """An Event, and the Node's conditions if they are ``wanted``; another Event for tags that were not read.

    What could not be told is given back as sentences for the log.
    """
    story = f"Drain {step.name} began: labelled out of load balancers and cordoned"
    told = (
        announce(cluster, step.the_node, "DrainStarted", story, step.name, now),
        tell_of_tags(cluster, step, now),
        node_conditions.show(
            cluster, step.the_node, node_conditions.State.STARTED, story, step.running_since, wanted=wanted
        ),
    )
    return [untold for untold in told if untold]


def tell_of_tags(cluster: node_events.Cluster, step: Step, now: float) -> str | None:
    """An Event with a sentence for each tag that could not be read; none where all could.

    None if it stands there or none is needed, else why not, for the log.
    """
    if not step.warnings:
        return None
    return announce(cluster, step.the_node, "TagIgnored", " ".join(step.warnings), step.name, now)
