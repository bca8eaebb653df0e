"""WaitForPods: are the evicted pods gone?"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from stepdrain import clock
from stepdrain.adapters import connections, invocation
from stepdrain.document.progress import Progress
from stepdrain.document.step import Step, parse
from stepdrain.intake import settings
from stepdrain.reporting import logs
from stepdrain.reporting.drain_reports import report_end
from stepdrain.reporting.node_events import record_event
from stepdrain.states import protection
from stepdrain.states.wait_for_pods import wait_for_pods
from stepdrain.verification import rehearsal

LOG = logs.logger()


@invocation.handler
@rehearsal.instead
@logs.waits
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The round's record with the state that comes next; raises PodsRemaining while pods are leaving."""
    step = parse(event)
    cluster = connections.kube(step.cluster)
    if (back := protection.lost(step, cluster, clock.now())) is not None:
        return _back(step, cluster, *back)
    record = wait_for_pods(step, cluster, clock.now(), partial(_tell, step, cluster))
    for not_recorded in report_end(
        cluster, step, record, clock.now(), wanted=settings.node_conditions(os.environ)
    ):
        LOG.warning(not_recorded)
    LOG.info("pods looked for", node=step.node.name, attempt=step.attempt, progress=record.to_document())
    return record.to_document()


def _back(step: Step, cluster: Any, record: Progress, why: str) -> dict[str, Any]:
    sentence = f"{why}. The drain finds its node again, and labels and cordons it"
    _tell(step, cluster, "CordonLost", sentence)
    return record.to_document()


def _tell(step: Step, cluster: Any, reason: str, sentence: str) -> None:
    """Once a round: the Event's name follows from the round."""
    LOG.warning(sentence, node=step.node.name)
    occasion = f"{step.name}/{step.progress.number}"
    if not_recorded := record_event(cluster, step.node, reason, sentence, occasion, clock.now()):
        LOG.warning(not_recorded)
