"""WaitForTargets: have the load balancers let go of the instance?"""

from __future__ import annotations

import os
from typing import Any

from stepdrain import clock
from stepdrain.adapters import connections, invocation
from stepdrain.document.step import parse
from stepdrain.intake import settings
from stepdrain.reporting import logs
from stepdrain.reporting.drain_reports import report_end
from stepdrain.states.wait_for_targets import wait_for_targets
from stepdrain.verification import rehearsal

LOG = logs.logger()


@invocation.handler
@rehearsal.instead
@logs.waits
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The round's record with the state that comes next; raises TargetsDraining while a target drains."""
    step = parse(event)
    cluster = connections.kube(step.cluster)
    record = wait_for_targets(step, cluster, connections.aws(), clock.now())
    for not_recorded in report_end(
        cluster, step, record, clock.now(), wanted=settings.node_conditions(os.environ)
    ):
        LOG.warning(not_recorded)
    LOG.info(
        "targets looked for", instance=step.instance_id, attempt=step.attempt, progress=record.to_document()
    )
    return record.to_document()
