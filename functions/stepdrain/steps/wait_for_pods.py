"""WaitForPods: are the evicted pods gone, and may others go?"""

from __future__ import annotations

from functools import partial
from typing import Any

from stepdrain import attempt, clock
from stepdrain.adapters import invocation
from stepdrain.document import progress
from stepdrain.document.progress import Progress
from stepdrain.document.step import Step
from stepdrain.reporting import logs
from stepdrain.reporting.node_events import write_event
from stepdrain.states import lifecycle_action, protection
from stepdrain.states.wait_for_pods import wait_for_pods
from stepdrain.verification import rehearsal

LOG = logs.logger()
AFTER_PODS = (progress.WAIT_FOR_VOLUMES, progress.WAIT_FOR_TARGETS, progress.COMPLETE_ACTION)
"""What comes when no pod is left that is to go."""


@invocation.handler
@rehearsal.instead
@logs.waits
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The drain's record with the state that comes next.

    Raises PodsRemaining, EvictionBlocked or WatchUnavailable while there is nothing to do but wait.
    """
    return attempt.run(event, _look)


def _look(step: Step, cluster: Any, until: float, unwatched: str) -> Progress:
    if back := protection.lost(step, cluster, clock.now()):
        return _back(step, cluster, *back)
    record = wait_for_pods(step, cluster, clock, until, partial(_warn, step, cluster), unwatched)
    if record.next in AFTER_PODS and (back := protection.lost(step, cluster, clock.now(), last=True)):
        # The pods of a node that somebody has deleted are gone, too, and nobody saw how.
        return _back(step, cluster, *back)
    if record.next == progress.HEARTBEAT and lifecycle_action.lets_go(step, clock.now()):
        _warn(step, cluster, "DrainReleased", lifecycle_action.left_behind(step, record))
    return record


def _back(step: Step, cluster: Any, record: Progress, why: str) -> Progress:
    sentence = f"{why}. The drain finds its node again, and labels and cordons it"
    _warn(step, cluster, "CordonLost", sentence)
    return record


def _warn(step: Step, cluster: Any, reason: str, sentence: str) -> None:
    """Once a round: the Event's name follows from the round."""
    LOG.warning(sentence, node=step.node.name)
    occasion = f"{step.name}/{step.progress.number}"
    write_event(cluster, step.node, reason, sentence, occasion, clock.now())
