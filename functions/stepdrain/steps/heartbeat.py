"""Heartbeat and HoldInstance: tell Auto Scaling that the drain goes on, or end it at its end."""

from __future__ import annotations

from typing import Any

from stepdrain import clock
from stepdrain.adapters import connections, invocation
from stepdrain.document.step import parse
from stepdrain.reporting import logs, metrics
from stepdrain.states import lifecycle_action
from stepdrain.verification import rehearsal

LOG = logs.logger()


@invocation.handler
@rehearsal.instead
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The drain's record with the state that comes next, also if the heartbeat could not be sent.

    Raises DrainTimedOut, DrainReleased, LifecycleActionExpired or AwsDenied; in HoldInstance also what
    FindNode, Label or Cordon has failed with for too long.
    """
    step = parse(event)
    metrics.publish(step.cluster, metrics.of_heartbeat(step, clock.now()))
    record = lifecycle_action.heartbeat(step, connections.aws(), clock).to_document()
    LOG.info("heartbeat", instance=step.instance_id, waited_for=step.waited_for, progress=record)
    return record
