"""WaitForVolumes: are the volumes of the pods that have left detached?"""

from __future__ import annotations

import os
from typing import Any

from stepdrain import clock
from stepdrain.adapters import connections, invocation
from stepdrain.document.step import parse
from stepdrain.intake import settings
from stepdrain.reporting import logs
from stepdrain.reporting.drain_reports import report_end
from stepdrain.states.wait_for_volumes import wait_for_volumes
from stepdrain.verification import rehearsal

LOG = logs.logger()


@invocation.handler
@rehearsal.instead
@logs.waits
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The round's record with the state that comes next; raises VolumesAttached while some are attached."""
    step = parse(event)
    cluster = connections.kube(step.cluster)
    record = wait_for_volumes(step, cluster, clock.now())
    for not_recorded in report_end(
        cluster, step, record, clock.now(), wanted=settings.node_conditions(os.environ)
    ):
        LOG.warning(not_recorded)
    LOG.info("volumes looked for", node=step.node.name, attempt=step.attempt, progress=record.to_document())
    return record.to_document()
