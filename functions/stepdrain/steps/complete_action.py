"""CompleteAction: let Auto Scaling go on with the instance."""

from __future__ import annotations

import os
from typing import Any

from stepdrain import clock
from stepdrain.adapters import connections, invocation
from stepdrain.document.step import parse
from stepdrain.reporting import logs, metrics
from stepdrain.states import concurrency_limit, lifecycle_action
from stepdrain.verification import rehearsal

LOG = logs.logger()


@invocation.handler
@rehearsal.instead
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """``{"result", "outcome", "reason"}``: what Auto Scaling was asked for, how the drain ended, and why."""
    step = parse(event)
    account, table = connections.aws(), os.environ.get("STEPDRAIN_LEASE_TABLE")
    completed = lifecycle_action.complete(step, account)
    if (
        table
        and concurrency_limit.limited(step, clock.now())
        and (kept := concurrency_limit.release(step, account.leases(table)))
    ):
        LOG.warning(kept)
    if completed["outcome"] != lifecycle_action.INSTANCE_GONE:
        metrics.publish(step.cluster, metrics.of_completion(step, clock.now()))
    LOG.info("lifecycle action completed", instance=step.instance_id, completed=completed)
    return {**completed, "findings": []}
