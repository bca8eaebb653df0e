"""What is reported on the Node when a drain begins, and when it ends, by whichever state that is."""

from __future__ import annotations

from typing import Protocol

from stepdrain.document import progress
from stepdrain.document.progress import Progress
from stepdrain.document.step import Step
from stepdrain.reporting import node_conditions, node_events
from stepdrain.reporting.node_conditions import State, set_conditions
from stepdrain.reporting.node_events import record_event


class Cluster(node_events.Cluster, node_conditions.Cluster, Protocol):
    """What is asked of the Kubernetes adapter."""


def report_start(cluster: Cluster, step: Step, now: float, *, wanted: bool) -> list[str]:
    """An Event, and the Node's conditions if they are ``wanted``; another Event for tags that were ignored.

    Returns a sentence for the log for each of them that could not be written.
    """
    message = f"Drain {step.name} began: labelled out of load balancers and cordoned"
    since = step.running_since
    results = (
        record_event(cluster, step.node, "DrainStarted", message, step.name, now),
        report_ignored_tags(cluster, step, now),
        set_conditions(cluster, step.node, State.STARTED, message, since, wanted=wanted),
    )
    return [not_recorded for not_recorded in results if not_recorded]


def report_ignored_tags(cluster: node_events.Cluster, step: Step, now: float) -> str | None:
    """An Event with a sentence for each tag that could not be read.

    None if it stands there or there is no such tag, else why it could not be written, for the log.
    """
    if not step.warnings:
        return None
    return record_event(cluster, step.node, "TagIgnored", " ".join(step.warnings), step.name, now)


def report_end(cluster: Cluster, step: Step, record: Progress, now: float, *, wanted: bool) -> list[str]:
    """If ``record`` is the drain's end: an Event, and the Node's conditions if they are ``wanted``.

    Returns a sentence for the log for each of them that could not be written.
    """
    if record.next != progress.COMPLETE_ACTION:
        return []
    reason, message = node_events.drained(step.name, record)
    results = (
        record_event(cluster, step.node, reason, message, step.name, now),
        set_conditions(cluster, step.node, State.DONE, message, now, wanted=wanted),
    )
    return [not_recorded for not_recorded in results if not_recorded]
