"""Cordon: let no new pod come to the node."""

from __future__ import annotations

import os
from typing import Any

from stepdrain import attempt, clock
from stepdrain.adapters import connections, invocation
from stepdrain.document.step import Step, parse
from stepdrain.intake import settings
from stepdrain.reporting import drain_reports, logs
from stepdrain.reporting.node_events import write_event
from stepdrain.states import hold_instance
from stepdrain.states.cordon import cordon
from stepdrain.states.node_patch import Patched
from stepdrain.verification import rehearsal

LOG = logs.logger()


@invocation.handler
@rehearsal.instead
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """``{"cordoned": bool, "at": time}``.

    cordoned    false if the Node object is gone (its pods may still be there)
    at          by the API server's clock, as the times of pods are; where it does not say, by the function's
    """
    step, now = parse(event), clock.now()
    hold_instance.give_way(step, now)
    cluster, cordoned = attempt.in_time(lambda: _cordoned(step), step)
    for not_recorded in drain_reports.report_start(
        cluster, step, now, wanted=settings.node_conditions(os.environ)
    ):
        LOG.warning(not_recorded)
    if denied := (event["drain"].get("settle") or {}).get("denied"):
        sentence = f"Load balancers still send to this node, for its label was refused: {denied}"
        write_event(cluster, step.node, "LabelDenied", sentence, step.name, now)
    LOG.info("node cordoned", node=step.node.name, cordoned=cordoned is not None)
    at = now if cordoned is None or cordoned.at is None else cordoned.at
    return {"cordoned": cordoned is not None, "at": clock.to_rfc3339(at), "findings": []}


def _cordoned(step: Step) -> tuple[Any, Patched | None]:
    cluster = connections.kube(step.cluster)
    return cluster, cordon(cluster, step.node, step.name)
