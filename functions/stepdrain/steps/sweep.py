"""Sweep: start the drains whose events were lost. No state: a schedule calls it."""

from __future__ import annotations

import os
from typing import Any

from stepdrain import clock
from stepdrain.adapters import connections, instances, invocation
from stepdrain.intake import settings, sweep
from stepdrain.intake.claim import Claims
from stepdrain.reporting import logs
from stepdrain.verification import rehearsal

LOG = logs.logger()
PATIENCE_S = 30
"""For which a call is made again that AWS throttles or does not answer; the function has 110 s."""
WAITED_S = 60
"""For which the executions of events are waited for that come at the same time."""


@invocation.handler
@rehearsal.instead
def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    """``{"started": [execution], "returned": [execution], "left": {instance: reason}}``.

    Raises InvalidSettings or an Aws… error: Lambda then tries twice more, and the next sweep goes on.
    """
    interval_s = settings.sweep_interval_s(os.environ)
    with connections.patient(PATIENCE_S):
        own = settings.intake(os.environ, connections.parameter)
        account = connections.aws()
        until = clock.now() + WAITED_S
        claims = Claims(own.state_machine_arn, account, connections.claim, until)
        found = sweep.sweep(own, account, claims, clock.now(), interval_s)
        for group, members in found.members.items():
            if len(members) >= instances.FEWEST:
                instances.remember(group, members, account, clock.now())
                instances.remember_target_groups(group, found.target_groups[group])
    for warning in found.warnings:
        LOG.warning(warning)
    for name in found.started:
        LOG.warning("drain started by the sweep: its event was lost or is late", execution=name)
    for name in found.maintained:
        LOG.info("drain started: maintenance of the instance's host begins soon", execution=name)
    for name in found.returned:
        LOG.info("node given back: its instance serves again after a drain", execution=name)
    for left_alone in found.left:
        log = LOG.warning if left_alone.needs_help else LOG.info
        log("instance left alone", instance=left_alone.instance, reason=left_alone.reason)
    LOG.info("swept", started=len(found.started), left=len(found.left))
    return found.to_document()
