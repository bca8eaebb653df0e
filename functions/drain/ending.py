"""How the end of a drain is told on the Node, by whichever state it ends in."""

from __future__ import annotations

from typing import Protocol

from drain import announcements, conditions, rounds
from drain.announcements import announce
from drain.invocation import Step
from drain.rounds import Round


class Cluster(announcements.Cluster, conditions.Cluster, Protocol):
    """What is asked of the Kubernetes adapter."""


def tell_the_end(cluster: Cluster, step: Step, record: Round, now: float, *, wanted: bool) -> list[str]:
    """Tell it if ``record`` is the end: an Event, and the Node's conditions if they are ``wanted``.

    What could not be told is given back as sentences for the log.
    """
    if record.next != rounds.COMPLETE_ACTION:
        return []
    reason, story = announcements.drained(step.name, record)
    told = (
        announce(cluster, step.the_node, reason, story, step.name, now),
        conditions.show(cluster, step.the_node, conditions.State.DONE, story, now, wanted=wanted),
    )
    return [untold for untold in told if untold]
